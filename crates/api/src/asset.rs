//! Files that are compiled in.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use sha2::{Digest as _, Sha256};

/// A file, and under which name a browser keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Asset {
    media_type: &'static str,
    bytes: &'static [u8],
    etag: HeaderValue,
}

impl Asset {
    pub(crate) fn new(media_type: &'static str, bytes: &'static [u8]) -> Self {
        let hash = Sha256::digest(bytes);
        let hash: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let etag = HeaderValue::from_str(&format!("\"{hash}\"")).expect("hexadecimal digits in quotes");
        Self { media_type, bytes, etag }
    }

    /// 200 with the file, or 304 when the browser has it already (RFC 9110 §13.1.2).
    pub(crate) fn answer(&self, request: &HeaderMap) -> Response {
        let known = request.get_all(IF_NONE_MATCH).iter().any(|list| self.is_named_in(list));
        let mut response = Response::new(if known { Body::empty() } else { Body::from(self.bytes) });
        let headers = response.headers_mut();
        headers.insert(ETAG, self.etag.clone());
        // A new version of YakYak is a new page: ask each time, which costs a 304.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        }
        response
    }

    fn is_named_in(&self, list: &HeaderValue) -> bool {
        let (Ok(list), Ok(own)) = (list.to_str(), self.etag.to_str()) else { return false };
        let mut tags = list.split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own)
    }
}
