//! The certificate: made, kept, exchanged while the house runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use sip::Transport;
use sip_net::{Certificate, StreamConfig};

use crate::bench::{House, Tls, options, reads, tls, write};

fn made_in(directory: &Path) -> Arc<Certificate> {
    Certificate::self_signed(directory, &["pbx.example".to_owned(), "127.0.0.1".to_owned()]).unwrap()
}

fn shown(stream: &Tls) -> Vec<u8> {
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn one_is_made_at_first_and_then_kept_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("tls");
    let first = made_in(&inside);
    let text = fs::read(first.path()).unwrap();
    let mode = fs::metadata(inside.join("private-key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = made_in(&inside);
    assert_eq!(fs::read(second.path()).unwrap(), text);
}

#[test]
fn files_that_change_are_shown_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = made_in(directory.path());
    let config = StreamConfig { certificate: Some(Arc::clone(&certificate)), ..StreamConfig::default() };
    let house = House::with(config);
    let address = house.address(Transport::Tls, false);
    let mut before = tls(address);
    assert!(!certificate.reload_if_changed().unwrap());

    let other = tempfile::tempdir().unwrap();
    made_in(other.path());
    for file in ["certificate.pem", "private-key.pem"] {
        fs::rename(other.path().join(file), directory.path().join(file)).unwrap();
    }
    assert!(certificate.reload_if_changed().unwrap());
    let after = tls(address);
    assert_ne!(shown(&before), shown(&after));
    assert_eq!(shown(&after), shown(&tls(house.address(Transport::Wss, false))));
    // Whoever was connected stays so.
    write(&mut before, options("one", ""));
    let flow = house.received().flow;
    house.send(flow, &b"answer"[..]);
    reads(&mut before, b"answer");
}

#[test]
fn files_that_cannot_be_used_change_nothing_and_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = made_in(directory.path());
    let config = StreamConfig { certificate: Some(Arc::clone(&certificate)), ..StreamConfig::default() };
    let house = House::with(config);
    let address = house.address(Transport::Tls, false);
    let before = shown(&tls(address));

    // Another's key.
    let other = tempfile::tempdir().unwrap();
    made_in(other.path());
    let (file, key) = (directory.path().join("certificate.pem"), directory.path().join("private-key.pem"));
    fs::rename(other.path().join("private-key.pem"), &key).unwrap();
    let error = certificate.reload_if_changed().unwrap_err();
    assert!(error.is_key && error.to_string().contains("private-key.pem"), "{error}");
    assert!(!certificate.reload_if_changed().unwrap(), "the same files are complained about once");
    // Half a file, no file.
    for text in ["-----BEGIN CERTIFICATE-----\nMIIB", "nothing of the kind"] {
        fs::write(&file, text).unwrap();
        let error = certificate.reload_if_changed().unwrap_err();
        assert!(!error.is_key && error.to_string().contains("certificate.pem"), "{error}");
    }
    fs::remove_file(&file).unwrap();
    assert!(certificate.reload_if_changed().is_err());
    assert_eq!(shown(&tls(address)), before);
}
