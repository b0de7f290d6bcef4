//! Encrypted legs: what is heard, and what floods, replays, strangers and wrong certificates do.

use std::sync::Arc;

use media::DropReason;
use media::dtls::{Association, Event, Fingerprint, Identity, Role};
use media::srtp::{MasterKey, Opener, Sealer, Suite};

use super::*;

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes(Suite::AesCm128HmacSha1_80, &[byte; 30]).expect("a key")
}

fn keyed(send: u8, receive: u8) -> Security {
    Security::Sdes { send: key(send), receive: key(receive) }
}

/// What phone A's side does with its keys.
struct Phone {
    seal: Sealer,
    open: Opener,
}

impl Phone {
    fn new() -> Phone {
        Phone { seal: Sealer::new(&key(2)), open: Opener::new(&key(1)) }
    }

    fn speaks(&mut self, sequence: u16) -> Vec<u8> {
        let mut bytes = packet(0, sequence, u32::from(sequence) * 160, 0xaaaa, &[0x33; 160]);
        let len = bytes.len();
        bytes.resize(len + 20, 0);
        let len = self.seal.seal_rtp(&mut bytes, len).expect("sealed");
        bytes.truncate(len);
        bytes
    }

    fn reads(&mut self, sent: &Sent) -> Vec<u8> {
        let mut bytes = sent.bytes.clone();
        let len = bytes.len();
        let len = self.open.open_rtp(&mut bytes, len).expect("ours are authentic");
        bytes.truncate(len);
        bytes
    }
}

/// A call in which A is encrypted and B is not.
fn half_encrypted() -> (Bench, Phone) {
    let mut plan = plan(Codec::Pcmu, Codec::Pcmu);
    plan.legs[0].security = keyed(1, 2);
    (Bench::of(plan), Phone::new())
}

#[test]
fn an_encrypted_leg_and_one_in_clear_hear_each_other() {
    let (mut bench, mut phone) = half_encrypted();
    for sequence in [65_533, 65_534, 65_535, 0, 1, 2] {
        let sent = bench.rtp(A, phone_a(), &phone.speaks(sequence)).expect("relayed");
        assert_eq!((sent.leg, sent.to, sent.payload()), (B, phone_b(), &[0x33; 160][..]));
        let sent = bench.audio(B, sequence).expect("relayed");
        assert_eq!(sent.bytes.len(), HEADER + 160 + 10);
        assert_ne!(&sent.bytes[HEADER..HEADER + 160], &[0x11; 160]);
        assert_eq!(&phone.reads(&sent)[HEADER..], &[0x11; 160]);
    }
    assert_eq!(bench.session.stats()[0].received.packets, 6);
}

#[test]
fn translated_audio_and_echo_are_encrypted_too() {
    let mut plan = plan(Codec::Pcmu, Codec::Pcma);
    plan.legs[0].security = keyed(1, 2);
    let (mut bench, mut phone) = (Bench::of(plan), Phone::new());
    let sent = bench.rtp(A, phone_a(), &phone.speaks(1)).expect("relayed");
    assert_eq!(sent.payload(), [media::g711::encode_pcma(media::g711::decode_pcmu(0x33)); 160]);
    bench.session.echo(bench.now, A);
    let sent = bench.rtp(A, phone_a(), &phone.speaks(2)).expect("comes back");
    assert_eq!(sent.leg, A);
    assert_eq!(&phone.reads(&sent)[HEADER..], &[0x33; 160]);
    bench.session.play(bench.now, A, media::Samples::tone(1_000, 100));
    let (made, _) = bench.run_until(bench.now + FRAME);
    assert!(!made.is_empty());
    for (_, sent) in &made {
        assert_eq!(phone.reads(sent).len(), HEADER + 160);
    }
}

