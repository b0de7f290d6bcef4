//! interim
use crate::codec::Encoder;
#[derive(Debug)]
pub struct Speaker {
    encoder: Encoder,
    samples: Vec<i16>,
    frame: usize,
    step: u32,
}
#[derive(Debug)]
pub struct Frame {
    pub len: usize,
    pub timestamp_step: u32,
}
impl Speaker {
    pub fn new(encoder: Encoder, in_hz: u32, clock_hz: u32, ptime_ms: u16) -> Option<Self> {
        if in_hz != encoder.rate_hz() {
            return None;
        }
        let ptime = u32::from(ptime_ms.clamp(10, 60));
        Some(Speaker {
            frame: (in_hz * ptime / 1000) as usize,
            encoder,
            samples: Vec::new(),
            step: clock_hz * ptime / 1000,
        })
    }
    pub fn push(&mut self, block: &[i16]) {
        self.samples.extend_from_slice(block);
    }
    pub fn packet(&mut self, out: &mut [u8]) -> Option<Frame> {
        if self.samples.len() < self.frame {
            return None;
        }
        let len = self.encoder.encode(&self.samples[..self.frame], out)?;
        self.samples.drain(..self.frame);
        Some(Frame { len, timestamp_step: self.step })
    }
}
