//! What waits, what is taken, and what is turned away.

use std::time::{Duration, Instant};

use sip::{Flow, Transport};
use switch::overload::{Class, Fate, Lanes, Offered, Standing};

const MS: Duration = Duration::from_millis(1);
const UNLESS: Fate = Fate::TurnedAway;

struct Bench {
    lanes: Lanes<&'static str>,
    now: Instant,
}

fn flow(number: u8) -> Flow {
    Flow {
        transport: Transport::Tcp,
        local: "127.0.0.1:5060".parse().unwrap(),
        remote: ([127, 0, 1, number], 5060).into(),
    }
}

impl Bench {
    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to begin at")]
    fn new() -> Self {
        Self { lanes: Lanes::default(), now: Instant::now() }
    }

    fn offer(&mut self, class: Class, fate: Fate, group: u64, item: &'static str) -> Offered<&'static str> {
        self.lanes.offer(self.now, (class, fate), (flow(1), Standing::Registered(group)), item)
    }

    fn take(&mut self) -> Vec<&'static str> {
        let mut out = Vec::new();
        self.lanes.take(&mut out);
        out.into_iter().map(|letter| letter.item).collect()
    }

    fn count(&mut self) -> [usize; 4] {
        let taken = self.take();
        ["urgent", "call", "renewal", "stranger"].map(|what| taken.iter().filter(|item| **item == what).count())
    }
}

#[test]
fn the_urgent_first_and_each_lane_its_share() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        assert_eq!(bench.offer(Class::Stranger, UNLESS, 1, "stranger"), Offered::Taken);
        assert_eq!(bench.offer(Class::Renewal, UNLESS, 1, "renewal"), Offered::Taken);
        assert_eq!(bench.offer(Class::Call, UNLESS, 1, "call"), Offered::Taken);
    }
    assert_eq!(bench.count(), [0, 5, 2, 1]);
    for _ in 0..12 {
        bench.offer(Class::Urgent, Fate::Waits, 1, "urgent");
    }
    // Work that is urgent leaves the others one of each at least; what is left of a batch goes to the more urgent.
    assert_eq!(bench.count(), [8, 1, 1, 1]);
    assert_eq!(bench.count(), [4, 2, 1, 1]);
    for _ in 0..18 {
        assert_eq!(bench.count(), [0, 5, 2, 1]);
    }
    assert_eq!(bench.count(), [0, 2, 2 + 3, 1]);
    while bench.lanes.waiting() > 0 {
        let waiting = bench.lanes.waiting();
        assert_eq!(bench.take().len(), waiting.min(8));
    }
    assert_eq!((bench.count(), bench.lanes.waiting()), ([0; 4], 0));
}

#[test]
fn one_group_does_not_make_the_others_wait() {
    let mut bench = Bench::new();
    for _ in 0..1_000 {
        assert_eq!(bench.offer(Class::Call, UNLESS, 1, "greedy"), Offered::Taken);
    }
    assert_eq!(bench.offer(Class::Call, UNLESS, 2, "modest"), Offered::Taken);
    assert_eq!(bench.take()[..2], ["greedy", "modest"]);
    bench.now += 41 * MS;
    assert_eq!(bench.offer(Class::Call, UNLESS, 1, "greedy"), Offered::TurnedAway("greedy"));
    assert_eq!(
        bench.offer(Class::Call, UNLESS, 2, "modest"),
        Offered::Taken,
        "whose own do not wait long is not turned away"
    );
}

