//! A registrar in miniature: the order of checks that the crate recommends, against everything a thief can try.

use bytes::Bytes;
use sip::digest::{
    self, Algorithm, Challenge, ClientNonce, Credentials, Ha1, Login, NonceCounts, NonceKey, NonceVerdict,
};
use sip::limits::NONCE_LIFETIME_MS;
use sip::{Method, Uri};

const REALM: &str = "demo.internal";
const NOW: u64 = 5_000;

#[derive(Debug, Eq, PartialEq)]
enum Verdict {
    Welcome,
    /// A new challenge with `stale=true`.
    AskAgain,
    Refused,
}

struct Registrar {
    key: NonceKey,
    counts: NonceCounts,
    ha1: Ha1,
}

impl Registrar {
    fn new(nonces: usize) -> Registrar {
        let ha1 = Ha1::new(b"1001", REALM.as_bytes(), b"s3cret");
        Registrar { key: NonceKey::new([5; 32]), counts: NonceCounts::new(nonces), ha1 }
    }

    fn challenge(&mut self, now_ms: u64) -> Challenge {
        Challenge::new(REALM, self.key.issue(now_ms, REALM), Algorithm::Md5)
    }

    fn judge(&mut self, credentials: &Credentials, method: &Method, uri: &Uri, now_ms: u64) -> Verdict {
        if !digest::verify(credentials, method, uri, &self.ha1) {
            return Verdict::Refused;
        }
        match self.key.check(&credentials.nonce, REALM, now_ms) {
            NonceVerdict::Fresh if self.counts.accept(&credentials.nonce, credentials.nc, now_ms) => Verdict::Welcome,
            NonceVerdict::Fresh | NonceVerdict::Stale | NonceVerdict::Foreign => Verdict::AskAgain,
        }
    }
}

fn target() -> Uri {
    Uri::parse(&Bytes::from_static(b"sip:demo.internal")).expect("a URI")
}

fn answer(challenge: &Challenge, ha1: &Ha1, nc: u32) -> Credentials {
    let login = Login { username: b"1001", ha1 };
    digest::respond(challenge, &login, &Method::Register, &target(), &ClientNonce { cnonce: b"c", nc }).expect("MD5")
}

#[test]
fn a_phone_may_use_its_nonce_again_and_a_thief_may_not() {
    let mut registrar = Registrar::new(100);
    let challenge = registrar.challenge(NOW);
    for nc in 1..=5 {
        let credentials = answer(&challenge, &registrar.ha1.clone(), nc);
        assert_eq!(registrar.judge(&credentials, &Method::Register, &target(), NOW), Verdict::Welcome);
        assert_eq!(registrar.judge(&credentials, &Method::Register, &target(), NOW), Verdict::AskAgain);
    }
}

#[test]
fn a_stolen_response_works_in_no_variation() {
    let mut registrar = Registrar::new(100);
    let challenge = registrar.challenge(NOW);
    let stolen = answer(&challenge, &registrar.ha1.clone(), 1);
    assert_eq!(registrar.judge(&stolen, &Method::Register, &target(), NOW), Verdict::Welcome);

    let mut judge =
        |credentials: &Credentials, method: &Method, uri: &Uri| registrar.judge(credentials, method, uri, NOW);
    let elsewhere = Uri::parse(&Bytes::from_static(b"sip:other.internal")).expect("a URI");
    assert_eq!(judge(&stolen, &Method::Register, &target()), Verdict::AskAgain, "as it was");
    assert_eq!(judge(&stolen, &Method::Invite, &target()), Verdict::Refused, "another method");
    assert_eq!(judge(&stolen, &Method::Register, &elsewhere), Verdict::Refused, "another target");
    let next_count = Credentials { nc: 2, ..stolen.clone() };
    assert_eq!(judge(&next_count, &Method::Register, &target()), Verdict::Refused);
    let loud = Credentials { response: stolen.response.to_ascii_uppercase().into(), ..stolen.clone() };
    assert_eq!(judge(&loud, &Method::Register, &target()), Verdict::AskAgain, "in capitals");
    let no_qop = Credentials { qop: digest::Qop::Absent, ..stolen.clone() };
    assert_eq!(judge(&no_qop, &Method::Register, &target()), Verdict::Refused, "without qop");
    let fresh = Credentials { nonce: NonceKey::new([6; 32]).issue(NOW, REALM), ..stolen.clone() };
    assert_eq!(judge(&fresh, &Method::Register, &target()), Verdict::Refused, "with another nonce");
    let equal_uri = Credentials { uri: Bytes::from_static(b"sip:DEMO.internal"), ..stolen };
    assert_eq!(judge(&equal_uri, &Method::Register, &target()), Verdict::Refused, "with an equivalent uri");
}

#[test]
fn a_nonce_expires_for_whoever_knows_the_password_too() {
    let mut registrar = Registrar::new(100);
    let challenge = registrar.challenge(NOW);
    let ha1 = registrar.ha1;
    let last = NOW + NONCE_LIFETIME_MS - 1;
    assert_eq!(registrar.judge(&answer(&challenge, &ha1, 1), &Method::Register, &target(), last), Verdict::Welcome);
    assert_eq!(
        registrar.judge(&answer(&challenge, &ha1, 2), &Method::Register, &target(), last + 1),
        Verdict::AskAgain
    );
}

#[test]
fn an_invented_nonce_is_asked_for_again() {
    let mut registrar = Registrar::new(100);
    let ha1 = registrar.ha1;
    for nonce in [&b"chosen by me"[..], b"", &[b'A'; 32]] {
        let challenge = Challenge::new(REALM, Bytes::copy_from_slice(nonce), Algorithm::Md5);
        let credentials = answer(&challenge, &ha1, 1);
        assert_eq!(registrar.judge(&credentials, &Method::Register, &target(), NOW), Verdict::AskAgain);
    }
}

#[test]
fn a_wrong_password_occupies_no_memory() {
    let mut registrar = Registrar::new(100);
    let wrong = Ha1::new(b"1001", REALM.as_bytes(), b"guess");
    for _ in 0..1_000 {
        let challenge = registrar.challenge(NOW);
        let credentials = answer(&challenge, &wrong, 1);
        assert_eq!(registrar.judge(&credentials, &Method::Register, &target(), NOW), Verdict::Refused);
    }
    assert!(registrar.counts.is_empty());
}

#[test]
fn forgetting_a_nonce_opens_no_door() {
    let mut registrar = Registrar::new(4);
    let ha1 = registrar.ha1;
    let used: Vec<Credentials> = (0..50)
        .map(|n| {
            let challenge = registrar.challenge(NOW + n);
            let credentials = answer(&challenge, &ha1, 1);
            assert_eq!(registrar.judge(&credentials, &Method::Register, &target(), NOW + n), Verdict::Welcome);
            credentials
        })
        .collect();
    assert_eq!(registrar.counts.len(), 4);
    for stolen in used {
        assert_eq!(registrar.judge(&stolen, &Method::Register, &target(), NOW + 50), Verdict::AskAgain);
    }
}
