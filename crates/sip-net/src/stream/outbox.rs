//! Outbox: what waits to be written to one connection.
//!
//! It is filled from the shard's thread and emptied by the connection's task. Being bounded in messages and bytes, it is also
//! how a peer that does not read is noticed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;

use crate::limits::{QUEUE_BYTES, QUEUE_MESSAGES};

/// A bounded queue with one reader.
#[derive(Debug)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    messages: VecDeque<Bytes>,
    bytes: usize,
    most: usize,
    state: State,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Finishing,
    Dropped,
}

/// What the connection should do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Write this.
    Message(Bytes),
    /// Wait.
    Nothing,
    /// Say goodbye: everything is written.
    Finished,
    /// End at once.
    Dropped,
}

/// The message does not fit, or the connection is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Outbox {
    /// An empty one that takes at most so many messages until [`Outbox::widen`].
    pub(crate) fn new(most: usize) -> Self {
        let state = State::Open;
        Self { inner: Mutex::new(Inner { messages: VecDeque::new(), bytes: 0, most, state, waker: None }) }
    }

    /// The connection stands: the queue may grow to its full length.
    pub(crate) fn widen(&self) {
        self.lock().most = QUEUE_MESSAGES;
    }

    pub(crate) fn push(&self, message: Bytes) -> Result<(), Full> {
        let mut inner = self.lock();
        let full = inner.messages.len() >= inner.most || inner.bytes + message.len() > QUEUE_BYTES;
        if full || inner.state != State::Open {
            return Err(Full);
        }
        inner.bytes += message.len();
        inner.messages.push_back(message);
        wake(inner);
        Ok(())
    }

    /// Nothing more is taken; what waits is still written.
    pub(crate) fn finish(&self) {
        let mut inner = self.lock();
        if inner.state == State::Open {
            inner.state = State::Finishing;
        }
        wake(inner);
    }

    /// The connection must end at once.
    pub(crate) fn drop_now(&self) {
        let mut inner = self.lock();
        inner.state = State::Dropped;
        inner.messages = VecDeque::new();
        wake(inner);
    }

    /// Does `work` unless the connection has been told to end; nobody can tell it so meanwhile.
    pub(crate) fn while_open<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let inner = self.lock();
        (inner.state == State::Open).then(work)
    }

    /// What to do next; when it is nothing, the task is woken once there is something.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Next {
        let mut inner = self.lock();
        if inner.state == State::Dropped {
            return Next::Dropped;
        }
        if let Some(message) = inner.messages.pop_front() {
            inner.bytes -= message.len();
            return Next::Message(message);
        }
        if inner.state == State::Finishing {
            return Next::Finished;
        }
        // A burst has passed: an idle connection holds no memory.
        inner.messages = VecDeque::new();
        if !inner.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            inner.waker = Some(cx.waker().clone());
        }
        Next::Nothing
    }

    /// Like [`Outbox::poll`], while there is no room for a message.
    pub(crate) fn poll_end(&self, cx: &Context<'_>) -> bool {
        let mut inner = self.lock();
        inner.waker = Some(cx.waker().clone());
        inner.state == State::Dropped
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut inner: MutexGuard<'_, Inner>) {
    let waker = inner.waker.take();
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_written_before_the_goodbye() {
        let (outbox, cx) = (Outbox::new(2), Context::from_waker(Waker::noop()));
        assert_eq!(outbox.poll(&cx), Next::Nothing);
        outbox.push(Bytes::from_static(b"one")).unwrap();
        outbox.push(Bytes::from_static(b"two")).unwrap();
        assert_eq!(outbox.push(Bytes::from_static(b"three")), Err(Full));
        outbox.widen();
        outbox.push(Bytes::from_static(b"three")).unwrap();
        outbox.finish();
        assert_eq!(outbox.push(Bytes::from_static(b"four")), Err(Full));
        for expected in ["one", "two", "three"] {
            assert_eq!(outbox.poll(&cx), Next::Message(Bytes::from_static(expected.as_bytes())));
        }
        assert_eq!(outbox.poll(&cx), Next::Finished);
    }

    #[test]
    fn bytes_are_bounded_as_well() {
        let outbox = Outbox::new(usize::MAX);
        let half = Bytes::from(vec![0; QUEUE_BYTES / 2]);
        outbox.push(half.clone()).unwrap();
        outbox.push(half.clone()).unwrap();
        assert_eq!(outbox.push(half), Err(Full));
        outbox.drop_now();
        assert_eq!(outbox.poll(&Context::from_waker(Waker::noop())), Next::Dropped);
        assert_eq!(outbox.while_open(|| ()), None);
    }
}
