use crate::Clock;

use super::*;

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 5060))
}

fn number(n: u32) -> Bytes {
    Bytes::copy_from_slice(&n.to_be_bytes())
}

/// Sends `count` numbered datagrams, one every `gap`, and returns what arrives with the microsecond of arrival.
fn stream(network: &mut Network, count: u32, gap: Duration) -> Vec<(u128, u32)> {
    let mut clock = Clock::new();
    let mut heard = Vec::new();
    let sending = (0..count).map(|n| (clock.start() + gap * n, n)).collect::<Vec<_>>();
    let mut sending = sending.into_iter().peekable();
    while clock.advance_to_first([sending.peek().map(|(at, _)| *at), network.poll_timeout()]) {
        while let Some((_, n)) = sending.next_if(|(at, _)| *at <= clock.now()) {
            network.send(clock.now(), address(1), address(2), number(n));
        }
        while let Some(datagram) = network.poll_datagram(clock.now()) {
            assert_eq!((datagram.from, datagram.to), (address(1), address(2)));
            let n = u32::from_be_bytes(datagram.bytes.as_ref().try_into().expect("four bytes"));
            heard.push((clock.elapsed().as_micros(), n));
        }
    }
    assert_eq!(network.in_flight(), 0);
    assert!(network.latest.is_empty(), "no memory of pairs that are silent");
    heard
}

const RTP: Duration = Duration::from_millis(20);

#[test]
fn calm_weather_delivers_everything_at_once_and_in_order() {
    let mut network = Network::new(1, Weather::CALM);
    let heard = stream(&mut network, 100, RTP);
    assert_eq!(heard, (0..100).map(|n| (u128::from(n) * 20_000, n)).collect::<Vec<_>>());
    assert_eq!(network.counters(), Counters { sent: 100, delivered: 100, ..Counters::default() });
}

