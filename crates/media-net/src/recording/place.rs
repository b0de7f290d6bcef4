//! Where a recording lies: inside one folder, whatever its name and the links in that folder say.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use crate::limits::{MAX_RECORDING_FOLDERS, MAX_RECORDING_NAME_BYTES};

/// What a file has behind its name until it is finished.
const PART: &str = "part";

/// A relative path of plain names; nothing for any other.
pub(super) fn name(path: &Path) -> Option<PathBuf> {
    let is_plain = |component: Component<'_>| matches!(component, Component::Normal(_));
    let good = path.components().all(is_plain)
        && (1..=MAX_RECORDING_FOLDERS).contains(&path.components().count())
        && path.as_os_str().len() <= MAX_RECORDING_NAME_BYTES
        && path.file_name().is_some_and(|name| name.len() <= 250 && !name.as_encoded_bytes().contains(&0))
        && !path.as_os_str().as_encoded_bytes().ends_with(b"/")
        && !is_part(path);
    good.then(|| path.components().collect())
}

pub(super) fn is_part(path: &Path) -> bool {
    path.extension() == Some(OsStr::new(PART))
}

/// `x.wav` for `x.wav.part`.
pub(super) fn final_name(part: &Path) -> Option<PathBuf> {
    is_part(part).then(|| part.with_extension(""))
}

/// Opens the file under its working name, with the folders that lead to it. Nobody but us may read them.
pub(super) fn create(base: &Path, name: &Path) -> io::Result<(File, PathBuf)> {
    make_folder(base)?;
    let base = fs::canonicalize(base)?;
    let path = base.join(name);
    let folder = path.parent().unwrap_or(&base);
    // A link on the way could lead anywhere: looked at before anything is made behind it.
    let there = folder.ancestors().find(|folder| fs::symlink_metadata(folder).is_ok()).unwrap_or(&base);
    if !fs::canonicalize(there)?.starts_with(&base) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "a link leads out of the folder of recordings"));
    }
    make_folder(folder)?;
    if fs::symlink_metadata(&path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file of this name is there already"));
    }
    let mut part = path.into_os_string();
    part.push(".");
    part.push(PART);
    let part = PathBuf::from(part);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    Ok((file, part))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
