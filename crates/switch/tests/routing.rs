//! Routing, row by row: what a number means in a dialplan.

use std::sync::Arc;

use domain::{Action, DialplanEntry, DialplanId, TenantSnapshot};
use proptest::prelude::*;
use switch::limits::MAX_NUMBER_BYTES;
use switch::routing::pattern::{Pattern, PatternError};
use switch::routing::{Route, Routes, number_of_uri, number_of_user};
use testkit::tenant::TenantBuilder;
use uuid::Uuid;

const CONTEXT: &str = "internal";

/// A row that dials its own `exten`, so that a test sees which row won.
fn row(id: u128, context: &str, exten: &str, priority: u32) -> DialplanEntry {
    let action = Action::Dial(Some(exten.to_owned()));
    DialplanEntry {
        id: DialplanId(Uuid::from_u128(id)),
        context: context.to_owned(),
        exten: exten.to_owned(),
        priority,
        action,
    }
}

fn snapshot(rows: Vec<DialplanEntry>) -> TenantSnapshot {
    let built = TenantBuilder::new("acme").with_extensions(&["1001", "1002"]).snapshot();
    TenantSnapshot { dialplan: rows, ..TenantSnapshot::clone(&built) }
}

fn routes(extens: &[&str]) -> Routes {
    let rows = extens.iter().zip(1..).map(|(exten, id)| row(id, CONTEXT, exten, 1)).collect();
    Routes::compile(Arc::new(snapshot(rows)))
}

/// The `exten` of the row that a number leads to.
fn winner(routes: &Routes, number: &str) -> Option<String> {
    match routes.route(CONTEXT, number) {
        Route::Actions(actions) => match actions.first() {
            Some(Action::Dial(Some(exten))) => Some(exten.clone()),
            other => panic!("{other:?}"),
        },
        Route::Extension(_) | Route::Unknown => None,
    }
}

#[test]
fn each_sign_matches_what_it_stands_for() {
    for (pattern, yes, no) in [
        ("_X", &["0", "5", "9"][..], &["", "a", "*", "55", "٣"][..]),
        ("_Z", &["1", "9"], &["0", "*", "11"]),
        ("_N", &["2", "9"], &["0", "1", "22"]),
        ("_x", &["0"], &["x"]),
        ("_n", &["2"], &["1", "n"]),
        ("_z", &["1"], &["0", "z"]),
        ("_55XXX", &["55000", "55999"], &["5500", "550000", "54000", "55a00"]),
        ("_[2-5]", &["2", "3", "5"], &["1", "6", "-"]),
        ("_[138]", &["1", "3", "8"], &["2", "7"]),
        ("_[1-37-9]", &["1", "3", "7", "9"], &["4", "6", "0"]),
        ("_[*#]", &["*", "#"], &["1"]),
        ("_[a-c]1", &["a1", "c1"], &["d1", "A1"]),
        ("_[1-]", &["1", "-"], &["2"]),
        ("_X.", &["12", "1a", "1*", "12345678901234567890", "1é"], &["1", "", "a1"]),
        ("_X!", &["1", "12", "1é"], &["", "a"]),
        ("_.", &["1", "anything at all", "é"], &[""]),
        ("_!", &["1", "x"], &[""]),
        ("_*43", &["*43"], &["43", "*4", "*430"]),
        ("*43", &["*43"], &["43", "*4", "_*43"]),
        ("_+49.", &["+4930", "+491"], &["+49", "4930"]),
        ("_1-800-NXX", &["1800200"], &["1-800-200", "1800100"]),
        ("_[5]X", &["50"], &["60"]),
        ("alice", &["alice"], &["Alice", "ALICE", "alic"]),
    ] {
        let routes = routes(&[pattern]);
        assert_eq!(routes.faults(), &[], "{pattern}");
        for number in yes {
            assert_eq!(winner(&routes, number).as_deref(), Some(pattern), "{pattern} {number}");
        }
        for number in no {
            assert_eq!(winner(&routes, number), None, "{pattern} {number}");
        }
    }
}

#[test]
fn the_most_specific_row_wins() {
    // From the most specific to the least; every number belongs to the first row that matches it.
    for order in [
        &["555", "_55[5]", "_55[45]", "_55N", "_55Z", "_55X", "_5XX", "_XXX", "_XX.", "_X.", "_X!", "_.", "_!"][..],
        &["_12X", "_1X2", "_XX2"],
        &["_[12]", "_[13]", "_[1-3]"],
        &["_5", "_5!"],
        &["_5.", "_5!"],
        &["_1234", "_123.", "_12.", "_1.", "_."],
        &["_N0X", "_X00"],
    ] {
        let mut backwards: Vec<&str> = order.to_vec();
        backwards.reverse();
        for extens in [order.to_vec(), backwards] {
            let routes = routes(&extens);
            for number in ["555", "122", "112", "1", "2", "3", "5", "55", "554", "559", "1234", "12349", "200", "a"] {
                let expected = order.iter().find(|exten| matches(exten, number));
                assert_eq!(winner(&routes, number).as_deref(), expected.copied(), "{extens:?} {number}");
            }
        }
    }
}

