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

/// The sender report, if it is one, and the blocks of a report.
fn read_report(bytes: &[u8]) -> (Option<(u32, u32)>, Vec<media::rtcp::Block>) {
    assert!(media::rtcp::is_compound(bytes));
    let (mut sender, mut blocks) = (None, Vec::new());
    media::rtcp::read(bytes, |report| match report {
        media::rtcp::Report::Sender { ssrc, compact_time } => sender = Some((ssrc, compact_time)),
        media::rtcp::Report::Block(block) => blocks.push(block),
    });
    (sender, blocks)
}

/// Phone A speaks alone with us for so many packets of 20 ms, of which every tenth is lost.
fn speak(bench: &mut Bench, packets: std::ops::Range<u16>) {
    for sequence in packets {
        if sequence % 10 != 5 {
            let _ = bench.audio(A, sequence);
        }
        let next = bench.now + FRAME;
        bench.run_until(next);
    }
}

#[test]
fn a_leg_that_ends_here_gets_reports_of_ours_every_few_seconds() {
    let mut bench = Bench::of(Plan { legs: vec![leg_plan(phone_a(), Codec::Pcmu, 101)] });
    bench.session.echo(bench.now, A);
    let start = bench.now;
    speak(&mut bench, 0..3_000);
    let times: Vec<Duration> = bench.reports.iter().map(|(at, _)| *at - start).collect();
    assert!((8..=24).contains(&times.len()), "{times:?}");
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.clone().all(|gap| gap >= Duration::from_millis(2_500) && gap <= Duration::from_millis(7_540)));
    assert!(gaps.max() > Some(Duration::from_millis(4_000)), "they do not come like clockwork");
    for (_, report) in &bench.reports {
        assert_eq!((report.leg, report.channel, report.to), (A, Channel::Rtcp, address("127.0.0.10:4001")));
        let (sender, blocks) = read_report(&report.bytes);
        assert!(sender.is_some(), "it hears itself from us");
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].ssrc, 0xaaaa);
        assert!((20..=32).contains(&blocks[0].fraction_lost), "a tenth of 256: {}", blocks[0].fraction_lost);
    }
    let (_, last) = read_report(&bench.reports.last().expect("a report").1.bytes);
    let (highest, lost) = (last[0].highest_sequence, last[0].lost);
    assert!(highest > 2_500 && (i64::from(lost) - i64::from(highest) / 10).abs() < 5, "{lost} of {highest}");
}

#[test]
fn the_round_trip_is_known_from_answers_to_reports_of_ours_and_theirs_are_answered() {
    let mut bench = Bench::of(Plan { legs: vec![leg_plan(phone_a(), Codec::Pcmu, 101)] });
    bench.session.echo(bench.now, A);
    speak(&mut bench, 0..500);
    let (sent_at, report) = bench.reports.last().cloned().expect("a report");
    let ((ssrc, compact), _) = {
        let (sender, blocks) = read_report(&report.bytes);
        (sender.expect("sender"), blocks)
    };
    // The phone held it for half a second, and it was under way for 80 ms.
    bench.now = bench.now.max(sent_at + Duration::from_millis(580));
    let held = u32::try_from((bench.now - sent_at - Duration::from_millis(80)).as_micros() * 65_536 / 1_000_000)
        .expect("short");
    let mut answer = vec![0x81, 200, 0, 12, 0, 0, 0xaa, 0xaa];
    answer.extend([0x11, 0x22, 0xab, 0xcd, 0xef, 0x01, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 160]);
    answer.extend(ssrc.to_be_bytes());
    answer.extend([0; 12]);
    answer.extend(compact.to_be_bytes());
    answer.extend(held.to_be_bytes());
    bench.on(A, Channel::Rtcp, address("127.0.0.10:4001"), &answer).expect_err("it ends here");
    let rtt_us = bench.session.stats()[0].rtt_us.expect("known");
    assert!((79_000..=81_000).contains(&rtt_us), "{rtt_us}");
    let answered_at = bench.now;
    bench.reports.clear();
    speak(&mut bench, 600..1_000);
    let (at, report) = bench.reports.first().cloned().expect("a report");
    let (_, blocks) = read_report(&report.bytes);
    assert_eq!(blocks[0].last_report, 0xabcd_ef01);
    let delay = f64::from(blocks[0].delay) / 65_536.0;
    assert!((delay - (at - answered_at).as_secs_f64()).abs() < 0.001, "{delay}");
}

#[test]
fn where_the_others_reports_are_passed_on_ours_rest() {
    let mut bench = Bench::up();
    for sequence in 0..1_500_u16 {
        bench.audio(A, sequence).expect("relayed");
        bench.audio(B, sequence).expect("relayed");
        if sequence % 100 == 50 {
            for (leg, from, ssrc) in
                [(A, "127.0.0.10:4001", [0, 0, 0xaa, 0xaa]), (B, "127.0.0.20:5001", [0, 0, 0xbb, 0xbb])]
            {
                let mut report = vec![0x80, 201, 0, 1];
                report.extend(ssrc);
                bench.on(leg, Channel::Rtcp, address(from), &report).expect("passed on");
            }
        }
        let next = bench.now + FRAME;
        bench.run_until(next);
    }
    assert_eq!(bench.reports, []);
    // Once both keep silent about it, we tell each how it is heard.
    for sequence in 1_500..2_500_u16 {
        bench.audio(A, sequence).expect("relayed");
        bench.audio(B, sequence).expect("relayed");
        let next = bench.now + FRAME;
        bench.run_until(next);
    }
    let legs: std::collections::BTreeSet<Leg> = bench.reports.iter().map(|(_, report)| report.leg).collect();
    assert_eq!(legs, [A, B].into());
}

#[test]
fn nothing_is_reported_of_a_leg_that_neither_speaks_nor_hears() {
    let mut bench = Bench::up();
    bench.audio(A, 1).expect("relayed");
    let (_, _) = bench.run_until(bench.now + Duration::from_secs(25));
    assert!(bench.reports.len() <= 2, "{:?}", bench.reports);
}
