//! Dialogs that outlive a restart.

use sip::{DialogState, Method, Name, Reply, Transport};

use crate::endpoint::bench::Bench;
use crate::endpoint::flows::{alice_rings, alice_talks, bob_talks};
use crate::endpoint::script::Script;

/// Alice has subscribed through two proxies and has been told once.
fn watched() -> (Bench, String) {
    let mut bench = Bench::new();
    let subscribe = Script::request("SUBSCRIBE")
        .set("From", "\"Alice, A.\" <sip:alice@pbx.example>;tag=alice")
        .and("Record-Route", "<sip:p2.example;lr>, <sip:p1.example;lr>");
    bench.alice(&subscribe).accept(0, Reply::new(200));
    let tag = bench.tag();
    bench.in_dialog(0, Method::Notify);
    (bench, tag)
}

#[test]
fn one_is_text_and_numbers() {
    let (bench, tag) = watched();
    let state = bench.export(0).expect("a confirmed dialog");
    assert_eq!(
        state,
        DialogState {
            session: false,
            initiated: false,
            call_id: "call-1".into(),
            local: format!("<sip:bob@pbx.example>;tag={tag}"),
            remote: "\"Alice, A.\" <sip:alice@pbx.example>;tag=alice".into(),
            target: "sip:alice@127.0.0.10:5060".into(),
            routes: vec!["<sip:p2.example;lr>".into(), "<sip:p1.example;lr>".into()],
            transport: Transport::Udp.as_str().into(),
            local_address: "127.0.0.1:5060".parse().expect("an address"),
            remote_address: "127.0.0.10:5060".parse().expect("an address"),
            secure: false,
            local_cseq: state.local_cseq,
            remote_cseq: Some(1),
        }
    );
}

#[test]
fn one_goes_on_in_another_life_where_it_stood() {
    let (before, tag) = watched();
    let state = before.export(0).expect("a confirmed dialog");
    let last = before.last_request();
    let mut bench = Bench::new();
    bench.restore(&state).in_dialog(0, Method::Notify);
    let next = bench.last_request();
    for name in [Name::Route, Name::From, Name::To, Name::CallId] {
        assert_eq!(next.headers().all(&name).collect::<Vec<_>>(), last.headers().all(&name).collect::<Vec<_>>());
    }
    let number = |request: &sip::Request| request.cseq().map(|cseq| cseq.number);
    assert_eq!(number(&next), number(&last).map(|number| number + 1));
    let refresh = |cseq| Script::request("SUBSCRIBE").cseq(cseq).tagged(&tag);
    bench.alice(&refresh(1)).alice(&refresh(2)).expect([
        format!("0 A< NOTIFY {} sip:alice@127.0.0.10:5060", state.local_cseq + 1).as_str(),
        "0 A< 500 1 SUBSCRIBE",
        "0 within d0 s0 SUBSCRIBE",
    ]);
    assert_eq!(bench.find("call-1", &tag, "alice"), Some(0));
}

#[test]
fn sessions_can_be_kept_too_and_early_dialogs_cannot() {
    for bench in [alice_talks().0, bob_talks()] {
        let state = bench.export(0).expect("a confirmed dialog");
        assert!(state.session);
        let mut after = Bench::new();
        after.restore(&state).in_dialog(0, Method::Bye);
        assert_eq!(after.export(0), None, "a dialog that ends");
    }
    assert_eq!(alice_rings().0.export(0), None);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let (bench, _) = watched();
    let good = bench.export(0).expect("a confirmed dialog");
    let spoilt: [fn(&mut DialogState); 5] = [
        |state| state.transport = "SCTP".into(),
        |state| state.local = "<sip:bob@pbx.example>".into(),
        |state| state.remote = "\"open".into(),
        |state| state.target = "nowhere".into(),
        |state| state.routes.push("<".into()),
    ];
    for (spoil, why) in spoilt.iter().zip([
        "0 transport is not supported",
        "0 From: has no tag",
        "0 address cannot be read at byte 0",
        "0 URI cannot be read at byte 7",
        "0 address cannot be read at byte 0",
    ]) {
        let mut state = good.clone();
        spoil(&mut state);
        Bench::new().restore(&state).expect([why]).ends();
    }
}

#[test]
fn none_takes_the_place_of_another() {
    let (mut bench, _) = watched();
    let state = bench.export(0).expect("a confirmed dialog");
    bench.run_to(0);
    let dialogs = bench.endpoint.counts().dialogs;
    assert!(bench.endpoint.restore_dialog(&state).is_err());
    assert_eq!(bench.endpoint.counts().dialogs, dialogs);
}
