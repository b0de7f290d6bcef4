//! How a call sounded, from what was measured: the E-model (ITU-T G.107) with the impairments of codecs (G.113).

use std::time::Duration;

/// R of a call without any impairment, with the default values of G.107.
const BEST_R: f64 = 93.2;
/// What a packet of audio waits for being filled, and the playing phone for its decoder.
const PACKET: Duration = Duration::from_millis(20);

/// What was measured of one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Codec, by its name in SDP.
    pub codec: &'static str,
    /// Share of packets that never came, 0 to 1.
    pub lost: f64,
    /// Interarrival jitter.
    pub jitter: Duration,
    /// Round trip between us and the phone, if its reports told it.
    pub round_trip: Option<Duration>,
}

/// Equipment impairment `Ie` of a codec, and its robustness against loss `Bpl` (G.113, appendix I; G.711 with the concealment
/// that phones have). Wide-band codecs are rated as well as G.711 at its best: the narrow-band scale has nothing better. Of
/// Opus G.113 says nothing; its concealment is taken to be as good as that of G.711.
fn impairment(codec: &str) -> (f64, f64) {
    match codec {
        "G729" => (11.0, 19.0),
        "G723" => (15.0, 16.1),
        "GSM" => (20.0, 10.0),
        "iLBC" => (11.0, 32.0),
        _ => (0.0, 25.1),
    }
}

/// Mean opinion score, 1 (nobody understands anything) to 4.5 (nothing is wrong), of what one side hears.
///
/// The delay is half of the round trip, a packet's length, and a jitter buffer of twice the jitter.
pub fn mean_opinion_score(measured: &Measured) -> f32 {
    let (impairment, robustness) = impairment(measured.codec);
    let lost = 100.0 * measured.lost.clamp(0.0, 1.0);
    let equipment = impairment + (95.0 - impairment) * lost / (lost + robustness);
    let delay = measured.round_trip.unwrap_or_default() / 2 + PACKET + 2 * measured.jitter.min(Duration::from_secs(2));
    let delay_ms = delay.as_secs_f64() * 1_000.0;
    let late = if delay_ms > 177.3 { 0.11 * (delay_ms - 177.3) } else { 0.0 };
    score_of(BEST_R - 0.024 * delay_ms - late - equipment)
}

/// G.107, annex B.
#[expect(clippy::cast_possible_truncation, reason = "a score between 1 and 4.5")]
fn score_of(r: f64) -> f32 {
    let score = match r {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        r => 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6,
    };
    score.clamp(1.0, 4.5) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calm(codec: &'static str) -> Measured {
        Measured { codec, lost: 0.0, jitter: Duration::ZERO, round_trip: None }
    }

    #[test]
    fn r_becomes_a_score_as_in_annex_b() {
        for (r, expected) in
            [(93.2, 4.41), (80.0, 4.02), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58), (0.0, 1.0), (120.0, 4.5)]
        {
            assert!((score_of(r) - expected).abs() < 0.01, "{r}: {}", score_of(r));
        }
    }

    #[test]
    fn a_good_call_is_as_good_as_it_gets() {
        assert!((mean_opinion_score(&calm("PCMU")) - 4.40).abs() < 0.01);
        assert!(mean_opinion_score(&calm("G729")) < mean_opinion_score(&calm("PCMA")));
        assert_eq!(mean_opinion_score(&calm("opus")), mean_opinion_score(&calm("PCMU")));
    }

    #[test]
    fn loss_jitter_and_delay_each_make_it_worse() {
        let worse = [
            Measured { lost: 0.01, ..calm("PCMU") },
            Measured { lost: 0.05, ..calm("PCMU") },
            Measured { lost: 0.2, ..calm("PCMU") },
            Measured { lost: 1.0, ..calm("PCMU") },
        ];
        let scores: Vec<f32> = worse.iter().map(mean_opinion_score).collect();
        assert!(scores.is_sorted_by(|a, b| a > b), "{scores:?}");
        assert!(scores[0] > 4.2 && (1.0..2.0).contains(&scores[3]), "{scores:?}");
        let far = Measured { round_trip: Some(Duration::from_millis(600)), ..calm("PCMU") };
        assert!((3.5..4.2).contains(&mean_opinion_score(&far)), "{}", mean_opinion_score(&far));
        let shaky = Measured { jitter: Duration::from_millis(150), ..calm("PCMU") };
        assert!(mean_opinion_score(&shaky) < 4.2);
        let absurd =
            Measured { lost: 7.0, jitter: Duration::MAX, round_trip: Some(Duration::from_secs(1 << 40)), ..calm("") };
        assert_eq!(mean_opinion_score(&absurd), 1.0);
    }
}
