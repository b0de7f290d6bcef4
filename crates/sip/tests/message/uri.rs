//! URIs: reading, comparing (RFC 3261 §19.1.4), making.

use std::net::SocketAddr;

use bytes::Bytes;
use sip::{Host, Scheme, Uri};

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn all_parts_are_found() {
    let all = uri("SIPS:%61da:secret@Yak.Example:5061;lr;transport=tcp;x=a%20b?Subject=hi&to=x%40y");
    assert_eq!(all.scheme(), Scheme::Sips);
    assert_eq!(all.user().as_deref(), Some(&b"ada"[..]));
    assert_eq!(all.user_raw(), Some(&b"%61da"[..]));
    assert_eq!(all.password_raw(), Some(&b"secret"[..]));
    assert_eq!(all.host(), Host::Name(Bytes::from_static(b"Yak.Example")));
    assert_eq!(all.port(), Some(5061));
    assert_eq!(all.param("LR"), Some(None));
    assert_eq!(all.param("transport"), Some(Some(Bytes::from_static(b"tcp"))));
    assert_eq!(all.param("x").flatten().as_deref(), Some(&b"a%20b"[..]));
    assert_eq!(all.param("y"), None);
    assert_eq!(all.headers().count(), 2);

    let bare = uri("sip:192.0.2.1");
    assert_eq!((bare.user(), bare.password_raw(), bare.port()), (None, None, None));
    assert_eq!(bare.host(), Host::V4("192.0.2.1".parse().unwrap()));
    assert_eq!(uri("sip:999.0.2.1").host(), Host::Name(Bytes::from_static(b"999.0.2.1")));
    assert_eq!(uri("sip:*43@yak.example").user().as_deref(), Some(&b"*43"[..]));
    assert_eq!(uri("sip:#31#5@yak.example").user().as_deref(), Some(&b"#31#5"[..]), "phones do not escape it");
}

#[test]
fn what_is_no_uri_is_refused() {
    let wrong = [
        "",
        "sip",
        "sip:",
        ":x",
        "1sip:x",
        "si p:x",
        "sip:@h",
        "sip:u@",
        "sip:u@:5060",
        "sip:h:",
        "sip:h:x",
        "sip:h:65536",
        "sip:h:5060x",
        "sip:[::1",
        "sip:[::1]x",
        "sip:[x]",
        "sip:[]",
        "sip:[fe80::1%25eth0]",
        "sip:::1",
        "sip:u@h@i",
        "sip:u@h;p=a@b",
        "sip:h/path",
        "sip:a b@h",
        "sip:a\r\nb@h",
        "sip:<h>",
        "sip:\"h\"",
        "sip:a%4@h",
        "sip:a%zz@h",
        "sip:a@h%41",
        "tel:",
        "tel:;x",
        "sip:a\u{0}b@h",
        "sip:h\u{7f}",
    ];
    for text in wrong {
        assert!(text.parse::<Uri>().is_err(), "{text:?}");
    }
    assert!(format!("sip:{}@h", "a".repeat(10_000)).parse::<Uri>().is_err());
    assert!(format!("sip:h{}", ";a".repeat(65)).parse::<Uri>().is_err());
    assert!(format!("sip:h?{}", "&a".repeat(65)).parse::<Uri>().is_err());
}

