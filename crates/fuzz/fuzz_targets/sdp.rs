//! SDP: a body is read or refused, and what was read is written in a form that reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use media::sdp::Description;

fuzz_target!(|data: &[u8]| {
    let Ok(description) = Description::parse(data) else { return };
    let written = description.render();
    let again = Description::parse(&written).expect("what we write we can read");
    assert_eq!(again.render(), written);
});