/// Whether one row, alone, takes the number.
fn matches(exten: &str, number: &str) -> bool {
    winner(&routes(&[exten]), number).is_some()
}

#[test]
fn a_dead_end_of_a_specific_pattern_hides_no_other() {
    let routes = routes(&["_5551", "_55X2", "_5XX3", "_XXX4", "_X."]);
    for (number, exten) in
        [("5551", "_5551"), ("5552", "_55X2"), ("5553", "_5XX3"), ("5554", "_XXX4"), ("5555", "_X."), ("55", "_X.")]
    {
        assert_eq!(winner(&routes, number).as_deref(), Some(exten), "{number}");
    }
}

#[test]
fn rows_of_one_exten_come_in_the_order_of_their_priorities() {
    let mut rows = vec![row(1, CONTEXT, "_9X", 20), row(2, CONTEXT, "_9X", 3), row(3, CONTEXT, "_9X", 10)];
    rows[0].action = Action::Hangup(Some(21));
    rows[1].action = Action::Dial(None);
    rows[2].action = Action::Echo;
    let routes = Routes::compile(Arc::new(snapshot(rows)));
    let expected = [Action::Dial(None), Action::Echo, Action::Hangup(Some(21))];
    assert_eq!(routes.route(CONTEXT, "91"), Route::Actions(Arc::from(expected)));
}

#[test]
fn contexts_do_not_see_one_another() {
    let rows = vec![row(1, CONTEXT, "_9X", 1), row(2, "guests", "_8X", 1)];
    let routes = Routes::compile(Arc::new(snapshot(rows)));
    for (context, number, leads) in [
        (CONTEXT, "91", true),
        (CONTEXT, "81", false),
        ("guests", "81", true),
        ("guests", "91", false),
        ("nowhere", "91", false),
        ("", "91", false),
    ] {
        assert_eq!(routes.route(context, number) != Route::Unknown, leads, "{context} {number}");
    }
}

#[test]
fn an_extension_is_found_where_no_row_matches() {
    let mut snapshot = snapshot(vec![row(1, CONTEXT, "1002", 1)]);
    snapshot.extensions.get_mut("1001").unwrap().enabled = true;
    let mut third = snapshot.extensions["1001"].clone();
    third.number = "1003".to_owned();
    third.enabled = false;
    snapshot.extensions.insert("1003".to_owned(), third);
    let routes = Routes::compile(Arc::new(snapshot));
    assert_eq!(routes.route(CONTEXT, "1001"), Route::Extension("1001".to_owned()));
    assert_eq!(routes.route("nowhere", "1001"), Route::Extension("1001".to_owned()));
    assert!(matches!(routes.route(CONTEXT, "1002"), Route::Actions(_)), "a row comes before an extension");
    for unknown in ["1003", "1004", "100", "10011", "", " 1001", "1001 "] {
        assert_eq!(routes.route(CONTEXT, unknown), Route::Unknown, "{unknown:?}");
    }
}

#[test]
fn rows_that_are_no_patterns_are_left_out_and_the_others_stay() {
    for (text, error) in [
        ("", PatternError::Empty),
        ("-", PatternError::Empty),
        ("[", PatternError::Set(0)),
        ("1[2-5", PatternError::Set(1)),
        ("[]", PatternError::Set(0)),
        ("[5-2]", PatternError::Set(0)),
        ("[\u{1}]", PatternError::Set(0)),
        (".1", PatternError::AfterWildcard(0)),
        ("1!.", PatternError::AfterWildcard(1)),
        ("1 2", PatternError::Character(1)),
        ("é", PatternError::Character(0)),
        ("1\0", PatternError::Character(1)),
    ] {
        assert_eq!(Pattern::parse(text), Err(error), "{text:?}");
    }
    assert_eq!(Pattern::parse(&"X".repeat(MAX_NUMBER_BYTES + 1)), Err(PatternError::TooLong));
    let routes = routes(&["_[", "", "_9X", "_"]);
    let faults: Vec<u128> = routes.faults().iter().map(|id| id.0.as_u128()).collect();
    assert_eq!(faults, [2, 4, 1], "by exten, as they were compiled");
    assert_eq!(winner(&routes, "91").as_deref(), Some("_9X"));
}

