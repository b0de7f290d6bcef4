//! The client's side: from a refusal to the header line that answers it (RFC 3261 §22.2 and §22.3).

use bytes::Bytes;

use super::{Challenge, ClientNonce, Ha1, Login, respond};
use crate::header::Name;
use crate::message::Response;
use crate::method::Method;
use crate::uri::Uri;

/// A name and a password.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    /// The user name.
    pub username: &'a str,
    /// The password.
    pub password: &'a str,
}

impl std::fmt::Debug for Account<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The line with which a request is to be sent again after a 401 or a 407: of several challenges the first with a hash and a
/// quality that we know is answered (RFC 8760 §2.4). `None` when there is none, or when it is no such refusal.
pub fn authorization(
    refusal: &Response,
    method: &Method,
    uri: &Uri,
    account: Account<'_>,
    client: &ClientNonce<'_>,
) -> Option<(Name, Bytes)> {
    let (asks, answers) = match refusal.code() {
        401 => (Name::WwwAuthenticate, Name::Authorization),
        407 => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        _ => return None,
    };
    let challenge = refusal.headers().all(&asks).find_map(|value| Challenge::parse(&value).ok())?;
    let ha1 = Ha1::new(account.username.as_bytes(), &challenge.realm, account.password.as_bytes());
    let login = Login { username: account.username.as_bytes(), ha1: &ha1 };
    Some((answers, respond(&challenge, &login, method, uri, client)?.to_bytes()))
}
