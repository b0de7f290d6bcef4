//! Every limit of this crate.

use std::time::Duration;

/// Longest text of a former `VARCHAR(255)` column, in characters; longer values from the network are cut.
pub(crate) const SHORT_TEXT: usize = 255;
/// Longest text of any column, in characters.
pub(crate) const LONG_TEXT: usize = 65_535;
/// Longest password that may be chosen, in bytes.
pub(crate) const PASSWORD: usize = 128;
/// Characters of a generated password: 80 bits for a number's login, 120 for a device's.
pub(crate) const NUMBER_PASSWORD: usize = 16;
/// See [`NUMBER_PASSWORD`].
pub(crate) const DEVICE_PASSWORD: usize = 24;

/// How often the revisions are compared although no notification came.
pub(crate) const REVISION_CHECK: Duration = Duration::from_secs(30);
/// Waits between attempts to reach a database that is away: first and longest.
pub(crate) const RETRY_FIRST: Duration = Duration::from_millis(100);
/// See [`RETRY_FIRST`].
pub(crate) const RETRY_LONGEST: Duration = Duration::from_secs(3);

/// Months for which partitions are made ahead.
pub(crate) const PARTITION_MONTHS: i32 = 3;
/// How often partitions are made.
pub(crate) const PARTITION_INTERVAL: Duration = Duration::from_hours(6);

/// Longest journalled entry, in bytes; a longer one is refused and counted.
pub(crate) const FRAME: usize = 1 << 20;
/// A segment that has grown to this many bytes is followed by the next.
pub(crate) const SEGMENT: u64 = 16 << 20;
/// Bytes waiting for the disk at which events are dropped and counted.
pub(crate) const QUEUE_EVENTS: usize = 32 << 20;
/// Bytes waiting at which legs and openings are dropped too: a closing carries the whole record anyway.
pub(crate) const QUEUE_OPENED: usize = 128 << 20;
/// Bytes waiting at which even closings are lost. Reached only when the disk has been full for very long.
pub(crate) const QUEUE_CLOSED: usize = 512 << 20;
/// How long the journal's thread gathers entries before it writes them.
pub(crate) const GATHER: Duration = Duration::from_millis(10);
/// How often the heartbeat is written.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);
/// Wait after a failed write.
pub(crate) const DISK_RETRY: Duration = Duration::from_millis(500);
/// How long entries that are safe on disk gather before they go to the database.
pub(crate) const DRAIN_GATHER: Duration = Duration::from_millis(100);
/// Entries per transaction on their way to the database.
pub(crate) const BATCH_ENTRIES: usize = 1_000;
/// Bytes read per transaction.
pub(crate) const BATCH_BYTES: usize = 4 << 20;
/// Size of the dead-letter file beyond which letters are only logged.
pub(crate) const DEAD_LETTERS: u64 = 64 << 20;

/// Bindings waiting for the database; further phones are not written until it is back.
pub(crate) const REGISTRATIONS_WAITING: usize = 200_000;
/// Bindings written by one transaction.
pub(crate) const REGISTRATIONS_BATCH: usize = 2_000;
/// How long bindings gather before they are written: a phone that refreshes twice is written once, and many phones by
/// one statement. What a power cut takes of this is renewed by the phones themselves.
pub(crate) const REGISTRATIONS_GATHER: Duration = Duration::from_millis(200);
/// Emergency numbers of one tenant.
pub(crate) const EMERGENCY_NUMBERS: usize = 32;
/// Bytes of compressed traces that may wait for the database; what comes beyond is lost and counted.
pub(crate) const TRACES_WAITING_BYTES: usize = 32 << 20;
/// Traces written by one statement.
pub(crate) const TRACES_BATCH: usize = 500;
/// How long traces gather before they are written.
pub(crate) const TRACES_GATHER: Duration = Duration::from_millis(500);
/// Most traces that are read of one call: some seconds of one leg each.
pub(crate) const TRACES_READ: i64 = 2_000;
/// How often it is looked for traces that are too old.
pub(crate) const TRACES_EXPIRY_CHECK: Duration = Duration::from_hours(1);
/// Traces deleted by one statement, the rest between two, and the wait after a failure.
pub(crate) const TRACES_DELETED: i64 = 2_000;
/// See [`TRACES_DELETED`].
pub(crate) const TRACES_DELETE_PAUSE: Duration = Duration::from_millis(100);
/// See [`TRACES_DELETED`].
pub(crate) const TRACES_DELETE_RETRY: Duration = Duration::from_secs(60);
/// Messages that may wait for one extension.
pub(crate) const MESSAGES_PER_MAILBOX: i64 = 100;
/// Messages that are read at once.
pub(crate) const MESSAGE_PAGE: i64 = 20;
/// Orders for messages that may wait for the database; further ones are not taken.
pub(crate) const MESSAGE_ORDERS: usize = 10_000;
/// An order that has waited for this long is answered as failed: whoever gave it has given up.
pub(crate) const MESSAGE_ORDER_AGE: Duration = Duration::from_secs(9);
/// How often messages that have expired are deleted.
pub(crate) const MESSAGE_PURGE: Duration = Duration::from_hours(1);
/// Most rows that a listing returns.
pub(crate) const LISTING: i64 = 10_000;
/// Bans waiting for the database; further ones hold, and are forgotten at the next start.
pub(crate) const BANS_WAITING: usize = 65_536;
/// Subscriptions waiting for the database; further ones are not written until it is back.
pub(crate) const BEHIND_WAITING: usize = 200_000;
/// Subscriptions written by one transaction.
pub(crate) const BEHIND_BATCH: usize = 2_000;
/// How long they gather before they are written.
pub(crate) const BEHIND_GATHER: Duration = Duration::from_millis(200);
