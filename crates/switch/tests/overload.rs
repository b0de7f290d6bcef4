//! Overload: which message is in which lane, and what the lanes do with it.

#[path = "overload/classes.rs"]
mod classes;
#[path = "overload/lanes.rs"]
mod lanes;
