//! interim
use crate::codec::Decoder;
use std::time::Instant;
#[derive(Debug)]
pub struct Listener {
    decoder: Decoder,
    samples: Vec<i16>,
}
impl Listener {
    pub fn new(decoder: Decoder, _clock_hz: u32, _out_hz: u32, _seed: u64) -> Option<Self> {
        Some(Listener { decoder, samples: Vec::new() })
    }
    pub fn receive(
        &mut self,
        _now: Instant,
        _ssrc: u32,
        _sequence: u16,
        _timestamp: u32,
        _marker: bool,
        payload: &[u8],
    ) {
        let _ = self.decoder.decode(payload, &mut self.samples);
    }
    pub fn tick(&mut self, _now: Instant, out: &mut [i16]) -> bool {
        let n = out.len().min(self.samples.len());
        out.fill(0);
        out[..n].copy_from_slice(&self.samples[..n]);
        self.samples.drain(..n);
        n > 0
    }
}
