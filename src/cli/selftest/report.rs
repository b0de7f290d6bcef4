//! What a call is worth, and how it is shown.

use media::probe::{Heard, TONE_HZ};
use media::quality::{Measured as Quality, mean_opinion_score};
use serde::Serialize;

use super::call::{Call, Measured};

/// Most people are satisfied from this score on (ITU-T G.107, annex B).
const GOOD_SCORE: f32 = 4.0;
/// An echo may be this much louder or softer than what was sent, in dB.
const SAME_LEVEL_DB: f32 = 3.0;
/// Share of the energy that must be in the tone.
const PURE: f32 = 0.9;

/// One line of the report.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    call: &'static str,
    #[serde(skip)]
    name: &'static str,
    call_id: String,
    set_up_ms: Option<f64>,
    heard_hz: Option<u32>,
    level_db: Option<f64>,
    gain_db: Option<f64>,
    lost_percent: Option<f64>,
    jitter_ms: Option<f64>,
    round_trip_ms: Option<f64>,
    one_way_ms: Option<f64>,
    mos: Option<f64>,
    /// How many call records there are; nothing when nobody could look.
    call_records: Option<usize>,
    pub(super) good: bool,
    verdict: String,
}

impl Row {
    /// Judges a call and its records.
    pub(super) fn new(call: &Call, records: Option<usize>) -> Self {
        let measured = call.outcome.as_ref().ok();
        let heard = measured.map(|measured| measured.heard);
        let score = heard.filter(|heard| heard.packets > 0).map(|heard| score(&heard));
        let faults = match &call.outcome {
            Err(why) => vec![why.clone()],
            Ok(measured) => faults(measured, score, records),
        };
        let round_trip = heard.and_then(|heard| heard.round_trip).map(|trip| milliseconds(trip.as_secs_f64()));
        Self {
            call: call.kind.word(),
            name: call.kind.name(),
            call_id: call.id.clone(),
            set_up_ms: measured.map(|measured| milliseconds(measured.set_up.as_secs_f64())),
            heard_hz: heard.and_then(|heard| heard.frequency_hz),
            level_db: heard.and_then(|heard| heard.level_db).map(|db| rounded(f64::from(db), 10.0)),
            gain_db: heard.and_then(|heard| heard.gain_db).map(|db| rounded(f64::from(db), 10.0)),
            lost_percent: heard.map(|heard| rounded(heard.lost * 100.0, 10.0)),
            jitter_ms: heard.map(|heard| milliseconds(heard.jitter.as_secs_f64())),
            round_trip_ms: round_trip,
            one_way_ms: round_trip.map(|ms| rounded(ms / 2.0, 100.0)),
            mos: score.map(|score| rounded(f64::from(score), 100.0)),
            call_records: records,
            good: faults.is_empty(),
            verdict: if faults.is_empty() { "good".to_owned() } else { faults.join("; ") },
        }
    }