#[test]
fn user_parts_become_numbers() {
    for (raw, number) in [
        (&b"1002"[..], Some("1002")),
        (b"*43", Some("*43")),
        (b"%2A43", Some("*43")),
        (b"%2a43", Some("*43")),
        (b"+4930123", Some("+4930123")),
        (b"1002;phone-context=example.com", Some("1002")),
        (b"1002;x=%00", Some("1002")),
        (b"10%3B02", Some("10;02")),
        (b"%31%30%30%32", Some("1002")),
        (b"J%C3%BCrgen", Some("Jürgen")),
        (b"", None),
        (b";x", None),
        (b"10%0002", None),
        (b"1002%0D%0A", None),
        (b"%7F", None),
        (b"%C3", None),
        (b"\xff\xfe", None),
        (b"10%", None),
        (b"10%3", None),
        (b"10%zz", None),
        (b"10%+1", None),
    ] {
        assert_eq!(number_of_user(raw).as_deref(), number, "{raw:?}");
    }
    assert_eq!(number_of_user(&b"1".repeat(MAX_NUMBER_BYTES)), Some("1".repeat(MAX_NUMBER_BYTES)));
    assert_eq!(number_of_user(&b"%31".repeat(MAX_NUMBER_BYTES)), Some("1".repeat(MAX_NUMBER_BYTES)));
    for long in [MAX_NUMBER_BYTES + 1, 3 * MAX_NUMBER_BYTES + 1, 60_000] {
        assert_eq!(number_of_user(&b"1".repeat(long)), None);
    }
}

#[test]
fn telephone_numbers_lose_the_marks_that_make_them_readable() {
    for (uri, number) in [
        ("tel:+1-201-555-0123;phone-context=+1", Some("+12015550123")),
        ("tel:(030).110", Some("030110")),
        ("TEL:7042;phone-context=pbx.example", Some("7042")),
        ("tel:---", None),
        ("sip:+1-201-555-0123;npdi@pbx.example;user=phone", Some("+12015550123")),
        ("sips:1-2@pbx.example;user=PHONE", Some("12")),
        // Else a mark may be part of the name.
        ("sip:desk-1.2@pbx.example", Some("desk-1.2")),
        ("sip:desk-1@pbx.example;user=ip", Some("desk-1")),
        ("sip:pbx.example", None),
    ] {
        assert_eq!(number_of_uri(&uri.parse().unwrap()).as_deref(), number, "{uri}");
    }
}

#[test]
fn very_long_numbers_lead_nowhere() {
    let routes = routes(&["_X.", "_."]);
    assert!(winner(&routes, &"1".repeat(MAX_NUMBER_BYTES)).is_some());
    assert_eq!(routes.route(CONTEXT, &"1".repeat(MAX_NUMBER_BYTES + 1)), Route::Unknown);
    assert_eq!(routes.route(CONTEXT, &"1".repeat(1_000_000)), Route::Unknown);
}

#[test]
fn ten_thousand_rows_are_all_found() {
    let rows = (0..10_000).map(|n| row(n, CONTEXT, &format!("_7{n:04}X"), 1)).collect();
    let routes = Routes::compile(Arc::new(snapshot(rows)));
    for n in [0, 1, 4_711, 9_999] {
        assert_eq!(winner(&routes, &format!("7{n:04}3")), Some(format!("_7{n:04}X")));
    }
    assert_eq!(winner(&routes, "700003a"), None);
}

/// How specific a place is: members, then the first of them. The model that the tree is compared with.
fn rank(sign: char) -> (usize, char) {
    match sign {
        'N' => (8, '2'),
        'Z' => (9, '1'),
        'X' => (10, '0'),
        '.' => (1_000, '.'),
        '!' => (2_000, '!'),
        digit => (1, digit),
    }
}

fn takes(pattern: &str, number: &str) -> bool {
    let (mut signs, mut digits) = (pattern.chars(), number.chars());
    loop {
        match (signs.next(), digits.next()) {
            (None, None) | (Some('!'), _) | (Some('.'), Some(_)) => return true,
            (Some('N'), Some('2'..='9')) | (Some('Z'), Some('1'..='9')) | (Some('X'), Some('0'..='9')) => {}
            (Some(sign), Some(digit)) if sign == digit => {}
            _ => return false,
        }
    }
}

proptest! {
    /// The tree finds what a search through all rows in order of specificity finds.
    #[test]
    fn the_tree_agrees_with_a_plain_search(
        patterns in prop::collection::vec("[1-3XZN]{0,4}[.!]?", 1..20),
        number in "[0-4]{1,6}",
    ) {
        let mut patterns: Vec<String> = patterns.into_iter().filter(|pattern| !pattern.is_empty()).collect();
        patterns.sort();
        patterns.dedup();
        // An end before `.` and `!`: nothing is more specific than having no further sign.
        let key = |pattern: &String| pattern.chars().map(rank).collect::<Vec<_>>();
        let model = patterns.iter().filter(|pattern| takes(pattern, &number)).min_by_key(|pattern| key(pattern));
        let extens: Vec<String> = patterns.iter().map(|pattern| format!("_{pattern}")).collect();
        let routes = routes(&extens.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(winner(&routes, &number), model.map(|pattern| format!("_{pattern}")));
    }

    #[test]
    fn nothing_that_is_dialled_or_configured_panics(exten in ".{0,80}", raw in prop::collection::vec(any::<u8>(), 0..300)) {
        let routes = routes(&[&exten, "_X."]);
        if let Some(number) = number_of_user(&raw) {
            prop_assert!(number.len() <= MAX_NUMBER_BYTES);
            let _ = routes.route(CONTEXT, &number);
        }
        let _ = routes.route(CONTEXT, &exten);
    }
}
