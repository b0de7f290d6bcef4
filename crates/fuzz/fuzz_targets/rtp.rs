//! RTP: a header is read only when every length in it fits the packet, and a rewrite changes nothing else.

#![no_main]

use libfuzzer_sys::fuzz_target;
use media::rtp::{Header, Rewrite};

fuzz_target!(|data: &[u8]| {
    let Some(header) = Header::parse(data) else { return };
    assert!(data.get(header.payload.clone()).is_some());
    let mut packet = data.to_vec();
    let rewrite =
        Rewrite { payload_type: 8, sequence: !header.sequence, timestamp: !header.timestamp, ssrc: !header.ssrc };
    rewrite.apply(&mut packet);
    let again = Header::parse(&packet).expect("a rewrite keeps a packet well-formed");
    assert_eq!((again.payload, again.marker, again.ssrc), (header.payload, header.marker, !header.ssrc));
});
