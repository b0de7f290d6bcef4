//! Generated secrets and identifiers.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::rand::{GetRandomFlags, getrandom};
use uuid::Uuid;

use crate::StoreError;
use crate::limits::PASSWORD;

/// 32 characters that nobody confuses and every phone's keypad or browser can type: no 0, O, 1, l or I.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A password of this many characters, five bits each.
pub(crate) fn generate(length: usize) -> String {
    let mut bytes = vec![0; length];
    fill(&mut bytes);
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

/// Refuses what no phone could send back.
pub(crate) fn check(password: &str) -> Result<(), StoreError> {
    let problem = if password.is_empty() {
        "it is empty"
    } else if password.len() > PASSWORD {
        "it is longer than 128 bytes"
    } else if password.chars().any(char::is_control) {
        "it contains a control character"
    } else {
        return Ok(());
    };
    Err(StoreError::Invalid(format!("this password cannot be used: {problem}; leave it out to have one generated")))
}

/// A UUIDv7 of now.
pub(crate) fn new_id() -> Uuid {
    let mut random = [0; 10];
    fill(&mut random);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    domain::uuid_v7(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), random)
}

/// A UUID that says nothing, for the login of a device.
pub(crate) fn random_uuid() -> Uuid {
    let mut random = [0; 16];
    fill(&mut random);
    uuid::Builder::from_random_bytes(random).into_uuid()
}

/// Fills the buffer from the kernel, which does not fail once the machine has started.
fn fill(buffer: &mut [u8]) {
    let mut done = 0;
    while done < buffer.len() {
        match getrandom(&mut buffer[done..], GetRandomFlags::empty()) {
            Ok(count) => done += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the kernel gives no random bytes: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ALPHABET, check, generate};

    #[test]
    fn generated_passwords_can_be_typed() {
        let password = generate(4_000);
        assert!(password.bytes().all(|byte| ALPHABET.contains(&byte)));
        assert!(!password.contains(['0', 'O', '1', 'l', 'I', 'o']));
        assert!(ALPHABET.iter().all(|&letter| password.contains(char::from(letter))), "every letter occurs");
        assert_ne!(generate(24), generate(24));
    }

    #[test]
    fn passwords_nobody_can_send_are_refused() {
        assert!(check("secret").is_ok());
        assert!(check("").is_err());
        assert!(check("a\0b").is_err());
        assert!(check(&"x".repeat(129)).is_err());
    }
}
