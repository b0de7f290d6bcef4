//! A relayed packet costs no allocation, and a decoded one none. Counted for each thread, since the test harness allocates in its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::codec::{Decoder, Encoder, OpusParameters};
use media::rtp::{HEADER, Rewrite};
use media::srtp::{MasterKey, Sealer, Suite};
use media::{Accept, Carries, Channel, Codec, Leg, LegPlan, Plan, Samples, Security, Session, SessionId, Verdict};

struct Counting;

thread_local! {
    /// Constant at first and never dropped: touching it allocates nothing.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn allocations() -> u64 {
    ALLOCATIONS.get()
}

#[expect(unsafe_code, reason = "an allocator cannot be written without; it only counts and passes on")]
// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as promised by our caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by our caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, last], port))
}

fn leg(remote: SocketAddr, codec: Codec, payload_type: u8) -> LegPlan {
    LegPlan {
        remote_rtp: Some(remote),
        remote_rtcp: Some(SocketAddr::new(remote.ip(), remote.port() + 1)),
        send: true,
        receive: true,
        codec,
        codec_name: "",
        clock_hz: 8_000,
        payload_type,
        accepts: vec![
            Accept { payload_type, carries: Carries::Audio(codec) },
            Accept { payload_type: 101, carries: Carries::Event { clock_hz: 8_000 } },
        ],
        dtmf: Some(101),
        dtmf_clock_hz: 8_000,
        tones: true,
        fmtp: None,
        ptime_ms: 20,
        sources: vec![remote.ip()],
        security: Security::Plain,
        ice: None,
        mux: false,
    }
}

fn packet(buffer: &mut [u8; 200], payload_type: u8, sequence: u16) -> usize {
    let (header, payload) = buffer.split_first_chunk_mut::<HEADER>().expect("room");
    payload[..4].copy_from_slice(&[5, 0x80, 0, 160]);
    let timestamp = u32::from(sequence) * 160;
    Rewrite { payload_type, sequence, timestamp, ssrc: 7 }.create(header, false);
    172
}

/// A sender report with a block, as phones send every few seconds.
fn report(buffer: &mut [u8; 200]) -> usize {
    buffer[..52].fill(1);
    buffer[..4].copy_from_slice(&[0x81, 200, 0, 12]);
    buffer[4..8].copy_from_slice(&7u32.to_be_bytes());
    52
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test needs one first moment")]
fn packets_are_relayed_played_and_dropped_without_allocation() {
    let start = Instant::now();
    let (a, b) = (address(10, 4_000), address(20, 5_000));
    let mut session = Session::new(SessionId(1), 2, 1, Duration::from_secs(30));
    session.apply(start, Plan { legs: vec![leg(a, Codec::Pcmu, 0), leg(b, Codec::Pcma, 8)] });
    let mut buffer = [0; 200];
    let mut forwarded = 0;

    let before = allocations();
    drop(std::hint::black_box(Box::new(before)));
    assert_eq!(allocations(), before + 1, "the counter counts");
    let before = allocations();
    for sequence in 0..1_000u16 {
        let now = start + Duration::from_millis(20) * u32::from(sequence);
        for (own, from, payload_type) in [(Leg::CALLER, a, 0), (Leg::CALLEE, b, 8)] {
            let event = sequence % 50 == 0;
            let len = packet(&mut buffer, if event { 101 } else { payload_type }, sequence);
            let verdict = session.receive(now, own, Channel::Rtp, from, &mut buffer, len);
            forwarded += u32::from(matches!(verdict, Verdict::Forward { .. }));
            session.receive(now, own, Channel::Rtp, address(66, 1), &mut buffer, len);
            let len = report(&mut buffer);
            let reporter = SocketAddr::new(from.ip(), from.port() + 1);
            session.receive(now, own, Channel::Rtcp, reporter, &mut buffer, len);
        }
        session.handle_timeout(now);
        while session.poll_fact().is_some() {}
        assert!(session.poll_timeout().is_some());
    }
    assert_eq!(allocations() - before, 0, "relaying");
    assert_eq!(forwarded, 2_000);

    // Encrypted on one side, in clear on the other.
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm, Suite::AeadAes256Gcm] {
        let key = |byte| MasterKey::from_bytes(suite, &vec![byte; suite.key_len() + suite.salt_len()]).expect("a key");
        let mut session = Session::new(SessionId(2), 2, 1, Duration::from_secs(30));
        let mut legs = vec![leg(a, Codec::Pcmu, 0), leg(b, Codec::Pcmu, 0)];
        legs[0].security = Security::Sdes { send: key(1), receive: key(2) };
        session.apply(start, Plan { legs });
        let mut phone = Sealer::new(&key(2));
        let mut forwarded = 0;
        let mut turn = |sequence: u16| {
            let now = start + Duration::from_millis(20) * u32::from(sequence);
            let len = packet(&mut buffer, 0, sequence);
            let len = phone.seal_rtp(&mut buffer, len).expect("sealed");
            let verdict = session.receive(now, Leg::CALLER, Channel::Rtp, a, &mut buffer, len);
            forwarded += u32::from(matches!(verdict, Verdict::Forward { .. }));
            let len = packet(&mut buffer, 0, sequence);
            let verdict = session.receive(now, Leg::CALLEE, Channel::Rtp, b, &mut buffer, len);
            forwarded += u32::from(matches!(verdict, Verdict::Forward { .. }));
            while session.poll_fact().is_some() {}
        };
        // The first packet of a source finds its place.
        turn(0);
        let before = allocations();
        (1..1_000).for_each(&mut turn);
        assert_eq!(allocations() - before, 0, "relaying {suite:?}");
        assert_eq!(forwarded, 2_000);
    }

    let now = start + Duration::from_secs(60);
    session.play(now, Leg::CALLER, Samples::tone(440, 1_000));
    // With the first packet comes the encoder.
    session.handle_timeout(now);
    let mut played = u32::from(session.poll_packet(&mut buffer).is_some());
    let before = allocations();
    for step in 1..60u32 {
        session.handle_timeout(now + Duration::from_millis(20) * step);
        while session.poll_packet(&mut buffer).is_some() {
            played += 1;
        }
        while session.poll_fact().is_some() {}
    }
    assert_eq!(allocations() - before, 0, "playing");
    assert_eq!(played, 50);
}

#[test]
fn frames_are_decoded_without_allocation() {
    let mut payload = [0; 1_500];
    let mut encoder = Encoder::opus(OpusParameters::default()).expect("encodes");
    let samples: Vec<i16> = (0..960_i16).map(|n| n % 120 * 100).collect();
    encoder.encode(&samples, &mut payload).expect("a frame");
    let length = encoder.encode(&samples, &mut payload).expect("a frame");
    let (mut wide, mut opus) = (Decoder::g722(), Decoder::opus().expect("decodes"));
    let (mut narrow, mut out) = (Encoder::g722(), Vec::with_capacity(5_760));
    // The first frame makes room.
    opus.decode(&payload[..length], &mut out).expect("decodable");

    let before = allocations();
    for _ in 0..100 {
        out.clear();
        opus.decode(&payload[..length], &mut out).expect("decodable");
        out.clear();
        let mut bytes = [0; 160];
        assert_eq!(narrow.encode(&samples[..320], &mut bytes), Some(160));
        wide.decode(&bytes, &mut out).expect("decodable");
    }
    assert_eq!(allocations(), before);
}
