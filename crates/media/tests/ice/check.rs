//! Connectivity checks as a browser writes them, by code of the test's own.

use hmac::{Hmac, Mac};
use sha1::Sha1;

const PRIORITY: (u16, &[u8]) = (0x0024, &[0x6e, 0, 1, 0xff]);
pub(crate) const CONTROLLING: (u16, &[u8]) = (0x802a, &[7; 8]);
pub(crate) const NOMINATE: (u16, &[u8]) = (0x0025, &[]);

/// A check as a browser writes it.
pub(crate) fn check(username: &str, password: &str, further: &[(u16, &[u8])]) -> Vec<u8> {
    let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    message.extend([9; 12]);
    let put = |message: &mut Vec<u8>, kind: u16, value: &[u8]| {
        message.extend(kind.to_be_bytes());
        message.extend((value.len() as u16).to_be_bytes());
        message.extend(value);
        message.resize(message.len().next_multiple_of(4), 0);
    };
    let announce = |message: &mut Vec<u8>, more: usize| {
        let len = (message.len() - 20 + more) as u16;
        message[2..4].copy_from_slice(&len.to_be_bytes());
    };
    put(&mut message, 0x0006, username.as_bytes());
    put(&mut message, PRIORITY.0, PRIORITY.1);
    for (kind, value) in further {
        put(&mut message, *kind, value);
    }
    announce(&mut message, 24);
    let mut mac = Hmac::<Sha1>::new_from_slice(password.as_bytes()).unwrap();
    mac.update(&message);
    let tag = mac.finalize().into_bytes();
    put(&mut message, 0x0008, &tag);
    announce(&mut message, 8);
    let sum = crc32fast::hash(&message) ^ 0x5354_554e;
    put(&mut message, 0x8028, &sum.to_be_bytes());
    message
}
