//! RFC 3261 §12, rule by rule.

mod order;
mod uac;
mod uas;
