//! One band of G.722: adaptive differential PCM (ITU-T G.722, 3.2 to 3.6, in the arithmetic of 6.2).
//!
//! What is coded is how far a sample is from where the ones before it lead to. The step of the quantiser follows the loudness;
//! two poles and six zeros that adapt with every sample make the prediction. Encoder and decoder adapt alike, from the code alone.

use super::tables::{LEVEL_2, LEVELS_6, POWERS, STEPS_2, STEPS_4, VALUES_2, VALUES_4, VALUES_6, word};

/// Zeros of the predictor.
const ZEROS: usize = 6;

/// The lower band: six bits, of which the upper four drive the adaptation, so that the lower two can be stolen for data.
#[derive(Debug)]
pub(super) struct Lower(Band);

impl Default for Lower {
    fn default() -> Self {
        Lower(Band::new(32))
    }
}

impl Lower {
    pub(super) fn encode(&mut self, sample: i32) -> u8 {
        let error = word(sample - self.0.predicted);
        let step = self.0.step;
        let magnitude = magnitude(error);
        let level = LEVELS_6.iter().take_while(|level| magnitude >= (**level * step) >> 12).count() as u8;
        // Small errors below zero have codes of their own, above the positive ones (Table 5).
        let code = match (error < 0, level) {
            (true, 0 | 1) => 63 - level,
            (true, _) => 33 - level,
            (false, _) => 61 - level,
        };
        self.adapt(code);
        code
    }

    pub(super) fn decode(&mut self, code: u8) -> i32 {
        let sample = self.0.output((self.0.step * VALUES_6[usize::from(code & 0x3f)]) >> 15);
        self.adapt(code);
        sample
    }

    fn adapt(&mut self, code: u8) {
        let code = usize::from(code >> 2 & 0x0f);
        let difference = (self.0.step * VALUES_4[code]) >> 15;
        self.0.scale(STEPS_4[code], 18_432, 8);
        self.0.predict(difference);
    }
}

/// The higher band: two bits.
#[derive(Debug)]
pub(super) struct Higher(Band);

impl Default for Higher {
    fn default() -> Self {
        Higher(Band::new(8))
    }
}

impl Higher {
    pub(super) fn encode(&mut self, sample: i32) -> u8 {
        let error = word(sample - self.0.predicted);
        let small = magnitude(error) < (LEVEL_2 * self.0.step) >> 12;
        let code = match (error < 0, small) {
            (true, false) => 0,
            (true, true) => 1,
            (false, false) => 2,
            (false, true) => 3,
        };
        self.adapt(code);
        code
    }

    pub(super) fn decode(&mut self, code: u8) -> i32 {
        let sample = self.0.output((self.0.step * VALUES_2[usize::from(code & 3)]) >> 15);
        self.adapt(code);
        sample
    }

    fn adapt(&mut self, code: u8) {
        let code = usize::from(code & 3);
        let difference = (self.0.step * VALUES_2[code]) >> 15;
        self.0.scale(STEPS_2[code], 22_528, 10);
        self.0.predict(difference);
    }
}

/// Size of an error as the quantisers see it: one's complement for negative ones.
fn magnitude(error: i32) -> i32 {
    if error < 0 { -(error + 1) } else { error }
}

/// What both bands do alike.
#[derive(Debug)]
struct Band {
    /// Logarithm of the quantiser's step (NB), and the step itself (DET).
    logarithm: i32,
    step: i32,
    /// Where the next sample is expected (S).
    predicted: i32,
    /// The zeros' part of it (SZ).
    predicted_by_zeros: i32,
    /// The last reconstructed samples, latest first (RLT).
    reconstructed: [i32; 2],
    /// The last reconstructions without the poles, latest first (PLT).
    partial: [i32; 2],
    /// The last differences, latest first (DLT).
    differences: [i32; ZEROS],
    /// Coefficients of the poles (A) and the zeros (B).
    poles: [i32; 2],
    zeros: [i32; ZEROS],
}

impl Band {
    fn new(step: i32) -> Self {
        Band {
            logarithm: 0,
            step,
            predicted: 0,
            predicted_by_zeros: 0,
            reconstructed: [0; 2],
            partial: [0; 2],
            differences: [0; ZEROS],
            poles: [0; 2],
            zeros: [0; ZEROS],
        }
    }

    /// A sample for the filters of the receiver: 15 bits (LIMIT).
    fn output(&self, difference: i32) -> i32 {
        (self.predicted + difference).clamp(-16_384, 16_383)
    }

    /// The step follows the loudness (LOGSCL and SCALEL, LOGSCH and SCALEH).
    fn scale(&mut self, change: i32, most: i32, octaves: i32) {
        self.logarithm = (((self.logarithm * 32_512) >> 15) + change).clamp(0, most);
        let power = POWERS[(self.logarithm >> 6 & 31) as usize];
        let down = octaves - (self.logarithm >> 11);
        self.step = if down < 0 { power << (2 - down) } else { (power >> down) << 2 };
    }

    /// The predictor learns a difference and makes its next prediction (block 4).
    fn predict(&mut self, difference: i32) {
        let reconstructed = word(self.predicted + difference);
        let partial = word(self.predicted_by_zeros + difference);
        self.move_poles(partial);
        self.move_zeros(difference);
        self.differences.copy_within(..ZEROS - 1, 1);
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];

        let by_poles = weighted(&self.reconstructed, &self.poles);
        self.predicted_by_zeros = weighted(&self.differences, &self.zeros);
        self.predicted = word(by_poles + self.predicted_by_zeros);
    }

    /// UPPOL2 and UPPOL1: the poles move with the signs, and stay where the filter is stable.
    fn move_poles(&mut self, partial: i32) {
        let [first, second] = self.poles;
        let [like_last, like_one_before] = self.partial.map(|past| (past < 0) == (partial < 0));
        let pull = word(first << 2);
        let pull = if like_last { word(-pull) } else { pull };
        let push = if like_one_before { 128 } else { -128 };
        let second = ((pull >> 7) + push + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);
        let push = if like_last { 192 } else { -192 };
        let most = word(15_360 - second);
        let first = word(push + ((first * 32_640) >> 15)).clamp(-most, most);
        self.poles = [first, second];
    }

    /// UPZERO: the zeros move with the signs of the differences.
    fn move_zeros(&mut self, difference: i32) {
        let push = if difference == 0 { 0 } else { 128 };
        for (zero, past) in self.zeros.iter_mut().zip(self.differences) {
            let push = if (past < 0) == (difference < 0) { push } else { -push };
            *zero = word(push + ((*zero * 32_640) >> 15));
        }
    }
}

/// FILTEP and FILTEZ: values that were doubled first, by their coefficients.
fn weighted(values: &[i32], coefficients: &[i32]) -> i32 {
    word(values.iter().zip(coefficients).map(|(value, coefficient)| (word(value * 2) * coefficient) >> 15).sum())
}
