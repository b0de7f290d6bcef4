//! G.711: 8 kHz, 16-bit linear samples to and from µ-law and A-law, and straight from one law to the other.

/// µ-law bias: with it every segment begins at a power of two.
const BIAS: i32 = 0x84;
/// Largest magnitude µ-law can hold before the bias.
const CLIP: i32 = 32_635;
/// A-law inverts every other bit on the wire.
const ALTERNATE: u8 = 0x55;

/// Byte that both laws' decoders turn into (nearly) nothing, for µ-law.
pub const PCMU_SILENCE: u8 = 0xff;
/// The same for A-law.
pub const PCMA_SILENCE: u8 = 0xd5;

const FROM_PCMU: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand_pcmu(code as u8);
        code += 1;
    }
    table
};

const FROM_PCMA: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand_pcma(code as u8);
        code += 1;
    }
    table
};

static PCMU_TO_PCMA: [u8; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = encode_pcma(FROM_PCMU[code]);
        code += 1;
    }
    // µ-law has two zeros, and the sign of a zero is the only thing the sample tells.
    table[0x7f] = encode_pcma(-1);
    table
};

static PCMA_TO_PCMU: [u8; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = encode_pcmu(FROM_PCMA[code]);
        code += 1;
    }
    table
};

const fn expand_pcmu(code: u8) -> i16 {
    let code = !code;
    let segment = (code >> 4) & 7;
    let step = (code & 15) as i32;
    let magnitude = (((step << 3) + BIAS) << segment) - BIAS;
    if code & 0x80 != 0 { -magnitude as i16 } else { magnitude as i16 }
}

const fn expand_pcma(code: u8) -> i16 {
    let code = code ^ ALTERNATE;
    let segment = (code >> 4) & 7;
    let step = ((code & 15) as i32) << 4;
    let magnitude = match segment {
        0 => step + 8,
        _ => (step + 0x108) << (segment - 1),
    };
    if code & 0x80 != 0 { magnitude as i16 } else { -magnitude as i16 }
}

/// Linear to µ-law.
pub const fn encode_pcmu(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0x80, -(sample as i32)) } else { (0, sample as i32) };
    let biased = if magnitude > CLIP { CLIP + BIAS } else { magnitude + BIAS };
    // `biased` is between 2^7 and 2^15: its highest bit names the segment.
    let segment = 31 - biased.leading_zeros() - 7;
    let step = (biased >> (segment + 3)) & 15;
    !(sign | ((segment as u8) << 4) | step as u8)
}

/// Linear to A-law.
pub const fn encode_pcma(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, -(sample as i32) - 1) } else { (0x80, sample as i32) };
    let code = if magnitude < 0x100 {
        (magnitude >> 4) as u8
    } else {
        let segment = 31 - magnitude.leading_zeros() - 7;
        let step = (magnitude >> (segment + 3)) & 15;
        ((segment as u8) << 4) | step as u8
    };
    (sign | code) ^ ALTERNATE
}

/// µ-law to linear.
pub fn decode_pcmu(code: u8) -> i16 {
    FROM_PCMU[usize::from(code)]
}

/// A-law to linear.
pub fn decode_pcma(code: u8) -> i16 {
    FROM_PCMA[usize::from(code)]
}

/// Turns µ-law into A-law in place.
pub fn pcmu_to_pcma(payload: &mut [u8]) {
    for byte in payload {
        *byte = PCMU_TO_PCMA[usize::from(*byte)];
    }
}

/// Turns A-law into µ-law in place.
pub fn pcma_to_pcmu(payload: &mut [u8]) {
    for byte in payload {
        *byte = PCMA_TO_PCMU[usize::from(*byte)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points_of_both_laws() {
        assert_eq!(decode_pcmu(0xff), 0);
        assert_eq!(decode_pcmu(0x7f), 0);
        assert_eq!(decode_pcmu(0x80), 32_124);
        assert_eq!(decode_pcmu(0x00), -32_124);
        assert_eq!(decode_pcma(0xd5), 8);
        assert_eq!(decode_pcma(0x55), -8);
        assert_eq!(decode_pcma(0xaa), 32_256);
        assert_eq!(decode_pcma(0x2a), -32_256);
        assert_eq!(encode_pcmu(0), PCMU_SILENCE);
        assert_eq!(encode_pcma(0), PCMA_SILENCE);
        assert_eq!(encode_pcmu(i16::MAX), 0x80);
        assert_eq!(encode_pcmu(i16::MIN), 0x00);
        assert_eq!(encode_pcma(i16::MAX), 0xaa);
        assert_eq!(encode_pcma(i16::MIN), 0x2a);
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for code in 0..=255u8 {
            assert_eq!(encode_pcma(decode_pcma(code)), code);
            // Negative zero of µ-law comes back as positive zero.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(encode_pcmu(decode_pcmu(code)), expected);
        }
    }

    #[test]
    fn error_stays_within_half_a_step() {
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(sample).abs().max(256);
            for decoded in [decode_pcmu(encode_pcmu(sample)), decode_pcma(encode_pcma(sample))] {
                let error = (i32::from(decoded) - i32::from(sample)).abs();
                let clipped = magnitude > 32_124;
                assert!(error <= magnitude / 16 || clipped && error < 700, "{sample} {decoded}");
            }
        }
    }

    #[test]
    fn direct_tables_agree_with_the_linear_way() {
        for code in 0..=255u8 {
            let mut byte = [code];
            pcmu_to_pcma(&mut byte);
            let difference = (i32::from(decode_pcma(byte[0])) - i32::from(decode_pcmu(code))).abs();
            assert!(difference <= i32::from(decode_pcmu(code)).abs() / 16 + 8);
            let mut byte = [code];
            pcma_to_pcmu(&mut byte);
            let difference = (i32::from(decode_pcmu(byte[0])) - i32::from(decode_pcma(code))).abs();
            assert!(difference <= i32::from(decode_pcma(code)).abs() / 16 + 8);
        }
    }
}
