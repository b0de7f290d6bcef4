//! Which address answers what.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::map_response;
use axum::response::{Redirect, Response};
use axum::routing::get;

use crate::phone::{self, PhoneConfig};
use crate::{headers, problem};

/// Everything that is served, as one service.
pub fn router(phone: &PhoneConfig) -> Router {
    let config = Bytes::from(serde_json::to_vec(phone).expect("numbers and addresses can always be written as JSON"));
    let pages = phone::assets().into_iter().fold(Router::new(), |router, (path, asset)| {
        router.route(path, get(async move |headers: HeaderMap| asset.answer(&headers)))
    });
    pages
        .route("/phone/config.json", get(async move || json(config)))
        .route("/phone/", get(async || Redirect::permanent("/phone")))
        .route("/", get(async || Redirect::temporary("/phone")))
        .fallback(problem::nothing_here)
        .method_not_allowed_fallback(problem::only_reading)
        .layer(map_response(headers::add))
}

/// What may be another after a restart, so nobody keeps it.
fn json(text: Bytes) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
