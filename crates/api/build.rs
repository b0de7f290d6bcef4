//! Puts JsSIP, which comes from npm with pinned versions, into one script that the page loads.
//!
//! Nothing of it is kept in the repository. Node and npm do the work, in the build's own folder; once done, it is not done
//! again until a version changes.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Copied to where npm works.
const FILES: [&str; 3] = ["package.json", "package-lock.json", "bundle.mjs"];

fn main() -> ExitCode {
    let variable = |name: &str| PathBuf::from(std::env::var_os(name).unwrap_or_default());
    let (source, out) = (variable("CARGO_MANIFEST_DIR").join("web"), variable("OUT_DIR"));
    for file in FILES {
        println!("cargo::rerun-if-changed=web/{file}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    match bundle(&source, &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("cargo::error={}", why.split_whitespace().collect::<Vec<_>>().join(" "));
            ExitCode::FAILURE
        }
    }
}

/// Writes `jssip.js` into `out`.
fn bundle(source: &Path, out: &Path) -> Result<(), String> {
    let folder = out.join("web");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for file in FILES {
        std::fs::copy(source.join(file), folder.join(file)).map_err(|error| format!("web/{file}: {error}"))?;
    }
    run(&folder, "npm", &["ci", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"])?;
    run(&folder, "node", &["bundle.mjs", "JsSIP", "jssip", "../jssip.js"])
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output().map_err(|error| {
        format!(
            "the page with a phone in it is put together by Node and npm, and {program} cannot be started ({error}); \
             `tools/packages run` installs them"
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "the page with a phone in it cannot be put together: {program} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    ))
}
