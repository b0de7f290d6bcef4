//! One connection: a task that reads, writes and watches the time.
//!
//! ```text
//!  outbox ─▶ codec ─▶ out ─▶ socket           First ── a message ──▶ Open ── a message without an end ──▶ Ending
//!  socket ─▶ codec ─▶ sink                    (each has its deadline; whatever ends, the table tells it)
//! ```
//!
//! Both directions are polled by one future, so that a peer which does not read is still heard and a peer which does not write
//! is still written to.

use std::future::Future as _;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf as _, BytesMut};
use sip::{Flow, Message};
use tokio::io::{AsyncRead as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::Sleep;
use tracing::trace;

use super::Shared;
use super::aside;
use super::codec::{Codec, Taken};
use super::io::Io;
use super::outbox::{Next, Outbox};
use super::table::Place;
use crate::event::Event;
use crate::guard;
use crate::limits::{GOODBYE, OUT_BYTES, OUT_HIGH_BYTES, READ_BYTES, READS, REFUSED_REST, UNREADABLE};
use crate::receive::Received;

/// Why a connection has ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The peer closed it.
    Closed,
    /// We did, after everything was written.
    Finished,
    /// It was dropped: its peer does not read, or another connection has its flow.
    Dropped,
    /// Nothing was heard, written or completed for too long.
    Late,
    /// What came was no SIP, or the socket broke.
    Broken(io::Error),
}

/// What is expected of the peer.
enum Phase {
    /// Its first message.
    First { until: Instant },
    /// Nothing in particular.
    Open,
    /// Nothing any more: what waits is written, and then it is over.
    Ending { until: Instant, answered: bool },
}

pub(crate) struct Connection {
    io: Io,
    codec: Codec,
    outbox: Arc<Outbox>,
    flow: Flow,
    place: Place,
    shared: Arc<Shared>,
    /// Bytes for the socket.
    out: BytesMut,
    phase: Phase,
    heard_at: Instant,
    pinged_at: Option<Instant>,
    midway_since: Option<Instant>,
    stalled_since: Option<Instant>,
    resting_until: Option<Instant>,
    unreadable: u32,
    timer: Pin<Box<Sleep>>,
}

impl Connection {
    pub(crate) fn new(
        io: Io,
        codec: Codec,
        outbox: Arc<Outbox>,
        place: Place,
        flow: Flow,
        shared: Arc<Shared>,
    ) -> Self {
        let now = Instant::now();
        let until = now + shared.config.first_message_time;
        Self {
            io,
            codec,
            outbox,
            flow,
            place,
            out: BytesMut::new(),
            phase: Phase::First { until },
            heard_at: now,
            pinged_at: None,
            midway_since: None,
            stalled_since: None,
            resting_until: None,
            unreadable: 0,
            timer: Box::pin(tokio::time::sleep_until(until.into())),
            shared,
        }
    }

    /// We opened it ourselves: the peer need not say anything before it is asked.
    pub(crate) fn expected(mut self) -> Self {
        self.phase = Phase::Open;
        self
    }

