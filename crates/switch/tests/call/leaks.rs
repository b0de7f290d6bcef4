//! Leg B is written anew: of every header that a caller may send, nothing arrives that is not on the list.

use std::collections::BTreeSet;

use sip::Method;

use crate::bench::Bench;
use crate::phone::{phone, sdp};

/// What an INVITE to a phone may carry. Each of these is ours, or the caller's after it was proven, read and written anew.
const ALLOWED: [&str; 20] = [
    "Via",
    "Max-Forwards",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "User-Agent",
    "Allow",
    "Supported",
    "P-Asserted-Identity",
    "Remote-Party-ID",
    "Privacy",
    "Session-Expires",
    "Min-SE",
    "History-Info",
    "Diversion",
    "Route",
    "Content-Type",
    "Content-Length",
];

/// Every header that the SIP layer knows and that does not say how the message itself is read, and some that nobody knows.
const SENT: [&str; 62] = [
    "Accept-Contact",
    "Accept-Encoding",
    "Accept-Language",
    "Alert-Info",
    "Allow",
    "Allow-Events",
    "Authentication-Info",
    "Call-Info",
    "Content-Disposition",
    "Content-Language",
    "Date",
    "Diversion",
    "Error-Info",
    "Event",
    "Flow-Timer",
    "History-Info",
    "Identity",
    "In-Reply-To",
    "MIME-Version",
    "Min-Expires",
    "Organization",
    "P-Access-Network-Info",
    "P-Asserted-Identity",
    "P-Called-Party-ID",
    "P-Preferred-Identity",
    "Path",
    "Priority",
    "Proxy-Authenticate",
    "Reason",
    "Record-Route",
    "Refer-Sub",
    "Refer-To",
    "Referred-By",
    "Reject-Contact",
    "Remote-Party-ID",
    "Reply-To",
    "Request-Disposition",
    "Retry-After",
    "Server",
    "Service-Route",
    "SIP-ETag",
    "SIP-If-Match",
    "Subject",
    "Subscription-State",
    "Supported",
    "Target-Dialog",
    "Timestamp",
    "Unsupported",
    "User-Agent",
    "Warning",
    "WWW-Authenticate",
    "X-Asterisk-HangupCause",
    "X-Forwarded-For",
    "X-Tenant",
    "X-YakYak-Tenant",
    "X-Internal",
    "P-Charging-Vector",
    "P-Charge-Info",
    "Geolocation",
    "Resource-Priority",
    "Session-ID",
    "s",
];

#[test]
fn nothing_of_the_callers_headers_reaches_the_called_phone() {
    let (mut bench, alice, bob) = (Bench::new(), phone("1001", 11), phone("1002", 12));
    alice.register(&mut bench);
    bob.register(&mut bench);
    let alone = {
        alice.invite(&mut bench, "1002", "", &sdp(alice, ""));
        bench.request(bob.address, &Method::Invite)
    };
    for name in SENT {
        let (mut bench, alice, bob) = (Bench::new(), phone("1001", 11), phone("1002", 12));
        alice.register(&mut bench);
        bob.register(&mut bench);
        bench.forget_messages();
        // As words, as an address and as parameters, so that whoever reads it finds something to read.
        let line = format!("{name}: <sip:poison@poison.example;lr>;poison=poison\r\n");
        alice.invite(&mut bench, "1002", &line, &sdp(alice, ""));
        let Some(arrived) = bench.next(bob.address) else { continue };
        let text = String::from_utf8_lossy(arrived.bytes()).into_owned();
        assert!(!text.contains("poison") && !text.contains("Forged"), "{name} arrives:\n{text}");
        let names: BTreeSet<String> = arrived.headers().iter().map(|(name, _)| name.to_string()).collect();
        let usual: BTreeSet<String> = alone.headers().iter().map(|(name, _)| name.to_string()).collect();
        assert!(names.iter().all(|name| ALLOWED.contains(&name.as_str())), "{name}: {names:?}");
        assert!(names.is_subset(&usual), "{name} makes more headers: {names:?}");
    }
}

/// The test above must not pass for want of a message.
#[test]
fn most_of_these_headers_do_not_hinder_a_call() {
    let mut calls = 0;
    for name in SENT {
        let (mut bench, alice, bob) = (Bench::new(), phone("1001", 11), phone("1002", 12));
        alice.register(&mut bench);
        bob.register(&mut bench);
        bench.forget_messages();
        alice.invite(&mut bench, "1002", &format!("{name}: poison\r\n"), &sdp(alice, ""));
        if let Some(arrived) = bench.next(bob.address) {
            calls += 1;
            assert!(!String::from_utf8_lossy(arrived.bytes()).contains("poison"), "{name}");
        }
    }
    assert!(calls >= SENT.len() - 5, "{calls} of {}", SENT.len());
}
