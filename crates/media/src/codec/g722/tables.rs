//! The tables of the recommendation, by its own numbers.

/// Decision levels of the 6-bit quantiser of the lower band, times 2^12 (Table 6).
pub(super) const LEVELS_6: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// Decision level of the 2-bit quantiser of the higher band, times 2^12 (Table 6).
pub(super) const LEVEL_2: i32 = 564;

/// Output of the 6-bit inverse quantiser by code, times 2^15 (Table 7). The first four codes are never sent.
pub(super) const VALUES_6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576,
    -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040,
    -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

/// Output of the 4-bit inverse quantiser by code, times 2^15.
pub(super) const VALUES_4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];

/// Output of the 2-bit inverse quantiser by code, times 2^15.
pub(super) const VALUES_2: [i32; 4] = [-7408, -1616, 7408, 1616];

/// What a 4-bit code adds to the logarithm of the lower band's step, times 2^11.
pub(super) const STEPS_4: [i32; 16] =
    [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];

/// What a 2-bit code adds to the logarithm of the higher band's step, times 2^11.
pub(super) const STEPS_2: [i32; 4] = [798, -214, 798, -214];

/// Powers of two between 1 and 2 in 32 steps, times 2^11.
pub(super) const POWERS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// A value held within 16 bits, as every sum of the recommendation is (6.1).
pub(super) fn word(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}
