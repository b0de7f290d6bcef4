//! RFC 3262: reliable provisional answers, each side by itself.

mod uac;
mod uas;
