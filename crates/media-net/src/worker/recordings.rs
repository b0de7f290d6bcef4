//! Recordings: what the legs of a session say goes to the recorder, and what becomes of it is told.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use media::{Fact, Recorded, RecordingChange, RecordingOrder, SessionId};

use super::engine::Engine;
use super::entry::Live;
use crate::mailbox::{Mailbox, Message};
use crate::recording::{End, Format, Layout, Recorder, RecordingId, Report, Shape, opus};

/// The recorder of a worker, and whose recordings are on their way.
pub(super) struct Recordings {
    recorder: Option<Recorder>,
    sessions: HashMap<RecordingId, SessionId>,
    serial: u64,
}

impl Recordings {
    /// A recorder for a folder; what becomes of its recordings comes through the mailbox.
    pub(super) fn new(folder: Option<&Path>, mailbox: &Mailbox) -> io::Result<Recordings> {
        let mailbox = mailbox.clone();
        let start = |folder| Recorder::start(folder, move |report| mailbox.post(Message::Recorded(report)));
        Ok(Recordings { recorder: folder.map(start).transpose()?, sessions: HashMap::new(), serial: 0 })
    }
}

fn shape(order: &RecordingOrder) -> Option<Shape> {
    let layout = if order.mixed { Layout::Mixed } else { Layout::Sides };
    let format = match order.opus_bps {
        Some(bps) => Format::OggOpus(opus(order.rate_hz, layout, bps)?),
        None => Format::Wav,
    };
    let max_length = Duration::from_millis(order.max_length_ms);
    Some(Shape { rate_hz: order.rate_hz, layout, format, max_length })
}

impl<F: Fn(Fact)> Engine<F> {
    pub(super) fn record(&mut self, now: Instant, session: SessionId, order: &RecordingOrder) {
        if !self.names.contains_key(&session) {
            return;
        }
        let Some(recorder) = &self.recordings.recorder else {
            return self.not_recorded(session, "there is no folder for recordings: set [media] recordings".to_owned());
        };
        let Some(shape) = shape(order) else {
            return self.not_recorded(session, "the recording cannot be encoded so".to_owned());
        };
        self.recordings.serial += 1;
        let id = RecordingId(self.recordings.serial);
        match recorder.record(id, &order.name, shape) {
            Ok(recording) => {
                self.recordings.sessions.insert(id, session);
                self.on(now, session, |live| {
                    live.session.tap(now, order.rate_hz);
                    live.recording = Some(recording);
                });
            }
            Err(error) => self.not_recorded(session, error.to_string()),
        }
    }

    fn not_recorded(&self, session: SessionId, why: String) {
        self.tell(Fact::Recorded { session, recorded: Recorded { fault: Some(why), ..Recorded::default() } });
    }

    /// A recording has ended, and been brought to the disk.
    pub(super) fn recorded(&mut self, report: Report) {
        let Some(session) = self.recordings.sessions.remove(&report.id) else { return };
        let mut recorded = Recorded { lost_ms: report.lost_ms, ..Recorded::default() };
        if let Some(saved) = report.saved {
            recorded = Recorded {
                path: Some(saved.path),
                bytes: saved.bytes,
                duration_ms: saved.duration_ms,
                sha256: saved.sha256,
                ..recorded
            };
        }
        match report.end {
            End::Finished => {}
            End::MaxLength => recorded.reached_max_length = true,
            End::Failed(why) => recorded.fault = Some(why),
        }
        self.tell(Fact::Recorded { session, recorded });
    }
}

impl Live {
    /// What was said since the last time goes into the recording.
    pub(super) fn take_down(&mut self) {
        let Some(recording) = &mut self.recording else { return };
        while let Some(sides) = self.session.poll_sides() {
            recording.block(sides.caller(), sides.callee());
        }
        if recording.is_over() {
            self.end_recording();
        }
    }

    pub(super) fn change_recording(&mut self, change: RecordingChange) {
        let Some(recording) = &mut self.recording else { return };
        match change {
            RecordingChange::Pause => recording.pause(),
            RecordingChange::Mask => recording.mask(),
            RecordingChange::Resume => recording.resume(),
            RecordingChange::Finish => self.end_recording(),
        }
    }

    fn end_recording(&mut self) {
        self.recording = None;
        self.session.untap();
    }
}
