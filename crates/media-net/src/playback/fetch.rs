//! Fetching a file from the web, guarded.
//!
//! ```text
//! URL ─▶ http or https? ─▶ resolve ─▶ every address permitted? ─▶ connect to one of these ─▶ body, up to a size
//!           ▲                                                              │
//!           └────────────────── redirection, three at the most ───────────┘
//! ```
//!
//! The addresses that were looked at are those that are connected to: a name that answers differently the second time
//! gains nothing. What the server says about the content is not believed; `container` looks at the bytes.

mod policy;

use std::io::Read;
use std::net::IpAddr;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::limits::{MAX_FETCHED_BYTES, MAX_FETCHING, MAX_REDIRECTS, MAX_RESPONSE_HEADER_BYTES, MAX_URL_BYTES};
pub use policy::{Allowed, FetchPolicy, NotAllowable};

/// Why a URL gives no file, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not a URL, or one of another scheme.
    #[error("not a URL that can be fetched: name one that begins with http:// or https://")]
    Url,
    /// The host, or one that it redirects to, is at an address that is not public.
    #[error(
        "{host} is at {address}, which is not public: if that is meant, name the host or its network in [media] fetch_allow"
    )]
    Forbidden {
        /// As the URL names it.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// Nobody knows the host.
    #[error("the host of the URL is not known: check its name")]
    UnknownHost,
    /// One redirection leads to the next, or to what is not the web.
    #[error(
        "more than {MAX_REDIRECTS} redirections, or one to no http or https: name the URL that they should lead to"
    )]
    Redirects,
    /// The server refuses.
    #[error("the server answers {0}: check the URL")]
    Status(u16),
    /// More bytes than are taken.
    #[error("more than {} MB: save the file as MP3, Ogg Vorbis or FLAC", MAX_FETCHED_BYTES >> 20)]
    TooLarge,
    /// The server takes too long.
    #[error("not there within {} s: put the file on a faster server", MAX_FETCHING.as_secs())]
    TooSlow,
    /// The connection fails or breaks.
    #[error("cannot be fetched ({0}): check that the server can be reached")]
    Failed(String),
}

/// The bytes behind a URL.
pub(super) fn fetch(url: &str, policy: &FetchPolicy) -> Result<Vec<u8>, FetchError> {
    fetch_within(url, policy, Limits { bytes: MAX_FETCHED_BYTES, time: MAX_FETCHING })
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    bytes: u64,
    time: Duration,
}

fn fetch_within(url: &str, policy: &FetchPolicy, limits: Limits) -> Result<Vec<u8>, FetchError> {
    if url.len() > MAX_URL_BYTES {
        return Err(FetchError::Url);
    }
    let uri: Uri = url.parse().map_err(|_| FetchError::Url)?;
    if !is_web(&uri) {
        return Err(FetchError::Url);
    }
    let config = Config::builder()
        .timeout_global(Some(limits.time))
        .max_redirects(MAX_REDIRECTS as u32)
        .max_response_header_size(MAX_RESPONSE_HEADER_BYTES)
        .max_idle_connections(0)
        // A proxy would resolve names by itself, and reach what it likes.
        .proxy(None)
        .accept_encoding("identity")
        .user_agent(concat!("YakYak/", env!("CARGO_PKG_VERSION")))
        .build();
    let guard = Guard { policy: policy.clone(), names: DefaultResolver::default() };
    let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), guard);
    let mut response = agent.get(uri).call().map_err(blame)?;
    if response.body().content_length().is_some_and(|length| length > limits.bytes) {
        return Err(FetchError::TooLarge);
    }
    let mut bytes = Vec::new();
    let mut body = response.body_mut().as_reader().take(limits.bytes + 1);
    body.read_to_end(&mut bytes).map_err(|error| blame(ureq::Error::from(error)))?;
    if bytes.len() as u64 > limits.bytes {
        return Err(FetchError::TooLarge);
    }
    Ok(bytes)
}

/// A URL for the log: neither a password nor what stands behind the question mark.
pub(super) fn without_secrets(url: &str) -> String {
    let Ok(uri) = url.parse::<Uri>() else { return "a malformed URL".into() };
    let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
    format!("{scheme}://{host}{}", uri.path())
}

fn is_web(uri: &Uri) -> bool {
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
}

/// Asked for the first URL and for every redirection.
#[derive(Debug)]
struct Guard {
    policy: FetchPolicy,
    names: DefaultResolver,
}

impl Resolver for Guard {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let refuse = |error| Err(ureq::Error::Other(Box::new(error)));
        if !is_web(uri) {
            return refuse(FetchError::Url);
        }
        let host = uri.host().unwrap_or_default();
        let addresses = self.names.resolve(uri, config, timeout)?;
        match addresses.iter().find(|address| !self.policy.permits(host, address.ip())) {
            Some(address) => refuse(FetchError::Forbidden { host: host.into(), address: address.ip() }),
            None => Ok(addresses),
        }
    }
}

fn blame(error: ureq::Error) -> FetchError {
    match error {
        ureq::Error::Other(inner) => match inner.downcast::<FetchError>() {
            Ok(ours) => *ours,
            Err(other) => FetchError::Failed(one_line(&other.to_string())),
        },
        ureq::Error::StatusCode(code) => FetchError::Status(code),
        ureq::Error::TooManyRedirects => FetchError::Redirects,
        ureq::Error::Timeout(_) => FetchError::TooSlow,
        ureq::Error::HostNotFound => FetchError::UnknownHost,
        ureq::Error::BadUri(_) => FetchError::Url,
        other => FetchError::Failed(one_line(&other.to_string())),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
