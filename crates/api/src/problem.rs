//! Refusals, as problem details (RFC 9457).

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

/// `detail` says what to do.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response {
    let text = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    let mut response = Response::new(Body::from(text.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 404.
pub(crate) async fn nothing_here() -> Response {
    problem(StatusCode::NOT_FOUND, "Nothing is served under this address. The page with a phone in it is /phone.")
}

/// 405; the router adds `Allow`.
pub(crate) async fn only_reading() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "This can only be read: use GET or HEAD.")
}
