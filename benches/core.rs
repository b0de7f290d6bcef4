//! What the pure parts cost, one step at a time, in memory.
//!
//! `cargo bench --bench core [-- NAME]`

use std::collections::HashMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use domain::{
    Action, DialplanEntry, DialplanId, DigestOffer, ExtensionId, Registration, RegistrationId, SipLogin, Tenant,
    TenantId, TenantSnapshot, TenantStatus,
};
use jiff::{Timestamp, ToSpan};
use sip::digest::{Algorithm, Challenge, ClientNonce, Credentials, Ha1, Login, NonceKey, respond, verify};
use sip::{
    Admission, Endpoint, EndpointConfig, Event, Flow, Gate, Message, Method, Reply, Request, RequestBuilder, Scope,
    Transport, Uri,
};
use switch::clock::WallClock;
use switch::registrar::{Registrar, RegistrarConfig};
use switch::routing::Routes;
use uuid::Uuid;

/// An INVITE as a desk phone sends it, with credentials and two audio codecs.
const INVITE_HEAD: &str = "INVITE sip:1002@pbx.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.168.1.20:5060;branch=z9hG4bK-524287-1---4bd5e8a1c0a3;rport\r\n\
    Max-Forwards: 70\r\n\
    Contact: <sip:1001@192.168.1.20:5060>\r\n\
    To: <sip:1002@pbx.example>\r\n\
    From: \"Alice\" <sip:1001@pbx.example>;tag=6f1c2a44\r\n\
    Call-ID: 84417NjYwZDQ4ZmM2YjE2ZjM0NGI5\r\n\
    CSeq: 2 INVITE\r\n\
    Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO\r\n\
    Content-Type: application/sdp\r\n\
    User-Agent: Deskphone 5.2.1\r\n\
    Authorization: Digest username=\"1001\",realm=\"pbx.example\",nonce=\"5f2c8e1d\",uri=\"sip:1002@pbx.example\",\
    response=\"0123456789abcdef0123456789abcdef\",qop=auth,nc=00000001,cnonce=\"0a4f113b\"\r\n";
const INVITE_BODY: &str = "v=0\r\no=- 1 1 IN IP4 192.168.1.20\r\ns=-\r\nc=IN IP4 192.168.1.20\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8 0 101\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n";

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    message(&mut criterion);
    digest(&mut criterion);
    transaction(&mut criterion);
    routing(&mut criterion);
    registrar(&mut criterion);
    criterion.final_summary();
}

fn parse(bytes: &Bytes) -> Request {
    match Message::parse_datagram(bytes.clone()) {
        Ok(Message::Request(request)) => request,
        _ => panic!("a request"),
    }
}

fn message(criterion: &mut Criterion) {
    let text = format!("{INVITE_HEAD}Content-Length: {}\r\n\r\n{INVITE_BODY}", INVITE_BODY.len());
    let bytes = Bytes::from(text);
    let request = parse(&bytes);
    request.validate().expect("a valid INVITE");
    let mut group = criterion.benchmark_group("message");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function(BenchmarkId::new("parse", bytes.len()), |b| b.iter(|| parse(black_box(&bytes))));
    group.bench_function("parse and validate", |b| b.iter(|| parse(black_box(&bytes)).validate()));
    group.bench_function("render", |b| {
        b.iter(|| {
            let mut builder = RequestBuilder::new(Method::Invite, request.uri());
            for (name, value) in request.headers().iter() {
                builder = builder.named(&name, value);
            }
            builder.body("application/sdp", request.body()).build()
        });
    });
    group.finish();
}

fn digest(criterion: &mut Criterion) {
    let ha1 = Ha1::new(b"1001", b"pbx.example", b"Sesame-open-9");
    let mut key = NonceKey::new([7; 32]);
    let nonce = key.issue(1_000, "pbx.example");
    let uri = Uri::sip(Some("1002"), "pbx.example", None);
    let mut group = criterion.benchmark_group("digest");
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let challenge = Challenge::new("pbx.example", nonce.clone(), algorithm);
        let login = Login { username: b"1001", ha1: &ha1 };
        let share = ClientNonce { cnonce: b"0a4f113b", nc: 1 };
        let right = respond(&challenge, &login, &Method::Invite, &uri, &share).expect("both hashes are known");
        assert!(verify(&right, &Method::Invite, &uri, &ha1));
        let mut value = BytesMut::new();
        right.render(&mut value);
        let value = value.freeze();
        group.bench_function(BenchmarkId::new("parse and verify", algorithm.as_str()), |b| {
            b.iter(|| {
                let credentials = Credentials::parse(black_box(&value)).expect("credentials");
                verify(&credentials, &Method::Invite, &uri, &ha1)
            });
        });
    }
    group.bench_function("nonce check", |b| b.iter(|| key.check(black_box(&nonce), "pbx.example", 2_000)));
    group.finish();
}

struct Open;

impl Gate<()> for Open {
    fn admit(&mut self, _: Instant, _: &Flow, _: &Request, _: Scope) -> Admission<()> {
        Admission::Pass(())
    }
}