    /// Runs until the connection ends. Its place goes with it, and so the end is told.
    pub(crate) async fn run(mut self) {
        // What came together with the opening of a WebSocket lies in the codec already.
        let end = match self.take(&[]) {
            Ok(()) => std::future::poll_fn(|cx| self.poll(cx)).await,
            Err(end) => end,
        };
        let counting = self.shared.counting(self.flow.transport);
        match &end {
            End::Late => counting.timeouts.one(),
            End::Broken(error) => {
                trace!(flow = %self.flow, %error, "a connection broke");
                counting.receive_errors.one();
            }
            End::Closed | End::Finished | End::Dropped => {}
        }
        if matches!(end, End::Finished | End::Late | End::Closed) {
            // The flow is free for others before a slow peer has understood.
            drop(self.place);
            let _ = tokio::time::timeout(GOODBYE, self.io.shutdown()).await;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let steps = [Self::poll_out, Self::poll_in, Self::poll_out, Self::poll_time];
        for step in steps {
            if let Err(end) = step(self, cx) {
                return Poll::Ready(end);
            }
        }
        Poll::Pending
    }

    /// Moves what waits to the socket, as far as it takes it.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        loop {
            let mut finished = false;
            while self.out.len() < OUT_BYTES && !finished {
                match self.outbox.poll(cx) {
                    Next::Message(message) => {
                        self.codec.write(message, &mut self.out).map_err(End::Broken)?;
                        self.shared.counting(self.flow.transport).sent.one();
                        if let Phase::Ending { answered, .. } = &mut self.phase {
                            *answered = true;
                        }
                    }
                    Next::Nothing => break,
                    Next::Dropped => return Err(End::Dropped),
                    Next::Finished => {
                        self.codec.close(&mut self.out);
                        finished = true;
                    }
                }
            }
            if self.out.len() >= OUT_BYTES && self.outbox.poll_end(cx) {
                return Err(End::Dropped);
            }
            let progress = if self.out.is_empty() {
                Pin::new(&mut self.io).poll_flush(cx).map_ok(|()| 0)
            } else {
                Pin::new(&mut self.io).poll_write(cx, &self.out)
            };
            match progress {
                Poll::Ready(Ok(written)) => {
                    self.stalled_since = None;
                    self.out.advance(written);
                    if !self.out.is_empty() {
                        continue;
                    }
                    self.out = BytesMut::new();
                    let over = finished || matches!(self.phase, Phase::Ending { answered: true, .. });
                    if written == 0 {
                        return if over { Err(End::Finished) } else { Ok(()) };
                    }
                }
                Poll::Ready(Err(error)) => return Err(End::Broken(error)),
                Poll::Pending => {
                    self.stalled_since.get_or_insert_with(Instant::now);
                    return Ok(());
                }
            }
        }
    }

    /// Takes what has come, for a while.
    fn poll_in(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        for _ in 0..READS {
            // Whoever lets our answers pile up is not read, and whoever overruns the sink waits a moment.
            let full = self.out.len() > OUT_HIGH_BYTES;
            if full || self.resting_until.is_some() || matches!(self.phase, Phase::Ending { .. }) {
                return Ok(());
            }
            let mut storage = [MaybeUninit::<u8>::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut storage);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(End::Closed),
                Poll::Ready(Err(error)) => return Err(End::Broken(error)),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Err(End::Closed),
                Poll::Ready(Ok(())) => self.take(buffer.filled())?,
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Hands on what these bytes complete.
    fn take(&mut self, bytes: &[u8]) -> Result<(), End> {
        let now = Instant::now();
        self.codec.push(bytes);
        while let Some(taken) = self.codec.next(&mut self.out).map_err(End::Broken)? {
            self.heard_at = now;
            match taken {
                Taken::Message(message) => self.deliver(message, now)?,
                Taken::Last(message) => {
                    self.deliver(message, now)?;
                    self.phase = Phase::Ending { until: now + GOODBYE, answered: false };
                    return Ok(());
                }
                Taken::KeepAlive => self.shared.counting(self.flow.transport).keep_alives.one(),
                Taken::Unreadable => {
                    self.shared.counting(self.flow.transport).unparsable.one();
                    self.shared.guard.malformed(&self.flow, now);
                    self.unreadable += 1;
                    if self.unreadable > UNREADABLE {
                        return Err(End::Broken(io::ErrorKind::InvalidData.into()));
                    }
                }
                Taken::Close => {
                    // Its answer is written already; nothing may come behind it.
                    self.outbox.finish();
                    self.phase = Phase::Ending { until: now + GOODBYE, answered: true };
                    return Ok(());
                }
            }
        }
        let earlier = self.midway_since.filter(|_| self.heard_at != now);
        self.midway_since = self.codec.is_midway().then(|| earlier.unwrap_or(now));
        Ok(())
    }

    fn deliver(&mut self, message: Message, at: Instant) -> Result<(), End> {
        let counting = self.shared.counting(self.flow.transport);
        counting.received.one();
        match self.shared.guard.take(&self.flow, at) {
            guard::Taken::Yes(_) => {}
            guard::Taken::Banned => return Err(End::Dropped),
            guard::Taken::TooMuch => {
                self.resting_until = Some(at + REFUSED_REST);
                return Ok(());
            }
        }
        if let Phase::First { .. } = self.phase {
            self.phase = Phase::Open;
            if let Some(alias) = alias(&message, &self.flow) {
                self.place.also_at(alias);
            }
        }
        let received = Received { flow: self.flow, message, at };
        let sink = &self.shared.sink;
        let (taken, answers) = aside::during(|| self.outbox.while_open(|| sink(Event::Received(received))));
        for answer in answers {
            self.shared.answer(answer);
        }
        match taken {
            Some(true) => Ok(()),
            Some(false) => {
                counting.refused.one();
                self.resting_until = Some(at + REFUSED_REST);
                Ok(())
            }
            // It may have been told to finish: what it still writes goes out, what it still says is not heard.
            None => Ok(()),
        }
    }

    /// Ends what takes too long, and sleeps until the next deadline.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        loop {
            let now = Instant::now();
            if self.resting_until.is_some_and(|until| until <= now) {
                self.resting_until = None;
                cx.waker().wake_by_ref();
            }
            if self.pinged_at.is_some_and(|pinged| self.heard_at > pinged) {
                self.pinged_at = None;
            }
            let due = self.due();
            if due <= now {
                self.is_late(now)?;
                self.codec.ping(&mut self.out).map_err(End::Broken)?;
                self.pinged_at = Some(now);
                cx.waker().wake_by_ref();
                continue;
            }
            // Deadlines mostly move away; the timer follows when it goes off.
            if self.timer.deadline() > due.into() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(due.into());
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
        }
    }

    /// The first thing to be done: an end, or the question whether the peer is there.
    fn due(&self) -> Instant {
        let config = &self.shared.config;
        let ping = match (&self.codec, self.pinged_at) {
            (Codec::WebSocket(_), None) => Some(self.heard_at + config.ping_every),
            _ => None,
        };
        [ping, self.resting_until].into_iter().flatten().fold(self.ends_at(), Instant::min)
    }

    fn is_late(&self, now: Instant) -> Result<(), End> {
        if self.ends_at() <= now { Err(End::Late) } else { Ok(()) }
    }

    /// When it ends, unless something happens.
    fn ends_at(&self) -> Instant {
        let config = &self.shared.config;
        let phase = match self.phase {
            Phase::First { until } | Phase::Ending { until, .. } => Some(until),
            Phase::Open => None,
        };
        let silent = match self.pinged_at {
            Some(pinged) => pinged + config.pong_time,
            None => self.heard_at + config.idle_time,
        };
        let midway = self.midway_since.map(|since| since + config.message_time);
        let stalled = self.stalled_since.map(|since| since + config.stall_time);
        [phase, midway, stalled].into_iter().flatten().fold(silent, Instant::min)
    }
}

/// Where a peer that asks for it may be written to over its own connection (RFC 5923): its address, with the port of its Via.
fn alias(message: &Message, flow: &Flow) -> Option<Flow> {
    let Message::Request(request) = message else { return None };
    let (sip::Transport::Tcp | sip::Transport::Tls) = flow.transport else { return None };
    let via = request.via().ok().filter(|via| via.params.contains("alias"))?;
    let mut remote = flow.remote;
    remote.set_port(via.port.unwrap_or(flow.transport.default_port()));
    Some(Flow { remote, ..*flow })
}
