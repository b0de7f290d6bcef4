//! How loud a party is, and whether it speaks.

/// Blocks of 20 ms above the threshold after which somebody speaks, and below it after which nobody does any more.
const BEGINS: u32 = 3;
const ENDS: u32 = 20;
/// How far above the noise of a line speech is, in dB, and where it begins on a silent line, in dBov.
const ABOVE_NOISE_DB: f32 = 10.0;
const LEAST_DBOV: f32 = -50.0;
/// Once somebody speaks, so much less is enough.
const STILL_DB: f32 = 3.0;
/// By how much the noise of a line is believed to grow in a block.
const NOISE_GROWS_DB: f32 = 0.05;
/// Nothing at all (RFC 6464, 3).
const SILENCE_DBOV: f32 = -127.0;

#[derive(Debug)]
pub(super) struct Level {
    recent_dbov: f32,
    noise_dbov: f32,
    speaking: bool,
    /// Blocks in a row that speak for a change.
    blocks: u32,
}

impl Default for Level {
    fn default() -> Self {
        Level { recent_dbov: SILENCE_DBOV, noise_dbov: LEAST_DBOV - ABOVE_NOISE_DB, speaking: false, blocks: 0 }
    }
}

impl Level {
    /// Takes a block; tells when somebody begins or ends to speak.
    pub(super) fn note(&mut self, block: &[i16]) -> Option<bool> {
        let now = dbov(block);
        // Up at once, down slowly: the pauses between words are not silence.
        self.recent_dbov =
            if now > self.recent_dbov { now } else { self.recent_dbov + (now - self.recent_dbov) / 16.0 };
        let noise = self.noise_dbov + NOISE_GROWS_DB;
        self.noise_dbov = if now < noise && now > SILENCE_DBOV { now } else { noise.min(LEAST_DBOV + 20.0) };
        let threshold = (self.noise_dbov + ABOVE_NOISE_DB).max(LEAST_DBOV);
        let loud = now > if self.speaking { threshold - STILL_DB } else { threshold };
        if loud == self.speaking {
            self.blocks = 0;
            return None;
        }
        self.blocks += 1;
        if self.blocks < if loud { BEGINS } else { ENDS } {
            return None;
        }
        self.speaking = loud;
        self.blocks = 0;
        Some(loud)
    }

    /// How loud it was of late, in dBov.
    pub(super) fn recent(&self) -> f32 {
        self.recent_dbov
    }
}

/// The level of a block beside the loudest possible square wave.
fn dbov(block: &[i16]) -> f32 {
    let energy: f32 = block.iter().map(|sample| f32::from(*sample).powi(2)).sum();
    let power = energy / block.len().max(1) as f32 / (32_768.0 * 32_768.0);
    if power <= 0.0 { SILENCE_DBOV } else { (10.0 * power.log10()).max(SILENCE_DBOV) }
}