fn options(number: u32) -> Message {
    let text = format!(
        "OPTIONS sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.10:5060;rport;branch=z9hG4bK{number:08}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:1001@pbx.example>;tag={number:08}\r\nTo: <sip:pbx.example>\r\n\
         Call-ID: {number:08}@127.0.0.10\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse_datagram(Bytes::from(text)).expect("a request")
}

fn transaction(criterion: &mut Criterion) {
    const OTHERS: u32 = 10_000;
    let now = Instant::now();
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let flow = Flow { transport: Transport::Udp, local: address("127.0.0.1:5060"), remote: address("127.0.0.10:5060") };
    let mut endpoint = Endpoint::new(EndpointConfig::new([7; 32], "YakYak"));
    let ask = |endpoint: &mut Endpoint<()>, message: Message| {
        endpoint.handle_message(now, flow, message, &mut Open);
        if let Some(Event::Request { id, .. }) = endpoint.poll_event() {
            endpoint.respond(now, id, Reply::new(200)).expect("the first answer");
        }
        endpoint.poll_transmit().expect("an answer")
    };
    for number in 0..OTHERS {
        ask(&mut endpoint, options(number));
    }
    assert_eq!(endpoint.counts().server_transactions, 10_000);
    let mut group = criterion.benchmark_group("endpoint");
    group.bench_function("a copy of an OPTIONS among 10,000 transactions", |b| {
        b.iter_batched(|| options(OTHERS / 2), |message| ask(&mut endpoint, message), BatchSize::SmallInput);
    });
    assert_eq!(endpoint.counts().server_transactions, 10_000);
    let mut number = OTHERS;
    group.bench_function("a new OPTIONS and its answer", |b| {
        let next = || {
            number += 1;
            options(number)
        };
        let mut fresh =
            Endpoint::new(EndpointConfig { max_transactions: usize::MAX, ..EndpointConfig::new([7; 32], "") });
        b.iter_batched(next, |message| ask(&mut fresh, message), BatchSize::SmallInput);
    });
    group.finish();
}

fn snapshot(rows: u32) -> Arc<TenantSnapshot> {
    let row = |index: u32| DialplanEntry {
        id: DialplanId(Uuid::from_u128(u128::from(index))),
        context: "default".to_owned(),
        // Half are numbers, half are patterns.
        exten: if index.is_multiple_of(2) { format!("9{index:06}") } else { format!("_8{index:06}XXX") },
        priority: 1,
        action: Action::Dial(Some("1001".to_owned())),
    };
    Arc::new(TenantSnapshot {
        tenant: Tenant {
            id: TenantId(Uuid::from_u128(1)),
            name: "Alpha".to_owned(),
            slug: "alpha".to_owned(),
            realm: "alpha.test".to_owned(),
            domain: "alpha.test".to_owned(),
            domains: Vec::new(),
            is_default: true,
            status: TenantStatus::Active,
            sip_login: SipLogin::Number,
            digest_algorithms: DigestOffer::Md5,
            timezone: "UTC".to_owned(),
            locale: "en".to_owned(),
            max_concurrent_calls: 10,
            ring_timeout_s: 20,
            emergency_numbers: vec!["112".to_owned()],
        },
        revision: 1,
        credentials: HashMap::new(),
        extensions: HashMap::new(),
        dialplan: (0..rows).map(row).collect(),
    })
}

fn routing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("routing");
    for rows in [10_u32, 1_000, 10_000] {
        let routes = Routes::compile(snapshot(rows));
        let (exact, pattern) = (format!("9{:06}", rows - 2), format!("8{:06}123", rows - 1));
        for (kind, number) in [("exact", exact), ("pattern", pattern)] {
            assert!(matches!(routes.route("default", &number), switch::routing::Route::Actions(_)), "{number}");
            group.bench_function(BenchmarkId::new(kind, rows), |b| {
                b.iter(|| routes.route("default", black_box(&number)));
            });
        }
    }
    group.finish();
}

fn registration(index: u32, now: Timestamp) -> Registration {
    let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(0x7f01_0000 + index)), 5060);
    Registration {
        id: RegistrationId(Uuid::from_u128(u128::from(index) + 1)),
        tenant_id: TenantId(Uuid::from_u128(1)),
        extension_id: ExtensionId(Uuid::from_u128(u128::from(index) + 1)),
        extension: format!("{index:05}"),
        device_id: None,
        contact: format!("sip:{index:05}@{remote}"),
        instance: None,
        reg_id: None,
        q: 1_000,
        call_id: format!("{index}"),
        cseq: 1,
        transport: "udp".to_owned(),
        local: "127.0.0.1:5060".parse().expect("an address"),
        remote,
        user_agent: None,
        path: Vec::new(),
        registered_at: now,
        expires_at: now + 1.hour(),
    }
}

fn registrar(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("registrar");
    for bindings in [1_000_u32, 10_000, 100_000] {
        let (now, timestamp) = (Instant::now(), Timestamp::now());
        let clock = WallClock::new(now, timestamp);
        let config = RegistrarConfig {
            default_expires: 3_600,
            min_expires: 60,
            max_expires: 7_200,
            max_bindings: 10,
            seed: [7; 32],
        };
        let mut registrar = Registrar::new(config);
        registrar.restore(now, &clock, (0..bindings).map(|index| registration(index, timestamp)).collect());
        assert_eq!(registrar.len(), bindings as usize);
        let tenant = TenantId(Uuid::from_u128(1));
        let number = format!("{:05}", bindings / 2);
        group.bench_function(BenchmarkId::new("bindings of one extension among", bindings), |b| {
            b.iter(|| registrar.bindings(now, tenant, black_box(&number)).count());
        });
    }
    group.finish();
}
