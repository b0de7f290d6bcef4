//! Phones, softphones, gateways and switches as they are found in the field: messages in their manner, with names and
//! addresses of our own, and what has to be read from each.
//!
//! A maker's habits are what a file is for: the order of its headers, compact forms, parameters that stand in no RFC, quoted names
//! with characters that mean something elsewhere, missing mandatory fields.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use sip::header::{
    Allow, ContactValue, Diversion, Event as EventPackage, Header, NameAddr, PAssertedIdentity, RSeq, RecordRoute,
    ReferTo, Route, SessionExpires, SubscriptionState, Supported, Via,
};
use sip::{
    Admission, Endpoint, EndpointConfig, Event, Flow, Gate, Headers, Message, Name, Reply, Request, Scope, Transport,
};

/// A file and what is read from it, line by line.
struct Row {
    file: &'static str,
    reads: &'static [&'static str],
}

macro_rules! rows {
    ($($file:literal { $($line:literal)* })*) => {
        const ROWS: &[Row] = &[$(Row { file: $file, reads: &[$($line),*] }),*];
    };
}

rows! {
    "asterisk-bye" {
        "BYE 1002@10.9.8.7:5060"
        "from «Ada» 1001@192.0.2.29 tag=as2b3c4d5e"
        "to 1002@10.9.8.7:5060 tag=yak29"
        "via UDP 192.0.2.29:5060 z9hG4bK2f3e4d5c"
        "11 lines, 0 bytes of "
    }
    "asterisk-options" {
        "OPTIONS 1001@192.0.2.30:5060;ob"
        "from trunk@192.0.2.29 tag=6b5a4c3d-2e1f-4a0b-9c8d-7e6f5a4b3c2d"
        "to 1001@192.0.2.30;ob"
        "via UDP 192.0.2.29:5060 rport None z9hG4bKPj1c2d3e4f-0a1b-4c2d-9e8f-7a6b5c4d3e2f"
        "contact trunk@192.0.2.29:5060"
        "9 lines, 0 bytes of "
    }
    "baresip-options" {
        "OPTIONS 1002@pbx.example"
        "from «ada & co. (2. OG) @home» 1001@pbx.example tag=0a1b2c3d4e5f6071"
        "to 1002@pbx.example"
        "via UDP 192.0.2.36:36112 rport None z9hG4bK1f0e9d8c7b6a5948"
        "7 lines, 0 bytes of "
    }
    "carrier-invite" {
        "INVITE +15550104455;npdi;rn=+15550100000@203.0.113.9:5060;user=phone"
        "from «Anonymous» anonymous@anonymous.invalid tag=gK0c5e6f7a isup-oli=0"
        "to +15550104455@203.0.113.9;user=phone"
        "via UDP 203.0.113.40:5060 z9hG4bK0cBf1a2b3c4d5e6f7a"
        "via TCP 198.51.100.2:5060 received 198.51.100.77 z9hG4bK~a_b.c"
        "via UDP gw_7.carrier.example:5061 1"
        "contact +15550109999;tgrp=tg-7;trunk-context=carrier.example@203.0.113.40:5060"
        "record-route @203.0.113.40:5060;lr;did=1c2.a3b4"
        "record-route @198.51.100.2;transport=tcp;r2=on;lr=on"
        "asserted «ADA LOVELACE» +15550109999@carrier.example;user=phone"
        "asserted +15550109999@"
        "diversion +15550101111@carrier.example reason=unconditional counter=1 privacy=off"
        "session-expires 1800"
        "supported 100rel timer histinfo"
        "allow invite ack bye cancel options prack update"
        "19 lines, 292 bytes of application/sdp ; charset=utf-8"
    }
    "carrier-progress" {
        "183 Session Progress"
        "from +15550104455@carrier.example tag=yak40"
        "to +15550102222@carrier.example;user=phone tag=SD7e1n701-1c2b3a"
        "via UDP 203.0.113.9:5060 rport Some(5060) z9hG4bKy40"
        "contact +15550102222@203.0.113.40:5060;transport=udp"
        "rseq 988789"
        "allow INVITE ACK CANCEL BYE PRACK UPDATE INFO"
        "require 100rel"
        "12 lines, 151 bytes of application/sdp"
    }
    "cisco-register" {
        "REGISTER @pbx.example"
        "from 1001@pbx.example tag=0000aa00000500025a3f1c9d-1b2c3d4e"
        "to 1001@pbx.example"
        "via TCP 192.0.2.25:51230 z9hG4bK0f6ad2c1"
        "contact 5ab1c2d3-0001@192.0.2.25:51230;transport=tcp +sip.instance=<urn:uuid:00000000-0000-0000-0000-0000aa000005> +u.sip!devicename.ccm.cisco.com=SEP0000AA000005 +u.sip!model.ccm.cisco.com=999 video bfcp instance urn:uuid:00000000-0000-0000-0000-0000aa000005"
        "supported replaces join sdp-anat norefersub resource-priority extended-refer X-cisco-callinfo X-cisco-serviceuri X-cisco-escapecodes X-cisco-service-control X-cisco-srtp-fallback X-cisco-monrec X-cisco-config X-cisco-sis-7.0.0 X-cisco-xsi-8.5.1"
        "13 lines, 0 bytes of "
    }
    "dect-notify" {
        "NOTIFY 1001@10.9.8.7:5060"
        "from 1002@pbx.example tag=35"
        "to 1001@pbx.example tag=yak35"
        "via UDP 192.0.2.35:5060 z9hG4bK-d8754z-1"
        "contact 1002@192.0.2.35"
        "event refer;id=93809823"
        "subscription terminated;reason=noresource;retry-after=0"
        "11 lines, 16 bytes of message/sipfrag;version=2.0"
    }
    "freeswitch-answer" {
        "200 OK"
        "from «Ada» 1001@pbx.example tag=yak31"
        "to 1002@pbx.example tag=Qv7aB1gm4S9jc"
        "via UDP 10.9.8.7:5060 rport Some(5060) z9hG4bKy31"
        "contact 1002@192.0.2.31:5080;transport=udp"
        "record-route @192.0.2.32;lr;ftag=yak31;vsf=AAAAAAAAAAAA"
        "record-route @192.0.2.33;r2=on;lr"
        "session-expires 1800;refresher=uac"
        "supported timer path replaces"
        "allow INVITE ACK BYE CANCEL OPTIONS MESSAGE INFO UPDATE REGISTER REFER NOTIFY PUBLISH SUBSCRIBE"
        "19 lines, 275 bytes of application/sdp"
    }
    "grandstream-invite" {
        "INVITE 1002@pbx.example"
        "from «Desk #2, 'left' <old>» 1001@pbx.example tag=1204733221"
        "to 1002@pbx.example"
        "via UDP 192.0.2.22:5062 rport None z9hG4bK1693374027"
        "contact 1001@192.0.2.22:5062 reg-id=1 +sip.instance=<urn:uuid:00000000-0000-1000-8000-0000AA000002> reg-id 1 instance urn:uuid:00000000-0000-1000-8000-0000AA000002"
        "supported replaces path timer"
        "allow INVITE ACK OPTIONS CANCEL BYE SUBSCRIBE NOTIFY INFO REFER UPDATE"
        "17 lines, 387 bytes of application/sdp"
    }
    "grandstream-notify-answer" {
        "200 OK"
        "from 1002@pbx.example tag=yak1"
        "to 1001@pbx.example tag=1204733221"
        "via UDP 10.9.8.7:5060 rport Some(5060) z9hG4bKy0001"
        "supported replaces path timer"
        "allow INVITE ACK OPTIONS CANCEL BYE SUBSCRIBE NOTIFY INFO REFER UPDATE"
        "9 lines, 0 bytes of "
    }
    "jssip-invite" {
        "INVITE 1002@pbx.example"
        "from «Browser Ada» 1001@pbx.example tag=o0l2c8uq1r"
        "to 1002@pbx.example"
        "via WS k3v9s1q0ab2c.invalid z9hG4bK7712093"
        "contact 7hq0m1zt@k3v9s1q0ab2c.invalid;transport=ws;ob"
        "session-expires 90"
        "supported timer gruu ice replaces outbound"
        "allow INVITE ACK CANCEL BYE UPDATE MESSAGE OPTIONS REFER INFO NOTIFY"
        "13 lines, 931 bytes of application/sdp"
    }
    "linphone-register" {
        "REGISTER @pbx.example;transport=tls"
        "from 1001@pbx.example tag=Vb~n4Kx1q"
        "to 1001@pbx.example"
        "via TLS [2001:db8::26]:47702 rport None z9hG4bK.Q1w~E2r3T"
        "contact «Ada» 1001@[2001:db8::26]:47702;transport=tls +sip.instance=<urn:uuid:00000000-0000-4000-8000-0000aa000006> +org.linphone.specs=ephemeral/1.1,groupchat/1.2,lime instance urn:uuid:00000000-0000-4000-8000-0000aa000006"
        "supported replaces outbound gruu path record-aware"
        "12 lines, 0 bytes of "
    }
    "pjsip-invite" {
        "INVITE 1002@pbx.example"
        "from 1001@pbx.example tag=5f4e3d2c1b0a"
        "to 1002@pbx.example"
        "via TCP 192.0.2.34:40112 rport None z9hG4bKPj7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a"
        "contact 1001@192.0.2.34:40112;transport=TCP;ob +sip.ice reg-id=1 +sip.instance=<urn:uuid:00000000-0000-0000-0000-0000aa00000a> reg-id 1 instance urn:uuid:00000000-0000-0000-0000-0000aa00000a"
        "route @pbx.example;transport=tcp;lr"
        "session-expires 1800"
        "supported replaces 100rel timer norefersub"
        "allow PRACK INVITE ACK BYE CANCEL UPDATE INFO SUBSCRIBE NOTIFY REFER MESSAGE OPTIONS"
        "15 lines, 334 bytes of application/sdp"
    }
    "poly-hold-answer" {
        "200 OK"
        "from «Ada» 1001@pbx.example tag=yak7"
        "to «Hall» 1002@pbx.example tag=5C11E1A2-9FB7"
        "via UDP 10.9.8.7:5060 rport None z9hG4bKy77"
        "contact 1002@192.0.2.23:5060"
        "supported replaces 100rel"
        "allow INVITE ACK BYE CANCEL OPTIONS INFO MESSAGE SUBSCRIBE NOTIFY PRACK UPDATE REFER"
        "12 lines, 228 bytes of application/sdp"
    }
    "poly-subscribe" {
        "SUBSCRIBE 1002@pbx.example:5060;transport=tcp"
        "from «Hall» 1001@pbx.example tag=9E2A1D44-31C0AA77"
        "to 1002@pbx.example;user=phone"
        "via TCP 192.0.2.23:49152 z9hG4bK7d1c4ae21D9A33F0"
        "contact 1001@192.0.2.23:5060;transport=tcp"
        "event dialog"
        "13 lines, 0 bytes of "
    }
    "sipjs-register" {
        "REGISTER @pbx.example"
        "from 1001@pbx.example tag=7q1k9v0c2m"
        "to 1001@pbx.example"
        "via WSS 7f1c9d2e5b0a.invalid z9hG4bK9012345"
        "contact c0ffee01@7f1c9d2e5b0a.invalid;transport=ws +sip.ice reg-id=1 +sip.instance=<urn:uuid:00000000-0000-4000-8000-0000aa000008> expires=600 expires 600 reg-id 1 instance urn:uuid:00000000-0000-4000-8000-0000aa000008"
        "supported outbound path gruu"
        "allow ACK CANCEL INVITE MESSAGE BYE OPTIONS INFO NOTIFY REFER"
        "11 lines, 0 bytes of "
    }
    "snom-invite" {
        "INVITE 1002@pbx.example;user=phone"
        "from «Fräulein \"Ada\" Müller; 1. Stock» 1001@pbx.example tag=u2kq7m1f0d"
        "to 1002@pbx.example;user=phone"
        "via TLS 192.0.2.24:51002 rport None z9hG4bK-aqx7r1wmgqxz"
        "contact 1001@192.0.2.24:51002;transport=tls;line=q1x8zkop reg-id=1 reg-id 1"
        "session-expires 3600"
        "supported timer 100rel replaces from-change"
        "allow INVITE ACK CANCEL BYE REFER OPTIONS NOTIFY SUBSCRIBE PRACK MESSAGE INFO UPDATE"
        "18 lines, 484 bytes of application/sdp"
    }
    "yealink-refer" {
        "REFER @10.9.8.7:5060"
        "from «Reception» 1001@pbx.example:5060 tag=77112233"
        "to 1002@pbx.example:5060 tag=yk44"
        "via UDP 192.0.2.21:5060 z9hG4bK1029384756"
        "contact 1001@192.0.2.21:5060"
        "refer-to 1003@pbx.example:5060?Replaces=0_998877%40192.0.2.21%3Bto-tag%3Dyk55%3Bfrom-tag%3D5566"
        "event refer"
        "12 lines, 0 bytes of "
    }
    "yealink-register" {
        "REGISTER @pbx.example:5060"
        "from «Reception» 1001@pbx.example:5060 tag=1870622501"
        "to «Reception» 1001@pbx.example:5060"
        "via UDP 192.0.2.21:5060 rport None z9hG4bK3149871022"
        "contact 1001@192.0.2.21:5060"
        "allow INVITE INFO PRACK ACK BYE CANCEL OPTIONS NOTIFY REGISTER SUBSCRIBE REFER PUBLISH UPDATE MESSAGE"
        "14 lines, 0 bytes of "
    }
    "zoiper-invite" {
        "INVITE 1002@pbx.example;transport=UDP"
        "from «1001» 1001@pbx.example;transport=UDP tag=7c91de2f"
        "to 1002@pbx.example"
        "via UDP 192.0.2.27:36221 rport None z9hG4bK-524287-1---9a1b2c3d4e5f6071"
        "contact 1001@192.0.2.27:36221;transport=UDP"
        "allow INVITE ACK CANCEL BYE NOTIFY REFER MESSAGE OPTIONS INFO SUBSCRIBE"
        "12 lines, 317 bytes of application/sdp"
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/field")
}

fn message(file: &str) -> Message {
    let bytes = std::fs::read(folder().join(format!("{file}.sip"))).expect("a readable file");
    Message::parse_datagram(Bytes::from(bytes)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `display user@host;params?headers fields`, each as it is understood and not as it is written.
fn address(address: &NameAddr) -> String {
    let display = address.display.as_ref().map(|display| format!("\u{ab}{}\u{bb} ", text(display))).unwrap_or_default();
    let uri = &address.uri;
    let user = uri.user().map(|user| text(&user)).unwrap_or_default();
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    let params: String = uri.params().map(|(name, value)| format!(";{}", pair(name, value))).collect();
    let headers: String = uri.headers().map(|(name, value)| format!("?{}", pair(name, value))).collect();
    let fields: String =
        address.params.iter().map(|(name, value)| format!(" {}", pair(&name, value.as_deref()))).collect();
    format!("{display}{user}@{}{port}{params}{headers}{fields}", uri.host())
}

fn pair(name: &[u8], value: Option<&[u8]>) -> String {
    value.map_or_else(|| text(name), |value| format!("{}={}", text(name), text(value)))
}

fn all<H: Header>(headers: &Headers, show: impl Fn(H) -> String) -> Vec<String> {
    headers.typed_all::<H>().map(|value| value.map_or_else(|error| format!("UNREADABLE {error}"), &show)).collect()
}

/// What is understood of a message.
fn reading(message: &Message) -> Vec<String> {
    let headers = message.headers();
    let mut lines = Vec::new();
    let (valid, from, to) = match message {
        Message::Request(request) => {
            lines.push(format!("{} {}", request.method(), address(&NameAddr::new(request.uri().clone()))));
            (request.validate(), request.from(), request.to())
        }
        Message::Response(response) => {
            lines.push(format!("{} {}", response.code(), text(response.reason())));
            (response.validate(), response.from(), response.to())
        }
    };
    assert_eq!(valid, Ok(()));
    lines.push(format!("from {}", address(&from.expect("a From"))));
    lines.push(format!("to {}", address(&to.expect("a To"))));
    let mut put =
        |name: &str, values: Vec<String>| lines.extend(values.into_iter().map(|value| format!("{name} {value}")));
    put(
        "via",
        all::<Via>(headers, |via| {
            let port = via.port.map(|port| format!(":{port}")).unwrap_or_default();
            let received = via.received().map(|ip| format!(" received {ip}")).unwrap_or_default();
            let rport = via.rport().map(|port| format!(" rport {port:?}")).unwrap_or_default();
            format!(
                "{} {}{port}{received}{rport} {}",
                text(&via.transport),
                via.host,
                text(&via.branch().unwrap_or_default())
            )
        }),
    );
    put(
        "contact",
        all::<ContactValue>(headers, |contact| {
            let more = [
                contact.expires().map(|expires| format!(" expires {expires}")),
                contact.reg_id().map(|id| format!(" reg-id {id}")),
                contact.instance().map(|instance| format!(" instance {}", text(&instance))),
            ];
            let shown = contact.address().map(address).unwrap_or_default();
            format!("{shown}{}", more.into_iter().flatten().collect::<String>())
        }),
    );
    put("route", all::<Route>(headers, |route| address(&route.0)));
    put("record-route", all::<RecordRoute>(headers, |route| address(&route.0)));
    put("asserted", all::<PAssertedIdentity>(headers, |identity| address(&identity.0)));
    put("diversion", all::<Diversion>(headers, |diversion| address(&diversion.0)));
    put("refer-to", all::<ReferTo>(headers, |target| address(&target.0)));
    put("event", all::<EventPackage>(headers, |event| text(&event.to_bytes())));
    put("subscription", all::<SubscriptionState>(headers, |state| text(&state.to_bytes())));
    put("session-expires", all::<SessionExpires>(headers, |expires| text(&expires.to_bytes())));
    put("rseq", all::<RSeq>(headers, |number| text(&number.to_bytes())));
    let tokens =
        |name: &Name| headers.tokens(name).map(|list| list.iter().map(|word| text(word)).collect::<Vec<_>>().join(" "));
    for name in [Supported::NAME, Allow::NAME, Name::Require] {
        let words = tokens(&name).expect("words");
        put(&name.to_string().to_lowercase(), (!words.is_empty()).then_some(words).into_iter().collect());
    }
    lines.push(format!(
        "{} lines, {} bytes of {}",
        headers.len(),
        message.body().len(),
        text(&headers.get(&Name::ContentType).unwrap_or_default())
    ));
    lines
}

#[test]
fn every_maker_is_understood() {
    let files = std::fs::read_dir(folder()).expect("the corpus is part of the crate");
    let paths = files.map(|file| file.expect("a readable entry").path());
    let messages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "sip"));
    let stems: BTreeSet<String> =
        messages.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    let rows: BTreeSet<String> = ROWS.iter().map(|row| row.file.to_owned()).collect();
    assert_eq!(stems, rows);
    for row in ROWS {
        assert_eq!(reading(&message(row.file)), row.reads, "{}", row.file);
    }
}

/// Lets everybody in.
struct Open;

impl Gate<()> for Open {
    fn admit(&mut self, _: Instant, _: &Flow, _: &Request, _: Scope) -> Admission<()> {
        Admission::Pass(())
    }
}

/// What begins something is heard of, what belongs to nothing gets 481 or silence, and nothing is refused as malformed.
#[test]
#[expect(clippy::disallowed_methods, reason = "a virtual clock needs one real instant to count from")]
fn every_maker_is_answered() {
    for row in ROWS {
        let now = Instant::now();
        let message = message(row.file);
        let in_dialog = |request: &Request| request.to().is_ok_and(|to| to.has_tag());
        let expected = match &message {
            Message::Request(request) if in_dialog(request) => (vec![481], 0),
            Message::Request(_) => (vec![], 1),
            Message::Response(_) => (vec![], 0),
        };
        for transport in Transport::ALL {
            let mut endpoint = Endpoint::new(EndpointConfig::new([9; 32], "YakYak"));
            let at = |text: &str| text.parse().expect("an address");
            let flow = Flow { transport, local: at("127.0.0.1:5060"), remote: at("127.0.0.10:5060") };
            endpoint.handle_message(now, flow, message.clone(), &mut Open);
            let mut codes = Vec::new();
            while let Some(transmit) = endpoint.poll_transmit() {
                let Ok(Message::Response(response)) = Message::parse_datagram(transmit.bytes) else {
                    panic!("{}", row.file)
                };
                assert_eq!(response.validate(), Ok(()), "{}", row.file);
                codes.extend((response.code() > 100).then_some(response.code()));
            }
            let mut events = 0;
            while let Some(event) = endpoint.poll_event() {
                events += 1;
                let id = match event {
                    Event::Invite { id, .. } | Event::Request { id, .. } => id,
                    other => panic!("{}: {other:?}", row.file),
                };
                endpoint.respond(now, id, Reply::new(480)).expect("it waits for an answer");
                let answer = endpoint.poll_transmit().expect("an answer");
                let Ok(Message::Response(answer)) = Message::parse_datagram(answer.bytes) else {
                    panic!("{}", row.file)
                };
                assert_eq!((answer.code(), answer.validate()), (480, Ok(())), "{}", row.file);
                let vias = |headers: &Headers| headers.values(&Name::Via).skip(1).collect::<Vec<_>>();
                assert_eq!(
                    vias(answer.headers()),
                    vias(message.headers()),
                    "{}: the way back is the way it came",
                    row.file
                );
            }
            assert_eq!((codes, events), expected, "{} over {transport}", row.file);
        }
    }
}
