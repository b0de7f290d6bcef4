//! Header fields: their names and, on demand, their values.
//!
//! A type here reads one value of its field ([`Header::parse`]) and writes it back ([`Header::render`]). Reading shares the memory of
//! the message. What a type does not understand it keeps, so that a value that was read and written again means the same.

mod address;
mod contact;
mod dialog;
mod event;
pub(crate) mod name;
mod name_addr;
mod number;
mod params;
mod privacy;
mod token;
pub(crate) mod via;

use bytes::{Bytes, BytesMut};

use crate::error::Error;

pub use address::{
    Diversion, From, HistoryInfo, PAssertedIdentity, PPreferredIdentity, Path, RecordRoute, ReferTo, ReferredBy,
    RemotePartyId, Route, ServiceRoute, To,
};
pub use contact::ContactValue;
pub use dialog::{CSeq, CallId, RAck, Reason, Replaces};
pub use event::{Event, SubscriptionState, Warning};
pub use name::Name;
pub use name_addr::NameAddr;
pub use number::{Expires, MaxForwards, MinExpires, MinSe, RSeq, Refresher, RetryAfter, SessionExpires};
pub use params::Params;
pub use privacy::Privacy;
pub use token::{Accept, Allow, AllowEvents, ContentType, ProxyRequire, Require, Supported, TokenList, Unsupported};
pub use via::{MAGIC_COOKIE, Via};

/// A typed header value.
pub trait Header: Sized {
    /// The field this value stands in.
    const NAME: Name;

    /// Whether one line may hold several values between commas. [`Headers::typed`](crate::Headers::typed) then reads them one by
    /// one; otherwise a line is one value, commas and all.
    const LIST: bool = false;

    /// Reads one value. Blanks around it do not matter.
    fn parse(value: &Bytes) -> Result<Self, Error>;

    /// Writes the value, without the name of the field.
    fn render(&self, out: &mut BytesMut);

    /// The value as bytes of its own.
    fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64);
        self.render(&mut out);
        out.freeze()
    }
}