#[test]
fn each_lane_has_its_patience() {
    for (class, patience) in [(Class::Call, 40), (Class::Renewal, 200), (Class::Stranger, 100)] {
        let mut bench = Bench::new();
        for _ in 0..if class == Class::Stranger { 1 } else { 15 } {
            assert_eq!(bench.offer(class, UNLESS, 1, "first"), Offered::Taken);
            bench.now += Duration::from_secs(1);
        }
        while bench.lanes.waiting() > 0 {
            bench.take();
        }
        for _ in 0..16 {
            assert_eq!(bench.offer(class, UNLESS, 1, "first"), Offered::Taken);
        }
        bench.now += patience * MS;
        assert_eq!(bench.offer(class, UNLESS, 1, "in time"), Offered::Taken);
        bench.now += MS;
        assert_eq!(bench.offer(class, UNLESS, 1, "late"), Offered::TurnedAway("late"), "{class:?}");
        assert_eq!(bench.offer(class, Fate::Waits, 1, "a CANCEL"), Offered::Taken);
        assert_eq!(bench.take(), ["first"; 8]);
        assert_eq!(bench.take(), ["first"; 8]);
        assert_eq!(bench.take(), ["in time", "a CANCEL"]);
        assert_eq!(bench.offer(class, UNLESS, 1, "later"), Offered::Taken);
    }
    for class in [Class::Urgent, Class::Emergency] {
        let mut bench = Bench::new();
        assert_eq!(bench.offer(class, Fate::Waits, 1, "first"), Offered::Taken);
        bench.now += Duration::from_secs(10);
        assert_eq!(bench.offer(class, Fate::Waits, 1, "second"), Offered::Taken);
    }
}

#[test]
fn a_copy_of_an_invite_that_was_taken_is_not_turned_away() {
    let mut bench = Bench::new();
    assert_eq!(bench.offer(Class::Call, Fate::TurnedAwayUnless(1), 1, "first"), Offered::Taken);
    for _ in 0..15 {
        assert_eq!(bench.offer(Class::Call, UNLESS, 1, "another"), Offered::Taken);
    }
    bench.now += 100 * MS;
    assert_eq!(bench.offer(Class::Call, Fate::TurnedAwayUnless(1), 1, "copy"), Offered::Lost);
    assert_eq!(bench.offer(Class::Call, Fate::TurnedAwayUnless(2), 1, "other"), Offered::TurnedAway("other"));
    assert_eq!(bench.offer(Class::Call, Fate::TurnedAwayUnless(2), 1, "other"), Offered::TurnedAway("other"));
    bench.take();
    assert_eq!(
        bench.offer(Class::Call, Fate::TurnedAwayUnless(1), 1, "copy"),
        Offered::Taken,
        "there is room for it now"
    );
    assert_eq!(bench.offer(Class::Call, Fate::TurnedAwayUnless(2), 1, "other"), Offered::Taken);
}

#[test]
fn every_lane_is_bounded() {
    for class in [Class::Urgent, Class::Emergency, Class::Call, Class::Renewal, Class::Stranger] {
        let mut bench = Bench::new();
        for number in 0..8_192 {
            assert_eq!(bench.offer(class, UNLESS, number, "x"), Offered::Taken, "{class:?} {number}");
        }
        assert_eq!(bench.offer(class, UNLESS, 9_999, "x"), Offered::TurnedAway("x"));
        assert_eq!(bench.offer(class, Fate::Waits, 9_999, "x"), Offered::Lost);
        bench.lanes.post(bench.now, "a fact is never refused");
        assert_eq!(bench.lanes.waiting(), 8_193);
    }
}

#[test]
fn what_a_connection_asked_for_before_it_ended_is_not_done_any_more() {
    let mut bench = Bench::new();
    let standing = Standing::Registered(1);
    let mut offer = |class, number, item| {
        assert_eq!(bench.lanes.offer(bench.now, (class, Fate::Waits), (flow(number), standing), item), Offered::Taken);
    };
    offer(Class::Renewal, 1, "REGISTER");
    offer(Class::Renewal, 2, "REGISTER of another");
    offer(Class::Urgent, 1, "BYE");
    bench.lanes.closed(bench.now, flow(1), "closed");
    assert_eq!(
        bench.lanes.offer(bench.now, (Class::Renewal, Fate::Waits), (flow(1), standing), "REGISTER anew"),
        Offered::Taken
    );
    assert_eq!(bench.take(), ["BYE", "closed", "REGISTER of another", "REGISTER anew"]);
    assert_eq!(bench.lanes.waiting(), 0);
}

#[test]
fn what_comes_from_one_phone_keeps_its_order() {
    let mut bench = Bench::new();
    for item in ["INVITE", "CANCEL", "INVITE again"] {
        assert_eq!(bench.offer(Class::Call, Fate::Waits, 1, item), Offered::Taken);
    }
    assert_eq!(bench.take(), ["INVITE", "CANCEL", "INVITE again"]);
}