#[test]
fn one_seed_one_history() {
    let run = |seed| stream(&mut Network::new(seed, Weather::STORM), 1_000, RTP);
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn loss_duplication_and_reordering_are_as_frequent_as_announced() {
    let mut network = Network::new(3, Weather::STORM);
    let heard = stream(&mut network, 20_000, RTP);
    let counters = network.counters();
    assert!((1_800..2_200).contains(&counters.lost), "{counters:?}");
    assert!((800..1_000).contains(&counters.duplicated), "{counters:?}");
    assert!((1_700..2_100).contains(&counters.reordered), "{counters:?}");
    assert_eq!(counters.delivered, heard.len() as u64);
    assert_eq!(counters.sent + counters.duplicated, counters.lost + counters.delivered);
}

#[test]
fn delay_alone_keeps_the_order_and_the_range() {
    let delay = Duration::from_millis(10)..Duration::from_millis(200);
    let mut network = Network::new(4, Weather { delay, ..Weather::CALM });
    let heard = stream(&mut network, 1_000, RTP);
    assert!(heard.iter().map(|(_, n)| n).eq(&(0..1_000).collect::<Vec<_>>()));
    for (at_us, n) in heard {
        let travelled_us = at_us - u128::from(n) * 20_000;
        assert!((10_000..200_000).contains(&travelled_us), "{travelled_us}");
    }
}

#[test]
fn a_fixed_delay_is_an_empty_range() {
    let delay = Duration::from_millis(30)..Duration::from_millis(30);
    let heard = stream(&mut Network::new(4, Weather { delay, ..Weather::CALM }), 10, RTP);
    assert!(heard.iter().all(|(at_us, n)| *at_us == u128::from(*n) * 20_000 + 30_000));
}

#[test]
fn reordering_needs_no_delay_and_loses_nothing() {
    let mut network = Network::new(5, Weather { reorder: 0.2, ..Weather::CALM });
    let mut heard: Vec<u32> = stream(&mut network, 1_000, RTP).into_iter().map(|(_, n)| n).collect();
    assert!(!heard.is_sorted());
    heard.sort_unstable();
    assert!(heard.into_iter().eq(0..1_000));
}

#[test]
fn duplicates_are_whole_copies() {
    let mut network = Network::new(6, Weather { duplicate: 1.0, ..Weather::CALM });
    let heard = stream(&mut network, 10, RTP);
    assert!(heard.iter().map(|(_, n)| *n).eq((0..10).flat_map(|n| [n, n])));
}

#[test]
fn total_loss() {
    let mut network = Network::new(6, Weather { loss: 1.0, duplicate: 1.0, ..Weather::CALM });
    assert_eq!(stream(&mut network, 100, RTP), []);
    assert_eq!(network.counters(), Counters { sent: 100, lost: 100, ..Counters::default() });
}

#[test]
fn nothing_arrives_before_its_time() {
    let delay = Duration::from_millis(30)..Duration::from_millis(30);
    let mut network = Network::new(1, Weather { delay, ..Weather::CALM });
    let now = Clock::new().now();
    network.send(now, address(1), address(2), number(1));
    assert_eq!(network.poll_timeout(), Some(now + Duration::from_millis(30)));
    assert_eq!(network.poll_datagram(now + Duration::from_millis(29)), None);
    assert!(network.poll_datagram(now + Duration::from_millis(30)).is_some());
    assert_eq!((network.poll_timeout(), network.poll_datagram(now + RTP)), (None, None));
}

#[test]
fn weather_between_two_hosts_leaves_the_others_alone() {
    let arrivals = |special: bool| {
        let mut network = Network::new(9, Weather::STORM);
        if special {
            network.set_weather_between(address(3).ip(), address(1).ip(), Weather { loss: 1.0, ..Weather::CALM });
        }
        let mut clock = Clock::new();
        for n in 0..200 {
            network.send(clock.now(), address(1), address(2), number(n));
            network.send(clock.now(), address(1), address(3), number(n));
            network.send(clock.now(), address(3), address(1), number(n));
        }
        let mut heard: BTreeMap<SocketAddr, Vec<(Duration, Bytes)>> = BTreeMap::new();
        while clock.advance_to_first([network.poll_timeout()]) {
            while let Some(datagram) = network.poll_datagram(clock.now()) {
                heard.entry(datagram.to).or_default().push((clock.elapsed(), datagram.bytes));
            }
        }
        heard
    };
    let (common, special) = (arrivals(false), arrivals(true));
    assert_eq!(common[&address(2)], special[&address(2)]);
    assert!(common.contains_key(&address(1)) && common.contains_key(&address(3)));
    assert!(!special.contains_key(&address(1)) && !special.contains_key(&address(3)), "both directions");
}

#[test]
fn a_host_that_is_cut_off_hears_and_says_nothing() {
    let delay = Duration::from_millis(30)..Duration::from_millis(30);
    let mut network = Network::new(1, Weather { delay, ..Weather::CALM });
    let mut clock = Clock::new();
    network.send(clock.now(), address(1), address(2), number(1));
    network.send(clock.now(), address(2), address(1), number(2));
    network.cut_off(address(2).ip());
    network.send(clock.now(), address(2), address(1), number(3));
    network.send(clock.now(), address(1), address(2), number(4));
    assert!(clock.advance_to_first([network.poll_timeout()]));
    let heard = std::iter::from_fn(|| network.poll_datagram(clock.now())).map(|datagram| datagram.bytes);
    assert_eq!(heard.collect::<Vec<_>>(), [number(2)], "what had left before the cut");
    assert_eq!(network.counters(), Counters { sent: 4, lost: 3, delivered: 1, ..Counters::default() });

    network.reconnect(address(2).ip());
    network.send(clock.now(), address(1), address(2), number(5));
    assert!(clock.advance_to_first([network.poll_timeout()]));
    assert!(network.poll_datagram(clock.now()).is_some());
}

#[test]
fn datagrams_have_a_largest_size() {
    let mut network = Network::new(1, Weather::CALM);
    let now = Clock::new().now();
    network.send(now, address(1), address(2), Bytes::from(vec![0; DATAGRAM_BYTES + 1]));
    assert_eq!(network.poll_datagram(now), None);
    network.send(now, address(1), address(2), Bytes::from(vec![0; DATAGRAM_BYTES]));
    assert!(network.poll_datagram(now).is_some());
    assert_eq!(network.counters().lost, 1);
}
