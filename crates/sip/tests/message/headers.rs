//! One test per header type: read, write, read again.

use std::fmt::Debug;

use bytes::Bytes;
use sip::header::*;
use sip::{Error, Header, Host, Method};

fn read<H: Header>(text: &str) -> Result<H, Error> {
    H::parse(&Bytes::copy_from_slice(text.as_bytes()))
}

/// Reads `text`, expects it to be written as `written` and to be the same value when read once more.
fn round<H: Header + Debug + PartialEq>(text: &str, written: &str) -> H {
    let value: H = read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let rendered = value.to_bytes();
    assert_eq!(String::from_utf8_lossy(&rendered), written);
    assert_eq!(H::parse(&rendered).as_ref(), Ok(&value), "{text:?}");
    value
}

fn refused<H: Header + Debug>(texts: &[&str]) {
    for text in texts {
        let result = read::<H>(text);
        assert!(result.is_err(), "{}: {text:?} was read as {result:?}", H::NAME);
    }
}

#[test]
fn via() {
    let via: Via = round(
        "SIP / 2.0 / UDP  [2001:db8::1] : 5062 ;branch=z9hG4bKa;rport;received=192.0.2.9",
        "SIP/2.0/UDP [2001:db8::1]:5062;branch=z9hG4bKa;rport;received=192.0.2.9",
    );
    assert_eq!((via.host.clone(), via.port), (Host::V6("2001:db8::1".parse().unwrap()), Some(5062)));
    assert_eq!(via.rport(), Some(None));
    assert_eq!(via.received(), Some("192.0.2.9".parse().unwrap()));
    let answered = via.with_rport(4444).with_received("::1".parse().unwrap());
    assert_eq!(&answered.to_bytes()[..], b"SIP/2.0/UDP [2001:db8::1]:5062;branch=z9hG4bKa;rport=4444;received=::1");
    assert_eq!((answered.rport(), answered.received()), (Some(Some(4444)), Some("::1".parse().unwrap())));
    let plain: Via = round("SIP/2.0/tls host_1.example", "SIP/2.0/tls host_1.example");
    assert_eq!((plain.branch(), plain.rport(), plain.received(), plain.maddr()), (None, None, None, None));
    assert_eq!(read::<Via>("SIP/2.0/UDP h;rport=99999").unwrap().rport(), Some(None));
    refused::<Via>(&[
        "",
        "SIP/2.0",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP ;branch=x",
        "SIP/1.0/UDP h",
        "HTTP/2.0/UDP h",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h:x",
        "SIP/2.0/UDP h:70000",
        "SIP/2.0/UDP h i",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/U@P h",
        "SIP/2.0/UDP h;a=\"open",
        "SIP/2.0/UDP 2001:db8::1",
    ]);
}

