//! RFC 3261 §12, rule by rule.

mod order;
mod restored;
mod subscription;
mod uac;
mod uas;
