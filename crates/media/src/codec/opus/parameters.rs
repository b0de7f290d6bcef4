//! How Opus is sent, and what the other side wants of it (RFC 7587, 6.1).

/// Highest audio frequency that is sent (RFC 6716, Table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OpusBandwidth {
    /// 4 kHz.
    Narrow,
    /// 6 kHz.
    Medium,
    /// 8 kHz.
    Wide,
    /// 12 kHz.
    SuperWide,
    /// 20 kHz.
    Full,
}

/// What an Opus encoder is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusParameters {
    /// Bits per second, on average. Held between 6,000 and 510,000.
    pub bitrate_bps: u32,
    /// All packets as long as each other, rather than as long as the sound needs.
    pub constant_rate: bool,
    /// Every packet carries the one before it a second time, coarsely, while losses are expected (in-band FEC).
    pub fec: bool,
    /// Silence is not sent: payloads of one or two bytes, which need not be sent either (DTX).
    pub dtx: bool,
    /// Losses to be ready for, in percent. Without any there is no FEC.
    pub expected_loss_percent: u8,
    /// Nothing above this is sent. The voice coder stays at 8 kHz or more all the same.
    pub max_bandwidth: OpusBandwidth,
    /// Effort, from 0 to 10.
    pub complexity: u8,
}

/// Losses to be ready for where the other side wants FEC, until its reports tell more.
const LOSS_PERCENT: u8 = 10;

/// Range of bit rates (RFC 7587, 6.1).
const BITRATES: std::ops::RangeInclusive<u32> = 6_000..=510_000;

impl Default for OpusParameters {
    /// Voice, as nobody asked for anything.
    fn default() -> Self {
        OpusParameters {
            bitrate_bps: usual_bitrate(OpusBandwidth::Full),
            constant_rate: false,
            fec: false,
            dtx: false,
            expected_loss_percent: 0,
            max_bandwidth: OpusBandwidth::Full,
            complexity: 5,
        }
    }
}

impl OpusParameters {
    /// Reads the value of the other side's `a=fmtp` line, payload type left off: what it wants to receive. What it does not say, or
    /// says unreadably, stays as it is by default. `stereo` changes nothing: one channel may be sent to everybody.
    pub fn from_fmtp(value: &str) -> Self {
        let mut parameters = Self::default();
        let mut bitrate = None;
        for (name, value) in value.split(';').filter_map(|parameter| parameter.split_once('=')) {
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "maxaveragebitrate" => bitrate = number(value).or(bitrate),
                "maxplaybackrate" => {
                    parameters.max_bandwidth = number(value).map_or(parameters.max_bandwidth, bandwidth);
                }
                "useinbandfec" => parameters.fec = switch(value).unwrap_or(parameters.fec),
                "usedtx" => parameters.dtx = switch(value).unwrap_or(parameters.dtx),
                "cbr" => parameters.constant_rate = switch(value).unwrap_or(parameters.constant_rate),
                _ => {}
            }
        }
        if parameters.fec {
            parameters.expected_loss_percent = LOSS_PERCENT;
        }
        let usual = usual_bitrate(parameters.max_bandwidth);
        parameters.bitrate_bps = bitrate.map_or(usual, |most| usual.min(most).max(*BITRATES.start()));
        parameters
    }

    /// The bit rate, within its range.
    pub(super) fn bitrate(&self) -> i32 {
        self.bitrate_bps.clamp(*BITRATES.start(), *BITRATES.end()) as i32
    }
}

/// Where voice is good, with no more than it needs (RFC 7587, 3.1.1).
fn usual_bitrate(bandwidth: OpusBandwidth) -> u32 {
    match bandwidth {
        OpusBandwidth::Narrow => 12_000,
        OpusBandwidth::Medium => 16_000,
        OpusBandwidth::Wide => 20_000,
        OpusBandwidth::SuperWide => 28_000,
        OpusBandwidth::Full => 32_000,
    }
}

/// The bandwidth that fills a sampling rate.
fn bandwidth(rate_hz: u32) -> OpusBandwidth {
    match rate_hz {
        ..12_000 => OpusBandwidth::Narrow,
        12_000..16_000 => OpusBandwidth::Medium,
        16_000..24_000 => OpusBandwidth::Wide,
        24_000..48_000 => OpusBandwidth::SuperWide,
        48_000.. => OpusBandwidth::Full,
    }
}

/// A number; one too large for us is as good as the largest.
fn number(value: &str) -> Option<u32> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(u32::MAX))
}

fn switch(value: &str) -> Option<bool> {
    match value {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_other_side_wants_is_read() {
        let read = OpusParameters::from_fmtp(
            "minptime=10;UseInbandFec=1; maxaveragebitrate=18000 ;stereo=1;sprop-stereo=1;usedtx=1;CBR=1;maxplaybackrate=16000",
        );
        let expected = OpusParameters {
            bitrate_bps: 18_000,
            constant_rate: true,
            fec: true,
            dtx: true,
            expected_loss_percent: 10,
            max_bandwidth: OpusBandwidth::Wide,
            ..OpusParameters::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn what_cannot_be_read_changes_nothing() {
        for value in [
            "",
            ";;=;",
            "useinbandfec",
            "useinbandfec=yes;usedtx=-1;cbr=2",
            "maxaveragebitrate=;maxplaybackrate=x",
            "=1",
        ] {
            assert_eq!(OpusParameters::from_fmtp(value), OpusParameters::default(), "{value}");
        }
    }

    #[test]
    fn values_are_held_within_their_ranges() {
        let rate = |value| OpusParameters::from_fmtp(value).bitrate_bps;
        assert_eq!(rate("maxaveragebitrate=1"), 6_000);
        assert_eq!(rate("maxaveragebitrate=99999999999999"), 32_000);
        assert_eq!(rate("maxplaybackrate=8000"), 12_000);
        assert_eq!(rate("maxplaybackrate=8000;maxaveragebitrate=510000"), 12_000);
        let most = OpusParameters { bitrate_bps: u32::MAX, ..OpusParameters::default() };
        assert_eq!(most.bitrate(), 510_000);
    }
}