#[test]
fn addresses() {
    let from: From = round(
        "  \"Ada \\\"the\\\\ one\\\" L.\"<sip:ada@h;lr>;tag=a1 ; x = \"y;z\"",
        "\"Ada \\\"the\\\\ one\\\" L.\" <sip:ada@h;lr>;tag=a1 ; x = \"y;z\"",
    );
    assert_eq!(from.display.as_deref(), Some(&br#"Ada "the\ one" L."#[..]));
    assert_eq!(from.params.value("X").as_deref(), Some(&b"y;z"[..]));
    assert_eq!(from.tag().as_deref(), Some(&b"a1"[..]));
    let retagged = from.0.with_tag(b"n").without_tag().with_tag(b"m").with_param("q", None).with_display(b"");
    assert_eq!(&retagged.to_bytes()[..], b"<sip:ada@h;lr>;x=\"y;z\";tag=m;q");

    let to: To = round("sip:bob@h;tag=9;user=x", "<sip:bob@h>;tag=9;user=x");
    assert!(!to.uri.has_param("tag"), "without brackets parameters belong to the field");
    let empty: To = round("<sip:bob@h>;tag=", "<sip:bob@h>;tag=");
    assert_eq!((empty.tag(), empty.has_tag()), (None, true));
    let named: To = round("Bob of Yak <sip:bob@h>", "\"Bob of Yak\" <sip:bob@h>");
    assert_eq!(named.display.as_deref(), Some(&b"Bob of Yak"[..]));
    assert_eq!(round::<To>("\"\" <tel:+1>", "<tel:+1>").display, None);
    round::<Route>("<sip:p.example;lr>", "<sip:p.example;lr>");
    round::<RecordRoute>("<sip:p.example;lr;x=y>;z", "<sip:p.example;lr;x=y>;z");
    round::<Path>("<sip:edge@p.example;ob;lr>", "<sip:edge@p.example;ob;lr>");
    round::<ServiceRoute>("<sip:orig@p.example;lr>", "<sip:orig@p.example;lr>");
    round::<ReferTo>("<sip:c@h?Replaces=a%40b%3Bto-tag%3D1>", "<sip:c@h?Replaces=a%40b%3Bto-tag%3D1>");
    round::<ReferredBy>("sip:r@h;cid=\"2@x\"", "<sip:r@h>;cid=\"2@x\"");
    round::<PAssertedIdentity>("\"A\" <sip:a@h>", "\"A\" <sip:a@h>");
    round::<PPreferredIdentity>("<tel:+15550100>", "<tel:+15550100>");
    round::<Diversion>("<sip:d@h>;reason=no-answer;counter=2", "<sip:d@h>;reason=no-answer;counter=2");
    refused::<To>(&[
        "",
        "<>",
        "<sip:a@h",
        "sip:a@h>",
        "\"open <sip:a@h>",
        "\"x\" sip:a@h",
        "\"x\"",
        "a, b <sip:a@h>",
        "a\"b <sip:a@h>",
        "<sip:a@h> x",
        "<sip:a@h>;=x",
        "<sip:a@h>;a b",
        "<sip:a@h>;a=\"x",
        "<sip:a@h>;a=\"x\"y",
        "sip:a@h?x=y",
        "sip:a@h,sip:b@h",
        "no uri",
        "<sip:a@h>,<sip:b@h>",
    ]);
}

#[test]
fn contact() {
    assert_eq!(round::<ContactValue>(" * ", "*"), ContactValue::Star);
    let text = "\"D\" <sip:a@192.0.2.1:5062;ob>;reg-id=2;+sip.instance=\"<urn:uuid:1>\";expires=60;q=0.25";
    let contact: ContactValue = round(text, text);
    assert_eq!((contact.reg_id(), contact.expires(), contact.q()), (Some(2), Some(60), Some(250)));
    assert_eq!(contact.instance().as_deref(), Some(&b"urn:uuid:1"[..]));
    let q = |text: &str| read::<ContactValue>(&format!("<sip:h>;q={text}")).unwrap().q();
    let readable = [("0", 0), ("1", 1000), ("1.000", 1000), ("0.5", 500), (".5", 500), ("0.", 0), ("0.005", 5)];
    for (text, thousandths) in readable {
        assert_eq!(q(text), Some(thousandths), "{text}");
    }
    for text in ["2", "1.001", "-0.5", "0.0001", "x", "0.x", "."] {
        assert_eq!(q(text), None, "{text}");
    }
    refused::<ContactValue>(&["*;expires=0", "**", "", "sip:"]);
}

#[test]
fn numbers() {
    assert_eq!(round::<Expires>(" 3600 ", "3600"), Expires(3600));
    assert_eq!(round::<MinExpires>("60", "60"), MinExpires(60));
    assert_eq!(round::<MaxForwards>("070", "70"), MaxForwards(70));
    assert_eq!(round::<RSeq>("4294967295", "4294967295"), RSeq(u32::MAX));
    refused::<Expires>(&["", "-1", "1;x", "Thu, 01 Dec", "1 2"]);
    refused::<MinExpires>(&["", "x"]);
    refused::<MaxForwards>(&["", "256", "-1", "7 0"]);
    refused::<RSeq>(&["", "4294967296"]);
}

#[test]
fn session_timers() {
    let timer: SessionExpires = round("1800 ;x=y;Refresher=UAC", "1800;refresher=uac;x=y");
    assert_eq!((timer.seconds, timer.refresher), (1800, Some(Refresher::Uac)));
    assert_eq!(round::<SessionExpires>("90;refresher=uas", "90;refresher=uas").refresher, Some(Refresher::Uas));
    assert_eq!(round::<SessionExpires>("90", "90").refresher, None);
    assert_eq!(round::<MinSe>("90;p", "90;p").seconds, 90);
    refused::<SessionExpires>(&["", ";refresher=uac", "x"]);
    refused::<MinSe>(&["", "x"]);
}

#[test]
fn retry_after() {
    let retry: RetryAfter = round("120 (in a while) ; duration=60", "120 (in a while);duration=60");
    assert_eq!((retry.seconds, retry.comment.as_deref()), (120, Some(&b"in a while"[..])));
    assert_eq!(&RetryAfter::new(5).to_bytes()[..], b"5");
    refused::<RetryAfter>(&["", "x", "5 (open", "5 x"]);
}

#[test]
fn dialog_fields() {
    let cseq: CSeq = round(" 4711\tINVITE ", "4711 INVITE");
    assert_eq!((cseq.number, cseq.method), (4711, Method::Invite));
    assert_eq!(round::<CSeq>("0 x-own", "0 x-own").method, Method::Other(Bytes::from_static(b"x-own")));
    refused::<CSeq>(&["", "1", "INVITE", "1 INVITE x", "-1 INVITE", "4294967296 INVITE", "1 IN@VITE", "1INVITE"]);
    assert_eq!(&round::<CallId>(" a84b@h ", "a84b@h").0[..], b"a84b@h");
    refused::<CallId>(&["", " ", "a b", "a\0b"]);
    let rack: RAck = round("776656 1 INVITE", "776656 1 INVITE");
    assert_eq!((rack.rseq, rack.cseq), (776_656, 1));
    refused::<RAck>(&["", "1 INVITE", "1 2", "1 2 INVITE 3"]);
    let replaces: Replaces = round("98@h;to-tag=t;from-tag=f;early-only", "98@h;to-tag=t;from-tag=f;early-only");
    assert!(replaces.early_only && replaces.to_tag == "t" && replaces.from_tag == "f");
    assert!(!round::<Replaces>("98@h;from-tag=f;to-tag=t", "98@h;to-tag=t;from-tag=f").early_only);
    refused::<Replaces>(&["", "98@h", "98@h;to-tag=t", ";to-tag=t;from-tag=f"]);
}

#[test]
fn reason() {
    let reason: Reason =
        round("SIP ;cause=200 ;text=\"Call \\\"done\\\"\"", "SIP;cause=200;text=\"Call \\\"done\\\"\"");
    assert_eq!((reason.cause, reason.text.as_deref()), (Some(200), Some(&b"Call \"done\""[..])));
    assert_eq!(
        &Reason::q850(16, "Normal call clearing").to_bytes()[..],
        b"Q.850;cause=16;text=\"Normal call clearing\""
    );
    assert_eq!(&Reason::sip(487, "").to_bytes()[..], b"SIP;cause=487");
    assert_eq!(round::<Reason>("Preemption", "Preemption").cause, None);
    refused::<Reason>(&["", ";cause=1", "a b;cause=1"]);
}

#[test]
fn events() {
    let event: Event = round("presence.winfo;id=7", "presence.winfo;id=7");
    assert_eq!(event.id().as_deref(), Some(&b"7"[..]));
    refused::<Event>(&["", ";id=1", "a b"]);
    let state: SubscriptionState =
        round("terminated;reason=timeout;retry-after=9", "terminated;reason=timeout;retry-after=9");
    assert!(state.is_terminated());
    assert_eq!(
        (state.reason().as_deref(), state.retry_after(), state.expires()),
        (Some(&b"timeout"[..]), Some(9), None)
    );
    assert_eq!(round::<SubscriptionState>("active;expires=60", "active;expires=60").expires(), Some(60));
    refused::<SubscriptionState>(&["", "a;\"b\""]);
}

#[test]
fn warning() {
    let warning: Warning =
        round("370 h.example:5060 \"Not \\\"enough\\\", sorry\"", "370 h.example:5060 \"Not \\\"enough\\\", sorry\"");
    assert_eq!((warning.code, &warning.text[..]), (370, &b"Not \"enough\", sorry"[..]));
    refused::<Warning>(&[
        "",
        "370",
        "370 h",
        "370 h \"open",
        "1812 h \"x\"",
        "99 h \"x\"",
        "370 \"x\"",
        "370 h i \"x\"",
        "370 h \"",
        "370 h \"x\" y",
    ]);
}

#[test]
fn token_lists() {
    let supported: Supported = round(" 100rel ,timer,, path ", "100rel, timer, path");
    assert!(supported.contains("TIMER") && !supported.contains("outbound"));
    assert!(round::<Supported>("", "").is_empty());
    round::<Require>("100rel", "100rel");
    round::<ProxyRequire>("foo", "foo");
    round::<Unsupported>("a,b", "a, b");
    round::<Allow>("INVITE,ACK", "INVITE, ACK");
    round::<AllowEvents>("refer", "refer");
    let accept: Accept = round("application/sdp;q=\"a,b\",text/*", "application/sdp;q=\"a,b\", text/*");
    assert_eq!(accept.iter().count(), 2);
    assert_eq!(&Allow::new(["INVITE", "BYE"]).to_bytes()[..], b"INVITE, BYE");
    refused::<Supported>(&["a\0b"]);
}

#[test]
fn content_type() {
    let kind: ContentType = round("Application / SDP ;charset=\"u\"", "Application/SDP;charset=\"u\"");
    assert!(kind.is_sdp() && !kind.is("text", "plain"));
    refused::<ContentType>(&["", "text", "/x", "text/", "a b/c", "a/b/c"]);
}

#[test]
fn params() {
    let params = Params::default().with("a", Some(b"token")).with("b", Some(b"two words \"q\"")).with("c", None);
    assert_eq!(params.value("b").as_deref(), Some(&b"two words \"q\""[..]));
    let all: Vec<_> = params.iter().map(|(name, value)| (name, value.unwrap_or_default())).collect();
    let expected = [("a", "token"), ("b", "two words \"q\""), ("c", "")];
    assert_eq!(all, expected.map(|(name, value)| (Bytes::from(name), Bytes::from(value))));
    assert_eq!(params.with("A", Some(b"")).without("b").get("a"), Some(Some(Bytes::new())));
    assert_eq!(Params::parse("x", &Bytes::from_static(b" ; ;a ;; b = 1 ;")).unwrap().iter().count(), 2);
    assert_eq!(params.get("none"), None);
}

#[test]
fn privacy() {
    let privacy: Privacy = round(" id;user ; critical", "id;user;critical");
    assert!(privacy.asks_for("USER") && !privacy.asks_for("header"));
    round::<Privacy>("id, user", "id;user");
    round::<Privacy>(";id;", "id");
    refused::<Privacy>(&["", ";", "i d", "\"id\""]);
}
