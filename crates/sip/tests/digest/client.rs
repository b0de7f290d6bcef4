//! Refusals answered: which challenge, in which line, and that it proves the password.

use bytes::Bytes;
use sip::digest::{Account, ClientNonce, Credentials, Ha1, authorization, verify};
use sip::header::Name;
use sip::{Method, Response, ResponseBuilder, Uri};

const ACCOUNT: Account<'_> = Account { username: "1001", password: "secret" };
const CLIENT: ClientNonce<'_> = ClientNonce { cnonce: b"c0ffee", nc: 1 };

fn uri() -> Uri {
    Uri::sip(None, "demo.internal", None)
}

fn refusal(code: u16, lines: &[(&str, &str)]) -> Response {
    lines.iter().fold(ResponseBuilder::new(code, None), |builder, (name, value)| builder.raw(name, value)).build()
}

fn answer(refusal: &Response) -> Option<(Name, Bytes)> {
    authorization(refusal, &Method::Register, &uri(), ACCOUNT, &CLIENT)
}

#[test]
fn both_kinds_of_refusal_are_answered_in_their_own_line() {
    let ha1 = Ha1::new(b"1001", b"demo", b"secret");
    for (code, asks, answers) in
        [(401, "WWW-Authenticate", Name::Authorization), (407, "Proxy-Authenticate", Name::ProxyAuthorization)]
    {
        let refused = refusal(code, &[(asks, "Digest realm=\"demo\", nonce=\"n\", qop=\"auth\"")]);
        let (name, value) = answer(&refused).expect("an answer");
        assert_eq!(name, answers);
        let credentials = Credentials::parse(&value).expect("credentials");
        assert!(verify(&credentials, &Method::Register, &uri(), &ha1), "{credentials:?}");
        let other = Ha1::new(b"1001", b"demo", b"another");
        assert!(!verify(&credentials, &Method::Register, &uri(), &other));
    }
}

#[test]
fn the_first_challenge_that_is_known_is_answered() {
    let lines = [
        ("WWW-Authenticate", "Digest realm=\"demo\", nonce=\"1\", algorithm=SHA-512-256, qop=\"auth\""),
        ("WWW-Authenticate", "Digest realm=\"demo\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\""),
        ("WWW-Authenticate", "Digest realm=\"demo\", nonce=\"3\", algorithm=MD5, qop=\"auth\""),
    ];
    let (_, value) = answer(&refusal(401, &lines)).expect("an answer");
    assert_eq!(Credentials::parse(&value).expect("credentials").nonce, "2");
}

#[test]
fn what_asks_for_nothing_we_know_is_not_answered() {
    assert_eq!(answer(&refusal(401, &[])), None);
    assert_eq!(answer(&refusal(401, &[("WWW-Authenticate", "Bearer realm=\"demo\"")])), None);
    assert_eq!(answer(&refusal(403, &[("WWW-Authenticate", "Digest realm=\"demo\", nonce=\"n\"")])), None);
    assert_eq!(answer(&refusal(407, &[("WWW-Authenticate", "Digest realm=\"demo\", nonce=\"n\"")])), None);
}
