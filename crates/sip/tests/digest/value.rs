use bytes::Bytes;
use proptest::prelude::*;
use sip::Error;
use sip::digest::{Algorithm, Challenge, Credentials, Qop};

fn credentials(text: &'static str) -> Result<Credentials, Error> {
    Credentials::parse(&Bytes::from_static(text.as_bytes()))
}

fn challenge(text: &'static str) -> Result<Challenge, Error> {
    Challenge::parse(&Bytes::from_static(text.as_bytes()))
}

#[test]
fn a_challenge_as_phones_expect_it() {
    let mut challenge = Challenge::new("demo.internal", Bytes::from_static(b"abc"), Algorithm::Md5);
    assert_eq!(challenge.to_bytes(), &br#"Digest realm="demo.internal", nonce="abc", algorithm=MD5, qop="auth""#[..]);
    challenge.stale = true;
    challenge.algorithm = Algorithm::Sha256;
    challenge.opaque = Some(Bytes::from_static(b"x"));
    assert_eq!(
        challenge.to_bytes(),
        &br#"Digest realm="demo.internal", nonce="abc", algorithm=SHA-256, qop="auth", stale=true, opaque="x""#[..]
    );
    assert_eq!(Challenge::parse(&challenge.to_bytes()), Ok(challenge));
}

#[test]
fn the_example_of_rfc_3261_section_20_7() {
    let read = credentials(
        r#"Digest username="Alice", realm="atlanta.com", nonce="84a4cc6f3082121f32b42a2187831a9e", response="7587245234b3434cc3412213e5f113a5432", uri="sip:atlanta.com""#,
    )
    .expect("credentials");
    assert_eq!((&read.username[..], &read.realm[..]), (&b"Alice"[..], &b"atlanta.com"[..]));
    assert_eq!((read.qop, read.nc, read.algorithm, read.opaque), (Qop::Absent, 0, Algorithm::Md5, None));
}

#[test]
fn the_challenge_of_rfc_3261_section_20_44() {
    let read = challenge(
        r#"Digest realm="atlanta.com", domain="sip:boxesbybob.com", qop="auth", nonce="f84f1cec41e6cbe5aea9c8e88d359", opaque="", stale=FALSE, algorithm=MD5"#,
    )
    .expect("a challenge");
    assert!(read.qop_auth && !read.stale);
    assert_eq!(read.opaque.as_deref(), Some(&b""[..]));
}

#[test]
fn what_phones_write_is_read() {
    for text in [
        r#"Digest username="1001",realm="r",nonce="n",uri="sip:r",response="00",algorithm=MD5,qop=auth,nc=0000000a,cnonce="c""#,
        r#"digest  USERNAME = "1001" , Realm="r",	nonce="n", uri="sip:r", response="00", algorithm="md5", qop="auth", nc=0000000A, cnonce="c","#,
        r#"  Digest username="1001", realm="r", nonce="n", uri="sip:r", response="00", qop=AUTH, nc="0000000a", cnonce="c", auts="whatever", x=y  "#,
        "Digest username=\"1001\",\r\n realm=\"r\",\r\n nonce=\"n\", uri=\"sip:r\", response=\"00\", qop=auth, nc=0000000a, cnonce=\"c\"",
        r#"Digest username=1001, realm=r, nonce=n, uri=sip:r, response=00, qop=auth, nc=0000000a, cnonce=c"#,
    ] {
        let read = credentials(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let (username, realm, nonce) = (&read.username[..], &read.realm[..], &read.nonce[..]);
        assert_eq!((username, realm, nonce), (&b"1001"[..], &b"r"[..], &b"n"[..]));
        assert_eq!((&read.uri[..], &read.response[..], &read.cnonce[..]), (&b"sip:r"[..], &b"00"[..], &b"c"[..]));
        assert_eq!((read.algorithm, read.qop, read.nc), (Algorithm::Md5, Qop::Auth, 10));
    }
}

#[test]
fn commas_quotes_and_escapes_inside_quotes() {
    let read = credentials(r#"Digest username="a\"b\\, c=\"d", realm="r", nonce="n", uri="sip:x,y@r", response="0""#)
        .expect("credentials");
    assert_eq!(&read.username[..], br#"a"b\, c="d"#);
    assert_eq!(&read.uri[..], b"sip:x,y@r");
    assert_eq!(Credentials::parse(&read.to_bytes()), Ok(read));
}

#[test]
fn credentials_that_lack_something_are_violations() {
    const WHOLE: [&str; 8] = [
        r#"username="u""#,
        r#"realm="r""#,
        r#"nonce="n""#,
        r#"uri="sip:r""#,
        r#"response="0""#,
        "qop=auth",
        "nc=00000001",
        r#"cnonce="c""#,
    ];
    let join = |parts: &[&str]| Credentials::parse(&Bytes::from(format!("Digest {}", parts.join(", "))));
    assert!(join(&WHOLE).is_ok());
    for left_out in 0..WHOLE.len() {
        let mut parts = WHOLE.to_vec();
        let part = parts.remove(left_out);
        match join(&parts) {
            Ok(read) => assert!(part == "qop=auth" && read.qop == Qop::Absent && read.nc == 0, "{part}"),
            Err(error) => assert!(matches!(error, Error::Violation { .. }), "{part}: {error}"),
        }
    }
    for twice in WHOLE {
        let mut parts = WHOLE.to_vec();
        parts.push(twice);
        assert!(matches!(join(&parts), Err(Error::Violation { .. })), "{twice} twice");
    }
}

#[test]
fn what_is_not_ours_is_unsupported() {
    for text in [
        r#"Basic dXNlcjpwYXNz"#,
        "NTLM",
        "Digestive realm=r",
        r#"Digest username="u", realm="r", nonce="n", uri="sip:r", response="0", algorithm=MD5-sess"#,
        r#"Digest username="u", realm="r", nonce="n", uri="sip:r", response="0", algorithm=SHA-512-256"#,
        r#"Digest username="u", realm="r", nonce="n", uri="sip:r", response="0", algorithm=AKAv1-MD5"#,
        r#"Digest username="u", realm="r", nonce="n", uri="sip:r", response="0", qop=auth-int, nc=00000001, cnonce="c""#,
    ] {
        assert!(matches!(credentials(text), Err(Error::Unsupported { .. })), "{text}");
    }
    for text in [
        r#"Digest realm="r", nonce="n", algorithm=SHA-512-256, qop="auth""#,
        r#"Digest realm="r", nonce="n", qop="auth-int""#,
        r#"Bearer realm="r""#,
    ] {
        assert!(matches!(challenge(text), Err(Error::Unsupported { .. })), "{text}");
    }
}

#[test]
fn auth_is_found_among_other_qualities() {
    for qop in [r#""auth,auth-int""#, r#""auth-int, auth""#, "auth", r#""AUTH""#] {
        let read = Challenge::parse(&Bytes::from(format!(r#"Digest realm="r", nonce="n", qop={qop}"#)));
        assert!(read.is_ok_and(|read| read.qop_auth), "{qop}");
    }
    assert!(challenge(r#"Digest realm="r", nonce="n""#).is_ok_and(|read| !read.qop_auth));
}

#[test]
fn malformed_values_are_refused_with_a_position() {
    for (text, at) in [
        (r#"Digest username"#, 7),
        (r#"Digest username="open"#, 16),
        (r#"Digest username="u" realm="r""#, 20),
        (r#"Digest ="u""#, 7),
        (r#"Digest us er="u""#, 9),
        (r#"Digest username=u v"#, 17),
        (r#"Digest username=u"v""#, 17),
    ] {
        let expected = Error::Malformed { header: "credentials", position: at };
        assert_eq!(credentials(text), Err(expected), "{text}");
    }
}

#[test]
fn counts_have_eight_hexadecimal_digits() {
    for nc in ["1", "0000001", "000000001", "0000000g", "-0000001", "+0000001", "\"\""] {
        let text = format!(
            r#"Digest username="u", realm="r", nonce="n", uri="s:r", response="0", qop=auth, nc={nc}, cnonce="c""#
        );
        assert!(matches!(Credentials::parse(&Bytes::from(text)), Err(Error::Violation { .. })), "{nc}");
    }
}

#[test]
fn parameters_are_limited() {
    let many = |count: usize| {
        let filler = "x=y, ".repeat(count);
        Credentials::parse(&Bytes::from(format!(
            r#"Digest {filler}username="u", realm="r", nonce="n", uri="s:r", response="0""#
        )))
    };
    assert!(many(50).is_ok());
    assert!(matches!(many(10_000), Err(Error::Violation { .. })));
}

fn text() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..24).prop_map(Bytes::from)
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Credentials::parse(&Bytes::from(bytes.clone()));
        let _ = Challenge::parse(&Bytes::from([b"Digest ", &bytes[..]].concat()));
        let _ = Credentials::parse(&Bytes::from([b"Digest username=", &bytes[..]].concat()));
    }

    #[test]
    fn bytes_from_the_alphabet_of_the_grammar_are_survived(value in r#"Digest ([a-z]{1,8} ?=? ?["\\]?[a-z0-9\\]{0,4}"?[, ]{0,2}){0,12}"#) {
        let _ = Credentials::parse(&Bytes::from(value.clone()));
        let _ = Challenge::parse(&Bytes::from(value));
    }

    #[test]
    fn what_is_written_is_read_again(
        (username, realm, nonce) in (text(), text(), text()),
        (uri, response, cnonce, opaque) in (text(), text(), text(), proptest::option::of(text())),
        nc in any::<u32>(),
        sha256 in any::<bool>(),
    ) {
        let algorithm = if sha256 { Algorithm::Sha256 } else { Algorithm::Md5 };
        let qop = Qop::Auth;
        let written = Credentials { username, realm, nonce, uri, response, algorithm, qop, nc, cnonce, opaque };
        prop_assert_eq!(Credentials::parse(&written.to_bytes()), Ok(written.clone()));
        let challenge = Challenge {
            realm: written.realm,
            nonce: written.nonce,
            algorithm,
            stale: sha256,
            opaque: written.opaque,
            qop_auth: nc % 2 == 0,
        };
        prop_assert_eq!(Challenge::parse(&challenge.to_bytes()), Ok(challenge));
    }
}
