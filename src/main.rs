//! The binary: reads the command line, and turns what went wrong into one line and an exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use yakyak::cli::{self, Arguments};
use yakyak::exit::Refusal;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match cli::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let line = format!("{error:#}");
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            eprintln!("yakyak: {line}");
            ExitCode::from(exit_code(&error))
        }
    }
}

/// 2 for a mistake that whoever typed the command can mend, 1 for a fault.
fn exit_code(error: &anyhow::Error) -> u8 {
    let mistake = error.downcast_ref::<Refusal>().is_some()
        || error.downcast_ref::<store::StoreError>().is_some()
        || error.downcast_ref::<store::PrivateError>().is_some();
    if mistake { Refusal::EXIT_CODE } else { 1 }
}
