//! RTCP: compound packets are read and rewritten within their bounds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use media::rtcp::{Mapping, Report, is_compound, read, rewrite};

fuzz_target!(|data: &[u8]| {
    let well_formed = is_compound(data);
    let mut sender = None;
    let mut subject = None;
    read(data, |report| match report {
        Report::Sender { ssrc, .. } => sender = Some((ssrc, 160)),
        Report::Block(block) => subject = Some((block.ssrc, 7, 9)),
    });
    if !well_formed {
        return;
    }
    let mut packet = data.to_vec();
    let length = rewrite(&mut packet, &Mapping { ssrc: 1, sender, subject });
    assert!(length <= data.len());
    assert!(length == 0 || is_compound(&packet[..length]));
});