/// The sets of the section, with names of our own.
#[test]
fn equivalence_follows_the_section() {
    let same = [
        ("sip:%61da@yak.example;transport=TCP", "sip:ada@YAK.ExAmPlE;Transport=tcp"),
        ("sip:bob@yak.example", "sip:bob@yak.example;newparam=5"),
        ("sip:bob@yak.example;security=on", "sip:bob@yak.example;newparam=5"),
        (
            "sip:yak.example;transport=tcp;method=REGISTER?to=sip:b%40x",
            "sip:yak.example;method=REGISTER;transport=tcp?to=sip:b%40x",
        ),
        ("sip:a@yak.example?subject=p%20x&priority=urgent", "sip:a@yak.example?priority=urgent&subject=p%20x"),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:0DB8:0::1]"),
        ("sip:a%2ab@h", "sip:a*b@h"),
        ("sip:a%3bb@h", "sip:a%3Bb@h"),
        ("tel:+1-555-0100", "tel:+15550100"),
        ("tel:+15550100;ext=1;isub=2", "TEL:+1(555)0100;isub=2;EXT=1"),
        ("urn:service:sos", "urn:service:sos"),
    ];
    for (one, two) in same {
        assert!(uri(one).equivalent(&uri(two)) && uri(two).equivalent(&uri(one)), "{one} {two}");
    }
    let different = [
        ("sip:ADA@yak.example", "sip:ada@yak.example"),
        ("sip:bob@yak.example", "sip:bob@yak.example:5060"),
        ("sip:bob@yak.example", "sip:bob@yak.example;transport=udp"),
        ("sip:bob@yak.example", "sip:bob@yak.example:6000;transport=tcp"),
        ("sip:bob@yak.example", "sip:bob@yak.example?Subject=next"),
        ("sip:bob@yak.example?a=1", "sip:bob@yak.example?a=2"),
        ("sip:bob@host.yak.example", "sip:bob@192.0.2.4"),
        ("sip:bob@yak.example", "sips:bob@yak.example"),
        ("sip:bob@yak.example", "sip:yak.example"),
        ("sip:bob:x@yak.example", "sip:bob@yak.example"),
        ("sip:bob@yak.example;x=1", "sip:bob@yak.example;x=2"),
        ("sip:bob@yak.example;x", "sip:bob@yak.example;x=2"),
        ("sip:bob@yak.example;maddr=1.2.3.4", "sip:bob@yak.example"),
        ("sip:bob@yak.example;user=phone", "sip:bob@yak.example"),
        ("sip:bob@yak.example;ttl=1", "sip:bob@yak.example"),
        ("sip:bob@yak.example;method=INVITE", "sip:bob@yak.example"),
        ("sip:a;b@h", "sip:a%3Bb@h"),
        ("sip:a%2540@h", "sip:a%40@h"),
        ("tel:+15550100", "tel:15550100"),
        ("tel:+15550100", "tel:+15550100;ext=1"),
        ("urn:service:sos", "urn:service:SOS"),
    ];
    for (one, two) in different {
        assert!(!uri(one).equivalent(&uri(two)) && !uri(two).equivalent(&uri(one)), "{one} {two}");
    }
}

#[test]
fn made_uris_are_legal() {
    let made = |user, host, port| Uri::sip(user, host, port).to_string();
    assert_eq!(made(Some("1001"), "yak.example", None), "sip:1001@yak.example");
    assert_eq!(made(Some("a b@c\u{e9}"), "::1", Some(5060)), "sip:a%20b%40c%C3%A9@[::1]:5060");
    assert_eq!(made(None, "[2001:db8::1]", None), "sip:[2001:db8::1]");
    assert_eq!(made(Some(""), "192.0.2.1", Some(0)), "sip:192.0.2.1:0");
    assert_eq!(made(Some("*43"), "a;b\r\n@c>", None), "sip:*43@abc");
    let address: SocketAddr = "[::1]:5062".parse().unwrap();
    assert_eq!(Uri::at(Some("x"), address).to_string(), "sip:x@[::1]:5062");
}

#[test]
fn parts_are_replaced_and_the_rest_is_kept() {
    let start = uri("sip:a:pw@h:5060;lr;x=1?s=t");
    assert_eq!(start.with_param("X", Some("2 3")).to_string(), "sip:a:pw@h:5060;lr;X=2%203?s=t");
    assert_eq!(start.with_param("ob", None).to_string(), "sip:a:pw@h:5060;lr;x=1;ob?s=t");
    assert_eq!(start.without_param("LR").to_string(), "sip:a:pw@h:5060;x=1?s=t");
    assert_eq!(start.without_param("none"), start);
    assert_eq!(start.without_headers().to_string(), "sip:a:pw@h:5060;lr;x=1");
    assert_eq!(start.with_user(Some("b;c d")).to_string(), "sip:b;c%20d@h:5060;lr;x=1?s=t");
    assert_eq!(start.with_user(None).to_string(), "sip:h:5060;lr;x=1?s=t");
    assert_eq!(
        start.with_header("Reason", b"SIP;cause=1").to_string(),
        "sip:a:pw@h:5060;lr;x=1?s=t&Reason=SIP%3Bcause%3D1"
    );
    let reason = uri("sip:h").with_header("Reason", b"a b");
    assert_eq!(
        (reason.to_string().as_str(), reason.header("reason").as_deref()),
        ("sip:h?Reason=a%20b", Some(&b"a b"[..]))
    );
    let urn = uri("urn:service:sos");
    assert_eq!(
        (urn.with_param("x", None), urn.with_user(Some("a")), urn.without_headers()),
        (urn.clone(), urn.clone(), urn)
    );
    assert_eq!(uri("tel:+1").with_param("ext", Some("5")).to_string(), "tel:+1;ext=5");
}
