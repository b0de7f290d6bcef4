//! Keeps what many say together within what a sample can hold, without cutting its peaks off.

/// Where it begins to be made quieter, and where the last rest is bent.
const LOUD: f32 = 28_000.0;
const BENT: f32 = 24_000.0;
/// By how much it becomes louder again in a block.
const RECOVERS: f32 = 1.02;

#[derive(Debug)]
pub(super) struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Limiter { gain: 1.0 }
    }
}

impl Limiter {
    /// Writes a mix, `volume` times as loud and no louder than it may be.
    pub(super) fn apply(&mut self, mix: &[i32], volume: f32, out: &mut [i16]) {
        let peak = mix.iter().fold(0, |peak, sample| sample.abs().max(peak)) as f32 * volume;
        let wanted = if peak > LOUD { LOUD / peak } else { 1.0 };
        let before = self.gain;
        self.gain = wanted.min((before * RECOVERS).min(1.0));
        if before == 1.0 && self.gain == 1.0 && volume == 1.0 && peak <= BENT {
            for (out, sample) in out.iter_mut().zip(mix) {
                *out = *sample as i16;
            }
            return;
        }
        // From the gain before to the one now within the block: a step would click.
        let step = (self.gain - before) / mix.len().max(1) as f32;
        for (index, (out, sample)) in out.iter_mut().zip(mix).enumerate() {
            let gain = before + step * (index + 1) as f32;
            *out = bend(*sample as f32 * gain * volume) as i16;
        }
    }
}

/// What is louder than most comes nearer and nearer to the loudest, and never there.
fn bend(sample: f32) -> f32 {
    let over = sample.abs() - BENT;
    if over <= 0.0 {
        return sample;
    }
    let room = 32_767.0 - BENT;
    (BENT + over * room / (over + room)).copysign(sample)
}
