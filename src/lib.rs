//! The house: where the rooms meet.
//!
//! Nothing here decides anything about a call. The house reads settings, opens doors, carries letters to the
//! switchboard and decisions away from it, and closes everything in order.

#![forbid(unsafe_code)]

pub mod cli;
pub mod control;
pub mod database;
pub mod effects;
pub mod exit;
pub mod front;
pub mod gatehouse;
pub mod logging;
pub mod questions;
pub mod serve;
pub mod settings;
pub mod sockets;
pub mod switchboard;
pub mod trace;
pub mod website;
pub mod welcome;