#[test]
fn a_flood_of_forgeries_and_replays_changes_nothing() {
    let (mut bench, mut phone) = half_encrypted();
    bench.rtp(A, phone_a(), &phone.speaks(100)).expect("relayed");
    let good = phone.speaks(101);
    for n in 0..2_000_u16 {
        let mut forged = good.clone();
        forged[2..4].copy_from_slice(&n.wrapping_mul(37).to_be_bytes());
        let other_port = address("127.0.0.10:4444");
        // What is numbered too far back for the key is as good as seen.
        let verdict = bench.rtp(A, other_port, &forged);
        assert!(matches!(verdict, Err(Verdict::Drop(DropReason::Forged | DropReason::Replayed))), "{verdict:?}");
    }
    assert_eq!(bench.audio(B, 1).expect("relayed").to, phone_a(), "the address stays");
    assert!(bench.rtp(A, phone_a(), &good).is_ok(), "the real one is still heard");
    assert_eq!(bench.rtp(A, phone_a(), &good), Err(Verdict::Drop(DropReason::Replayed)));
    let clear = packet(0, 102, 0, 0xaaaa, &[0x33; 160]);
    assert_eq!(bench.rtp(A, phone_a(), &clear), Err(Verdict::Drop(DropReason::Forged)), "nothing in clear");
    assert_eq!(bench.rtp(A, address("127.0.0.66:4000"), &phone.speaks(103)), Err(Verdict::Drop(DropReason::Stranger)));
    let stats = &bench.session.stats()[0];
    assert_eq!((stats.received.packets, stats.dropped_strangers, stats.dropped), (2, 1, 2_002));
}

#[test]
fn who_proves_to_be_the_peer_moves_at_once() {
    let (mut bench, mut phone) = half_encrypted();
    bench.rtp(A, phone_a(), &phone.speaks(1)).expect("relayed");
    let moved = address("127.0.0.10:4444");
    bench.rtp(A, moved, &phone.speaks(2)).expect("no two seconds have to pass");
    assert_eq!(bench.audio(B, 1).expect("relayed").to, moved);
}

#[test]
fn a_plan_that_says_the_same_keeps_the_counters_and_another_key_begins_anew() {
    let (mut bench, mut phone) = half_encrypted();
    let mut same = plan(Codec::Pcmu, Codec::Pcmu);
    same.legs[0].security = keyed(1, 2);
    let first = phone.speaks(1);
    bench.rtp(A, phone_a(), &first).expect("relayed");
    bench.apply(same.clone());
    assert_eq!(bench.rtp(A, phone_a(), &first), Err(Verdict::Drop(DropReason::Replayed)));
    same.legs[0].security = keyed(1, 9);
    bench.apply(same);
    assert_eq!(bench.rtp(A, phone_a(), &phone.speaks(2)), Err(Verdict::Drop(DropReason::Forged)));
    phone.seal = Sealer::new(&key(9));
    bench.rtp(A, phone_a(), &phone.speaks(3)).expect("relayed");
}

#[test]
fn reports_are_encrypted_as_well() {
    let (mut bench, mut phone) = half_encrypted();
    bench.rtp(A, phone_a(), &phone.speaks(1)).expect("relayed");
    bench.audio(B, 1).expect("relayed");
    let mut report = vec![0x80, 200, 0, 6];
    report.extend(0xaaaa_u32.to_be_bytes());
    report.extend([0; 20]);
    let clear = report.clone();
    let reporter = address("127.0.0.10:4001");
    assert_eq!(bench.on(A, Channel::Rtcp, reporter, &clear), Err(Verdict::Drop(DropReason::Forged)));
    report.resize(clear.len() + 20, 0);
    let len = phone.seal.seal_rtcp(&mut report, clear.len()).expect("sealed");
    let sent = bench.on(A, Channel::Rtcp, reporter, &report[..len]).expect("relayed");
    assert_eq!((sent.leg, sent.bytes.len(), sent.bytes[1]), (B, clear.len(), 200));
    let mut from_b = clear.clone();
    from_b[4..8].copy_from_slice(&0xbbbb_u32.to_be_bytes());
    let sent = bench.on(B, Channel::Rtcp, address("127.0.0.20:5001"), &from_b).expect("relayed");
    assert_eq!(sent.bytes.len(), clear.len() + 14);
    let (mut bytes, len) = (sent.bytes.clone(), sent.bytes.len());
    assert_eq!(phone.open.open_rtcp(&mut bytes, len), Ok(clear.len()));
}

fn identity() -> Arc<Identity> {
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(Vec::new()).expect("no names").self_signed(&key).expect("signed");
    Arc::new(Identity::new(certificate.der().to_vec(), key.serialize_der()).expect("usable"))
}

