//! Every bound of the message layer. What goes beyond is refused before anything is allocated for it.

/// Longest message in bytes, headers and body together: the largest UDP datagram.
pub const MESSAGE_BYTES: usize = 65_535;

/// Longest start line and header section on a stream, in bytes. Until it is complete nobody knows who sends it.
pub const STREAM_HEAD_BYTES: usize = 32_768;

/// Most header lines in one message; folded continuations count with the line they continue.
pub const HEADER_LINES: usize = 256;

/// Longest start line or header line in bytes, continuations included.
pub const LINE_BYTES: usize = 8_192;

/// Most values that are read out of the lines of one comma-separated header (Via, Route, Contact …).
pub const LIST_VALUES: usize = 256;

/// Most parameters behind one header value or URI.
pub const PARAMETERS: usize = 64;

/// Room for header lines that is taken at once; ordinary requests stay below it, so that parsing allocates one time.
pub(crate) const USUAL_HEADER_LINES: usize = 24;

/// How long a digest nonce of ours is fresh, in milliseconds. A phone that comes later is told `stale=true` and asks its user nothing.
pub const NONCE_LIFETIME_MS: u64 = 300_000;

/// Most nonces whose use counts are remembered; beyond it the oldest become stale early.
pub const NONCES: usize = 65_536;

/// Most transactions at once, of both kinds together; beyond it new requests get 503.
pub const TRANSACTIONS: usize = 500_000;

/// Most dialogs at once; beyond it new INVITEs get 503.
pub const DIALOGS: usize = 200_000;

/// Most dialogs that one INVITE of ours may make by forking.
pub const FORKS: usize = 16;

/// Longest document in bytes that a body is read as; a longer one is refused.
pub const XML_BYTES: usize = 16_384;

/// Deepest element of such a document.
pub const XML_DEPTH: usize = 16;

/// Most elements of such a document.
pub const XML_ELEMENTS: usize = 512;

/// Most attributes of one of its elements.
pub const XML_ATTRIBUTES: usize = 32;

/// Most ways to reach somebody that are taken from a presence document; the rest is left out.
pub const PRESENCE_TUPLES: usize = 8;

/// Most characters of a text that is taken from a presence document; the rest is cut off.
pub const PRESENCE_TEXT: usize = 256;

/// Most provisional answers to one INVITE that wait for the PRACK of the one before them.
pub const PROVISIONALS: usize = 8;

/// Most places that one request is tried at; the rest of a domain's is not looked at.
pub const HOPS: usize = 16;

/// Most questions to name servers for one URI.
pub const DNS_QUESTIONS: usize = 32;

/// Most NAPTR records of a domain, SRV records of a service and addresses of a host that are looked at.
pub const NAPTR_RECORDS: usize = 8;

/// See [`NAPTR_RECORDS`].
pub const SRV_RECORDS: usize = 16;

/// See [`NAPTR_RECORDS`].
pub const ADDRESSES: usize = 8;

/// Most 2xx of one dialog that wait for their ACK; beyond it a further INVITE in the dialog gets 500.
pub const UNACKNOWLEDGED: usize = 4;
