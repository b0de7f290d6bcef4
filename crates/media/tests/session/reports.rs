//! RTCP: passed on under our names, read on the way.

use media::{DropReason, rtcp};

use super::*;

fn rtcp_a() -> SocketAddr {
    address("127.0.0.10:4001")
}

fn rtcp_b() -> SocketAddr {
    address("127.0.0.20:5001")
}

fn words(kind: u8, count: u8, words: &[u32]) -> Vec<u8> {
    let [high, low] = (words.len() as u16).to_be_bytes();
    let mut bytes = vec![0x80 | count, kind, high, low];
    bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    bytes
}

fn word(bytes: &[u8], index: usize) -> u32 {
    let at = index * 4;
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn sender_report(ssrc: u32, timestamp: u32) -> Vec<u8> {
    words(200, 0, &[ssrc, 0x0000_1234, 0x5678_0000, timestamp, 10, 1_600])
}

fn receiver_report(ssrc: u32, about: u32, highest: u32, last_report: u32, delay: u32) -> Vec<u8> {
    words(201, 1, &[ssrc, about, 0x4000_0005, highest, 80, last_report, delay])
}

fn description(ssrc: u32) -> Vec<u8> {
    words(202, 1, &[ssrc, 0x0103_6162, 0x6300_0000])
}

#[test]
fn a_sender_report_speaks_of_our_stream() {
    let mut bench = Bench::up();
    let media = bench.audio(A, 100).expect("relayed").header();
    let compound = [sender_report(0xaaaa, 16_160), description(0xaaaa), words(203, 1, &[0xaaaa])].concat();
    let sent = bench.on(A, Channel::Rtcp, rtcp_a(), &compound).expect("passed on");
    assert_eq!((sent.leg, sent.channel, sent.to), (B, Channel::Rtcp, rtcp_b()));
    assert_eq!(sent.bytes.len(), compound.len() - 8, "our source does not say goodbye");
    assert_eq!(word(&sent.bytes, 1), media.ssrc);
    assert_eq!((word(&sent.bytes, 2), word(&sent.bytes, 3)), (0x1234, 0x5678_0000), "the sender's clock stays");
    assert_eq!(word(&sent.bytes, 4), media.timestamp.wrapping_add(160));
    assert_eq!(word(&sent.bytes, 8), media.ssrc, "in the source description too");
    let stats = bench.session.stats();
    assert_eq!((stats[0].rtcp_in, stats[0].rtcp_out, stats[1].rtcp_out), (1, 0, 1));
}

#[test]
fn a_receiver_report_speaks_of_the_other_phones_stream() {
    let mut bench = Bench::up();
    let towards_a = bench.audio(B, 500).expect("relayed").header();
    let towards_b = bench.audio(A, 1).expect("relayed").header();
    let highest = u32::from(towards_a.sequence);
    let report = receiver_report(0xaaaa, towards_a.ssrc, highest, 0, 0);
    let sent = bench.on(A, Channel::Rtcp, rtcp_a(), &report).expect("passed on");
    assert_eq!(word(&sent.bytes, 1), towards_b.ssrc);
    assert_eq!((word(&sent.bytes, 2), word(&sent.bytes, 4)), (0xbbbb, 500));
    let a = &bench.session.stats()[0];
    let reported = a.reported.expect("a report");
    assert_eq!((reported.fraction_lost, reported.lost, reported.jitter_us), (0x40, 5, 10_000));
    assert_eq!((a.sent.lost, a.sent.jitter_us), (5, 10_000));
}

#[test]
fn the_round_trip_is_measured() {
    let mut bench = Bench::up();
    bench.audio(B, 1).expect("relayed");
    let sent = bench.on(B, Channel::Rtcp, rtcp_b(), &sender_report(0xbbbb, 160)).expect("passed on");
    let ours = word(&sent.bytes, 1);
    bench.pass(Duration::from_millis(300));
    // Held for a quarter of a second.
    let report = receiver_report(0xaaaa, ours, 1, 0x1234_5678, 0x4000);
    bench.on(A, Channel::Rtcp, rtcp_a(), &report).expect("passed on");
    assert_eq!(bench.session.stats()[0].rtt_us, Some(50_000));
    // Nonsense (held longer than it was away) changes nothing.
    let report = receiver_report(0xaaaa, ours, 1, 0x1234_5678, 0xffff_ffff);
    bench.on(A, Channel::Rtcp, rtcp_a(), &report).expect("passed on");
    assert_eq!(bench.session.stats()[0].rtt_us, Some(50_000));
}

#[test]
fn a_report_about_audio_that_was_not_passed_on_stays_here() {
    let mut bench = Bench::up();
    let verdict = bench.on(A, Channel::Rtcp, rtcp_a(), &sender_report(0xaaaa, 1));
    assert_eq!(verdict, Err(Verdict::Consume));
    let compound = [sender_report(0xaaaa, 1), description(0xaaaa)].concat();
    let verdict = bench.on(A, Channel::Rtcp, rtcp_a(), &compound);
    assert_eq!(verdict, Err(Verdict::Consume), "a description alone is no compound");
    bench.session.echo(bench.now, A);
    bench.audio(A, 1).expect("echoed");
    let verdict = bench.on(A, Channel::Rtcp, rtcp_a(), &sender_report(0xaaaa, 1));
    assert_eq!(verdict, Err(Verdict::Consume));
}

#[test]
fn what_is_no_compound_report_is_dropped() {
    let mut bench = Bench::up();
    let report = sender_report(1, 1);
    let mut short = report.clone();
    short.truncate(27);
    let mut lying = receiver_report(1, 2, 3, 4, 5);
    lying[0] = 0x9f;
    let many: Vec<u8> = (0..17).flat_map(|_| words(201, 0, &[1])).collect();
    for bad in [&[][..], &short, &lying, &many, &description(1), &words(199, 0, &[1]), &[0; 8]] {
        let verdict = bench.on(A, Channel::Rtcp, rtcp_a(), bad);
        assert_eq!(verdict, Err(Verdict::Drop(DropReason::Malformed)), "{bad:?}");
    }
    assert_eq!(bench.session.stats()[0].rtcp_in, 0);
}

#[test]
fn the_same_source_rules_hold() {
    let mut bench = Bench::up();
    let report = words(201, 0, &[1]);
    bench.on(A, Channel::Rtcp, rtcp_a(), &report).expect("passed on");
    let other = address("127.0.0.10:9999");
    let stranger = address("127.0.0.66:4001");
    assert_eq!(bench.on(A, Channel::Rtcp, stranger, &report), Err(Verdict::Drop(DropReason::Stranger)));
    assert_eq!(bench.on(A, Channel::Rtcp, other, &report), Err(Verdict::Drop(DropReason::OtherSource)));
    bench.pass(Duration::from_secs(2));
    bench.on(A, Channel::Rtcp, other, &report).expect("passed on");
    assert_eq!(bench.on(B, Channel::Rtcp, rtcp_b(), &report).expect("passed on").to, other);
}

#[test]
fn blocks_are_read() {
    let mut blocks = Vec::new();
    let compound = [receiver_report(9, 8, 7, 6, 5), sender_report(4, 3)].concat();
    rtcp::read(&compound, |report| blocks.push(report));
    let block = rtcp::Block {
        ssrc: 8,
        fraction_lost: 0x40,
        lost: 5,
        highest_sequence: 7,
        jitter: 80,
        last_report: 6,
        delay: 5,
    };
    let expected = [rtcp::Report::Block(block), rtcp::Report::Sender { ssrc: 4, compact_time: 0x1234_5678 }];
    assert_eq!(blocks, expected);
}