/// A call whose leg A waits for a handshake with somebody of this fingerprint; we have the role.
fn handshaking(role: Role, theirs: &Fingerprint) -> (Bench, Arc<Identity>) {
    let ours = identity();
    let mut plan = plan(Codec::Pcmu, Codec::Pcmu);
    plan.legs[0].security = Security::Dtls { role, fingerprint: theirs.clone() };
    plan.legs[0].mux = true;
    let mut bench = Bench::with(2);
    let session = std::mem::replace(&mut bench.session, Session::new(SessionId(7), 2, 42, SILENCE));
    bench.session = session.with_identity(Some(Arc::clone(&ours)));
    bench.apply(plan);
    (bench, ours)
}

/// Lets the phone and the session shake hands; what the phone ends up with.
fn shake(bench: &mut Bench, phone: &mut Association) -> Option<Event> {
    let mut room = [0; 2_000];
    for _ in 0..200 {
        let mut quiet = true;
        while let Some(len) = phone.poll_datagram(&mut room) {
            quiet = false;
            let handled = bench.rtp(A, phone_a(), &room[..len]);
            assert_eq!(handled, Err(Verdict::Consume));
        }
        while let Some(out) = bench.session.poll_packet(&mut room) {
            quiet = false;
            assert_eq!((out.leg, out.to), (A, phone_a()));
            phone.receive(bench.now, &room[..out.len]);
        }
        if let Some(event) = phone.poll_event() {
            // The last flight may be ours to send.
            while let Some(len) = phone.poll_datagram(&mut room) {
                let _ = bench.rtp(A, phone_a(), &room[..len]);
            }
            return Some(event);
        }
        if quiet {
            bench.pass(Duration::from_millis(100));
            phone.handle_timeout(bench.now);
            bench.session.handle_timeout(bench.now);
        }
    }
    None
}

#[test]
fn a_handshake_in_either_role_brings_keys_for_audio_and_reports() {
    for (ours, theirs) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
        let phone_identity = identity();
        let (mut bench, our_identity) = handshaking(ours, phone_identity.fingerprint());
        assert!(bench.audio(B, 1).is_err(), "nothing passes before");
        let mut phone = Association::new(bench.now, &phone_identity, theirs, our_identity.fingerprint().clone());
        // A stranger's hello does not come between.
        let hello = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
        let stranger = bench.rtp(A, address("127.0.0.66:4000"), &hello);
        assert_eq!(stranger, Err(Verdict::Drop(DropReason::Stranger)));
        let Some(Event::Connected { send, receive }) = shake(&mut bench, &mut phone) else { panic!("no keys") };
        let mut phone = Phone { seal: Sealer::new(&send), open: Opener::new(&receive) };
        let sent = bench.rtp(A, phone_a(), &phone.speaks(5)).expect("relayed");
        assert_eq!(sent.payload(), [0x33; 160]);
        let sent = bench.audio(B, 2).expect("relayed");
        assert_eq!(&phone.reads(&sent)[HEADER..], &[0x11; 160]);
        // Reports share the port.
        let mut report = vec![0x80, 200, 0, 6, 0, 0, 0xaa, 0xaa];
        report.extend([0; 40]);
        let len = phone.seal.seal_rtcp(&mut report, 28).expect("sealed");
        let sent = bench.rtp(A, phone_a(), &report[..len]).expect("relayed");
        assert_eq!((sent.leg, sent.channel), (B, Channel::Rtcp));
        assert!(bench.facts().iter().all(|fact| !matches!(fact, Fact::Unprotected { .. })));
    }
}

#[test]
fn a_wrong_certificate_is_told_and_nothing_passes() {
    for (ours, theirs) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
        let (phone_identity, announced) = (identity(), identity());
        let (mut bench, our_identity) = handshaking(ours, announced.fingerprint());
        let mut phone = Association::new(bench.now, &phone_identity, theirs, our_identity.fingerprint().clone());
        shake(&mut bench, &mut phone);
        let facts = bench.facts();
        let told = facts.iter().filter(|fact| matches!(fact, Fact::Unprotected { leg: A, .. })).count();
        assert_eq!(told, 1, "{facts:?}");
        assert_eq!(bench.audio(B, 1), Err(Verdict::Drop(DropReason::NoKeys)));
    }
}

#[test]
fn without_a_certificate_of_our_own_a_handshake_is_refused_at_once() {
    let mut plan = plan(Codec::Pcmu, Codec::Pcmu);
    plan.legs[0].security = Security::Dtls { role: Role::Server, fingerprint: Fingerprint::of(b"theirs") };
    let mut bench = Bench::of(plan);
    assert!(matches!(bench.facts()[..], [Fact::Unprotected { leg: A, .. }]));
}
