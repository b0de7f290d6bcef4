//! Aside: what the sink sends while it is given a message.
//!
//! While a message is handed over, its connection cannot be told to end, so that its end is told after it. A sink that answers
//! at once, as one that is overrun does, would wait for itself there. What it sends on that thread is laid aside, and goes out
//! as soon as the message is handed over.

use std::cell::RefCell;

use sip::Transmit;

thread_local! {
    static ASIDE: RefCell<Option<Vec<Transmit>>> = const { RefCell::new(None) };
}

/// Does `work`, and returns what was sent meanwhile on this thread.
pub(crate) fn during<T>(work: impl FnOnce() -> T) -> (T, Vec<Transmit>) {
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            ASIDE.take();
        }
    }
    // Also when the work panics: the thread goes on with other connections.
    let end = End;
    ASIDE.replace(Some(Vec::new()));
    let done = work();
    let sent = ASIDE.take().unwrap_or_default();
    drop(end);
    (done, sent)
}

/// Lays a message aside; gives it back when there is no need to.
pub(crate) fn lay(transmit: Transmit) -> Option<Transmit> {
    ASIDE.with_borrow_mut(|aside| match aside {
        Some(aside) => {
            aside.push(transmit);
            None
        }
        None => Some(transmit),
    })
}
