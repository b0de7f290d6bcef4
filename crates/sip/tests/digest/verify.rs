use bytes::Bytes;
use sip::digest::{self, Algorithm, Challenge, ClientNonce, Credentials, Ha1, Login, Qop};
use sip::{Method, Uri};

fn uri(text: &'static str) -> Uri {
    Uri::parse(&Bytes::from_static(text.as_bytes())).expect("a URI")
}

fn ha1() -> Ha1 {
    Ha1::new(b"1001", b"demo.internal", b"s3cret")
}

fn answer(algorithm: Algorithm, method: &Method, target: &Uri, nc: u32) -> Credentials {
    let challenge = Challenge::new("demo.internal", Bytes::from_static(b"n0nce"), algorithm);
    let client = ClientNonce { cnonce: b"c", nc };
    digest::respond(&challenge, &Login { username: b"1001", ha1: &ha1() }, method, target, &client).expect("known hash")
}

#[test]
fn responses_agree_with_an_independent_computation() {
    let (registrar, callee) = (uri("sip:demo.internal"), uri("sip:1002@demo.internal;user=phone"));
    for (algorithm, method, target, nc, expected) in [
        (Algorithm::Md5, Method::Register, &registrar, 42, "26910a6edf76e04009d5c26a3f44d173"),
        (
            Algorithm::Sha256,
            Method::Register,
            &registrar,
            42,
            "38a1b80a53d387e0ac21c56f96a976f8a97d4ccd54b9086cc507ddfa57cdcfe6",
        ),
        (Algorithm::Md5, Method::Invite, &callee, 1, "11cbb6d9d2ee1815aa804a0584864755"),
        (
            Algorithm::Sha256,
            Method::Invite,
            &callee,
            1,
            "a42883c24707cb4f103910f8b3c28e21df856b1bf60597a56a8aa221857dbeb0",
        ),
    ] {
        let credentials = answer(algorithm, &method, target, nc);
        assert_eq!(credentials.response, expected);
        assert!(digest::verify(&credentials, &method, target, &ha1()));
    }
}

#[test]
fn every_part_of_the_hash_matters() {
    let target = uri("sip:demo.internal");
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let right = answer(algorithm, &Method::Register, &target, 1);
        let believed = |credentials: &Credentials| digest::verify(credentials, &Method::Register, &target, &ha1());
        assert!(believed(&right));
        assert!(!believed(&Credentials { nonce: Bytes::from_static(b"n0ncf"), ..right.clone() }));
        assert!(!believed(&Credentials { nc: 2, ..right.clone() }));
        assert!(!believed(&Credentials { cnonce: Bytes::from_static(b"d"), ..right.clone() }));
        assert!(!believed(&Credentials { response: Bytes::new(), ..right.clone() }));
        assert!(!believed(&Credentials { response: right.response.slice(1..), ..right.clone() }));
        assert!(!digest::verify(&right, &Method::Invite, &target, &ha1()), "another method");
        let other = Ha1::new(b"1001", b"demo.internal", b"S3cret");
        assert!(!digest::verify(&right, &Method::Register, &target, &other), "another password");
        let other = Ha1::new(b"1001", b"other.internal", b"s3cret");
        assert!(!digest::verify(&right, &Method::Register, &target, &other), "another realm");
    }
}

#[test]
fn every_changed_digit_of_the_response_matters() {
    let target = uri("sip:demo.internal");
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let right = answer(algorithm, &Method::Register, &target, 1);
        for at in 0..right.response.len() {
            let mut response = right.response.to_vec();
            response[at] = if response[at] == b'0' { b'1' } else { b'0' };
            let forged = Credentials { response: response.into(), ..right.clone() };
            assert!(!digest::verify(&forged, &Method::Register, &target, &ha1()));
        }
    }
}

