//! What is served over HTTP and HTTPS: at `/phone` a page with a phone in it, for a first call without any phone.
//!
//! ```text
//! bind ─▶ Sockets ─▶ Server::start ─▶ one task per socket: accept, admit ─▶ one task per connection: TLS, HTTP/1.1
//! ```
//!
//! The pages are compiled in, so a running server reads no file for them. Every answer carries the headers that keep a
//! page from loading, or being loaded by, anybody else (`headers.rs`). Connections are limited in number, in all and from one
//! address, and in time (`limits.rs`): whoever comes past the limit is hung up on, and those who are there notice nothing.

#![forbid(unsafe_code)]

mod asset;
mod connection;
mod guests;
mod headers;
mod limits;
mod phone;
mod problem;
mod router;
mod server;
mod socket;

pub use limits::Limits;
pub use phone::PhoneConfig;
pub use router::router;
pub use server::Server;
pub use socket::{Addresses, BindError, Sockets, bind};