    /// Titles of the table.
    pub(super) const HEAD: [&'static str; 8] =
        ["call", "set-up", "heard", "lost", "jitter", "round trip", "mos", "verdict"];

    /// Its cells.
    pub(super) fn cells(&self) -> Vec<String> {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let ms = |value: Option<f64>| or_dash(value.map(|ms| format!("{ms:.1} ms")));
        let heard = self.heard_hz.zip(self.level_db).map(|(hz, db)| format!("{hz} Hz, {db:.1} dB"));
        vec![
            self.name.to_owned(),
            ms(self.set_up_ms),
            or_dash(heard),
            or_dash(self.lost_percent.map(|percent| format!("{percent:.1} %"))),
            ms(self.jitter_ms),
            ms(self.round_trip_ms),
            or_dash(self.mos.map(|mos| format!("{mos:.2}"))),
            self.verdict.clone(),
        ]
    }

    /// The Call-ID, for the trace.
    pub(super) fn call_id(&self) -> &str {
        &self.call_id
    }
}

fn score(heard: &Heard) -> f32 {
    mean_opinion_score(&Quality { codec: "PCMU", lost: heard.lost, jitter: heard.jitter, round_trip: heard.round_trip })
}

/// Everything that is wrong, the most telling first.
fn faults(measured: &Measured, score: Option<f32>, records: Option<usize>) -> Vec<String> {
    let heard = &measured.heard;
    let mut faults = Vec::new();
    match heard.frequency_hz {
        None if heard.packets == 0 => faults.push("nothing came back: no packet arrived".to_owned()),
        None => faults.push(format!("silence came back instead of {TONE_HZ} Hz")),
        Some(hz) if !heard.is_own_tone() => faults.push(format!("{hz} Hz came back instead of {TONE_HZ} Hz")),
        Some(_) => {
            if heard.purity < PURE {
                faults.push(format!("the tone came back with noise: {:.0} % of it is tone", heard.purity * 100.0));
            }
            if let Some(gain) = heard.gain_db.filter(|gain| gain.abs() > SAME_LEVEL_DB) {
                faults.push(format!("the tone came back {gain:+.1} dB from what was sent"));
            }
            if let Some(score) = score.filter(|score| *score < GOOD_SCORE) {
                faults.push(format!("it sounds bad: MOS {score:.2}, and good is {GOOD_SCORE:.1} or more"));
            }
        }
    }
    if let Some(records) = records.filter(|records| *records != 1) {
        faults.push(format!("{records} call records were written instead of one"));
    }
    faults
}

fn milliseconds(seconds: f64) -> f64 {
    rounded(seconds * 1_000.0, 100.0)
}

fn rounded(value: f64, steps: f64) -> f64 {
    // A zero is shown without a sign.
    (value * steps).round() / steps + 0.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::selftest::call::Kind;

    const CLEAN: Heard = Heard {
        packets: 200,
        frequency_hz: Some(TONE_HZ),
        purity: 0.99,
        level_db: Some(-13.3),
        gain_db: Some(0.0),
        lost: 0.0,
        jitter: Duration::from_micros(300),
        round_trip: Some(Duration::from_millis(4)),
    };

    fn row(heard: Heard, records: Option<usize>) -> Row {
        let outcome = Ok(Measured { set_up: Duration::from_millis(12), heard });
        Row::new(&Call { kind: Kind::Plain, id: "selftest-1".to_owned(), outcome }, records)
    }

    #[test]
    fn a_clean_echo_is_good() {
        let row = row(CLEAN, Some(1));
        assert!(row.good, "{row:?}");
        assert_eq!(
            row.cells(),
            ["plain RTP", "12.0 ms", "1020 Hz, -13.3 dB", "0.0 %", "0.3 ms", "4.0 ms", "4.40", "good"]
        );
        assert_eq!((row.one_way_ms, row.gain_db), (Some(2.0), Some(0.0)));
    }

    #[test]
    fn every_fault_is_named() {
        let none = Heard { packets: 0, frequency_hz: None, lost: 1.0, round_trip: None, ..CLEAN };
        for (heard, records, words) in [
            (none, Some(1), "no packet"),
            (Heard { frequency_hz: None, level_db: None, ..CLEAN }, Some(1), "silence"),
            (Heard { frequency_hz: Some(1_000), ..CLEAN }, Some(1), "1000 Hz came back"),
            (Heard { purity: 0.6, ..CLEAN }, Some(1), "60 % of it"),
            (Heard { gain_db: Some(-9.0), ..CLEAN }, Some(1), "-9.0 dB"),
            (Heard { lost: 0.1, ..CLEAN }, Some(1), "MOS"),
            (CLEAN, Some(2), "2 call records"),
            (CLEAN, Some(0), "0 call records"),
        ] {
            let row = row(heard, records);
            assert!(!row.good && row.verdict.contains(words), "{words}: {row:?}");
        }
        let outcome = Err("*43 was refused: 404 Not Found".to_owned());
        let refused = Row::new(&Call { kind: Kind::Sdes, id: String::new(), outcome }, None);
        assert_eq!(refused.cells()[1..], ["-", "-", "-", "-", "-", "-", "*43 was refused: 404 Not Found"]);
        assert!(!refused.good);
        assert!(row(CLEAN, None).good, "a server elsewhere shows no records");
    }
}
