//! Is the house tidy? The dependency list of docs/ARCHITECTURE.md against the manifests, and the bans on what the
//! pure rooms may name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom. A crate that is not here may not exist.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("sip", &[]),
    ("media", &[]),
    ("switch", &["domain", "sip", "media"]),
    ("sip-net", &["sip"]),
    ("media-net", &["media"]),
    ("store", &["domain"]),
    ("api", &[]),
    ("testkit", &["domain", "sip", "media", "switch"]),
];

const PURE: &[&str] = &["domain", "sip", "media", "switch"];

/// What a pure room may never name in its sources.
const IMPURE: &[&str] = &[
    "tokio",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "std::thread",
    "thread_local!",
    "std::fs",
    "std::env",
    "std::process",
    "async fn",
    "Mutex",
    "RwLock",
    "OnceLock",
    "LazyLock",
    "static mut",
    "AtomicU",
    "from_os_rng",
    "OsRng",
    "thread_rng",
    "getrandom",
    "now_v7",
    "new_v4",
    "sqlx",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn manifest(path: &Path) -> toml::Table {
    fs::read_to_string(path.join("Cargo.toml")).unwrap().parse().unwrap()
}

fn names(table: Option<&toml::Value>) -> BTreeSet<String> {
    table.and_then(toml::Value::as_table).map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

/// Every Rust file below a folder, with its text.
fn sources(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path, text);
            }
        }
    }
    found
}

/// The lines of a file that are code of the product: no comments, nothing from the test module on.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line))
}

#[test]
fn rooms_use_only_the_rooms_they_may_use() {
    let rooms: BTreeSet<String> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    let folders: BTreeSet<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name != "fuzz")
        .collect();
    assert_eq!(folders, rooms, "the crates on disk and the list in this test");
    for (room, may_use) in MAY_USE {
        let manifest = manifest(&root().join("crates").join(room));
        let may_use: BTreeSet<String> = may_use.iter().map(|name| (*name).to_owned()).collect();
        let uses: BTreeSet<String> = names(manifest.get("dependencies")).intersection(&rooms).cloned().collect();
        assert_eq!(uses, may_use, "[dependencies] of {room}");
        let testing: BTreeSet<String> = names(manifest.get("dev-dependencies")).intersection(&rooms).cloned().collect();
        // A room may use itself in its tests, with features that only tests want.
        let own = [(*room).to_owned(), "testkit".to_owned()];
        let allowed: BTreeSet<String> = may_use.iter().cloned().chain(own).collect();
        assert!(testing.is_subset(&allowed), "[dev-dependencies] of {room}: {testing:?}");
    }
    let house = manifest(&root());
    assert!(!names(house.get("dependencies")).contains("testkit"), "testkit is for tests alone");
}

#[test]
fn pure_rooms_name_nothing_impure() {
    let mut found = Vec::new();
    for room in PURE {
        let outside = names(manifest(&root().join("crates").join(room)).get("dependencies"));
        for banned in ["tokio", "sqlx", "mio", "socket2", "rustix", "rand", "tracing", "dashmap", "parking_lot"] {
            assert!(!outside.contains(banned), "{room} depends on {banned}");
        }
        for (path, text) in sources(&root().join("crates").join(room).join("src")) {
            for (number, line) in code(&text) {
                for banned in IMPURE.iter().filter(|banned| line.contains(**banned)) {
                    found.push(format!("{}:{number}: {banned}", path.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "pure rooms name what they may not:\n{}", found.join("\n"));
}

#[test]
fn each_language_stays_in_its_room() {
    let rules: &[(&str, &[&str])] = &[
        ("store", &["SELECT ", "INSERT INTO", "DELETE FROM", " SET ", "sqlx::"]),
        ("sip", &["SIP/2.0", "z9hG4bK"]),
        ("media", &["m=audio", "a=rtpmap", "a=sendrecv"]),
    ];
    let mut found = Vec::new();
    let rooms = MAY_USE.iter().map(|(room, _)| (*room, root().join("crates").join(room).join("src")));
    for (room, folder) in rooms.chain([("house", root().join("src"))]).filter(|(room, _)| *room != "testkit") {
        for (path, text) in sources(&folder) {
            for (number, line) in code(&text) {
                for (owner, words) in rules.iter().filter(|(owner, _)| *owner != room) {
                    for word in words.iter().filter(|word| line.contains(**word)) {
                        found.push(format!("{}:{number}: {word:?} belongs to {owner}", path.display()));
                    }
                }
            }
        }
    }
    assert!(found.is_empty(), "a language outside its room:\n{}", found.join("\n"));
}

#[test]
fn nothing_is_left_unfinished_or_silenced() {
    let marks =
        [concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("#[al", "low("), concat!("#[ig", "nore")];
    let mut found = Vec::new();
    for folder in ["src", "crates", "tests", "benches"] {
        for (path, text) in sources(&root().join(folder)) {
            if path.components().any(|part| part.as_os_str() == "target") {
                continue;
            }
            for (index, line) in text.lines().enumerate() {
                for mark in marks.iter().filter(|mark| line.contains(**mark)) {
                    found.push(format!("{}:{}: {mark}", path.display(), index + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn files_and_folders_stand_side_by_side() {
    for folder in ["src", "crates"] {
        for path in sources(&root().join(folder)).into_keys() {
            assert!(!path.ends_with("mod.rs"), "{}: use a file beside the folder", path.display());
        }
    }
}

#[test]
fn pure_rooms_carry_the_bans_for_clippy() {
    let ours = fs::read_to_string(root().join("crates/sip/clippy.toml")).unwrap();
    for room in PURE {
        let theirs = fs::read_to_string(root().join("crates").join(room).join("clippy.toml")).unwrap();
        assert_eq!(theirs, ours, "crates/{room}/clippy.toml");
    }
    assert!(ours.contains("std::time::Instant::now"));
}

/// A mutant that does not apply any more breaks nothing and shows nothing.
#[test]
fn every_mutant_still_applies() {
    let folder = root().join("tests/mutants");
    let mut patches: Vec<PathBuf> = fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()).collect();
    patches.sort();
    assert!(patches.len() >= 10, "{patches:?}");
    for patch in patches {
        let text = fs::read_to_string(&patch).unwrap();
        assert!(text.starts_with("What: ") && text.contains("\nTest: -p "), "{}", patch.display());
        let checked = std::process::Command::new("git")
            .args(["apply", "--check"])
            .arg(&patch)
            .current_dir(root())
            .output()
            .unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}