#[test]
fn the_algorithms_do_not_stand_in_for_each_other() {
    let target = uri("sip:demo.internal");
    let md5 = answer(Algorithm::Md5, &Method::Register, &target, 1);
    let renamed = Credentials { algorithm: Algorithm::Sha256, ..md5.clone() };
    assert!(!digest::verify(&renamed, &Method::Register, &target, &ha1()));
    assert!(digest::verify(&md5, &Method::Register, &target, &Ha1 { sha256: None, ..ha1() }));
}

#[test]
fn an_unknown_sha_256_hash_is_no_hash_of_zeros() {
    let target = uri("sip:demo.internal");
    let challenge = Challenge::new("demo.internal", Bytes::from_static(b"n0nce"), Algorithm::Sha256);
    let zeros = Ha1 { sha256: Some([0; 32]), ..ha1() };
    let unknown = Ha1 { sha256: None, ..ha1() };
    let client = ClientNonce { cnonce: b"c", nc: 1 };
    let respond =
        |ha1| digest::respond(&challenge, &Login { username: b"1001", ha1 }, &Method::Register, &target, &client);
    let forged = respond(&zeros).expect("known hash");
    assert!(!digest::verify(&forged, &Method::Register, &target, &unknown));
    assert_eq!(respond(&unknown), None);
}

#[test]
fn the_uri_must_be_the_request_uri() {
    let signed = answer(Algorithm::Md5, &Method::Invite, &uri("sip:1002@demo.internal"), 1);
    for (target, believed) in [
        ("sip:1002@demo.internal", true),
        ("sip:1002@DEMO.internal", true),
        ("sip:%31002@demo.internal", true),
        ("sip:1003@demo.internal", false),
        ("sip:0049900123@demo.internal", false),
        ("sips:1002@demo.internal", false),
        ("sip:1002@demo.internal:5060", false),
        ("sip:demo.internal", false),
        ("tel:1002", false),
    ] {
        assert_eq!(digest::verify(&signed, &Method::Invite, &uri(target), &ha1()), believed, "{target}");
    }
    let garbage = Credentials { uri: Bytes::from_static(b"\xff\0"), ..signed };
    assert!(!digest::verify(&garbage, &Method::Invite, &uri("sip:1002@demo.internal"), &ha1()));
}

#[test]
fn a_digest_without_qop_is_written_for_old_servers_and_never_believed() {
    let target = uri("sip:demo.internal");
    let challenge =
        Challenge { qop_auth: false, ..Challenge::new("demo.internal", Bytes::from_static(b"n"), Algorithm::Md5) };
    let client = ClientNonce { cnonce: b"c", nc: 1 };
    let login = Login { username: b"1001", ha1: &ha1() };
    let old = digest::respond(&challenge, &login, &Method::Register, &target, &client).expect("MD5 is always there");
    assert_eq!(old.qop, Qop::Absent);
    assert_eq!(old.response, "d215e34588042e510a44b5f6f5297d02");
    assert!(!digest::verify(&old, &Method::Register, &target, &ha1()));
    let text = String::from_utf8(old.to_bytes().to_vec()).expect("ASCII");
    assert!(!text.contains("qop") && !text.contains("nc=") && !text.contains("cnonce"), "{text}");
}

#[test]
fn the_opaque_comes_back() {
    let target = uri("sip:demo.internal");
    let opaque = Some(Bytes::from_static(b"o\"paque"));
    let challenge = Challenge {
        opaque: opaque.clone(),
        ..Challenge::new("demo.internal", Bytes::from_static(b"n"), Algorithm::Md5)
    };
    let client = ClientNonce { cnonce: b"c", nc: 1 };
    let login = Login { username: b"1001", ha1: &ha1() };
    let credentials = digest::respond(&challenge, &login, &Method::Register, &target, &client).expect("MD5");
    assert_eq!(credentials.opaque, opaque);
}

#[test]
fn secrets_stay_out_of_debug_output() {
    assert_eq!(format!("{:?}", ha1()), "Ha1(…)");
    assert_eq!(format!("{:?}", sip::digest::NonceKey::new([9; 32])), "NonceKey(…)");
}
