//! Which messages of ours say what we can do (RFC 3261 §11.2, §13.2.1, §13.3.1.4, §20.5, §20.37; RFC 3311 §5.1).

use sip::{ALLOW, Method, Name, Reply, SUPPORTED};

use super::bench::{Bench, to_bob};
use super::flows::alice_talks;
use super::script::Script;

const TOLD: [&str; 2] = ["Allow", "Supported"];

fn both() -> [String; 2] {
    [format!("Allow: {ALLOW}"), format!("Supported: {SUPPORTED}")]
}

#[track_caller]
fn tells(bench: &mut Bench) {
    bench.shows(&TOLD, both().iter().map(String::as_str));
}

#[test]
fn requests_that_make_or_change_a_session_tell_both() {
    let mut bench = Bench::new();
    tells(bench.invite(to_bob(Method::Invite)));
    for method in [Method::Refer, Method::Subscribe] {
        tells(bench.request(to_bob(method)));
    }
    for method in [Method::Options, Method::Message, Method::Register, Method::Notify, Method::Publish] {
        bench.request(to_bob(method)).shows(&TOLD, []);
    }
    let (mut bench, _) = alice_talks();
    for method in [Method::Update, Method::Refer, Method::Invite] {
        tells(bench.in_dialog(0, method));
    }
    for method in [Method::Info, Method::Bye] {
        bench.in_dialog(0, method).shows(&TOLD, []);
    }
}

#[test]
fn a_200_to_invite_and_options_tells_both_and_what_the_user_says_instead_stands() {
    let mut bench = Bench::new();
    bench.alice(&Script::request("INVITE")).shows(&TOLD, []).respond(0, 180).shows(&TOLD, []);
    tells(bench.respond(0, 200));
    tells(bench.alice(&Script::request("OPTIONS")).respond(1, 200));
    bench.alice(&Script::request("REGISTER")).respond(2, 200).shows(&TOLD, []);
    bench.alice(&Script::request("OPTIONS").cseq(2));
    bench.reply(3, Reply::new(200).header(Name::Allow, "BYE").header(Name::Supported, "x"));
    bench.shows(&TOLD, ["Allow: BYE", "Supported: x"]);
}

#[test]
fn a_method_that_is_no_use_is_told_which_are() {
    for code in [405, 501] {
        let mut bench = Bench::new();
        bench.alice(&Script::request("PUBLISH")).respond(0, code);
        bench.shows(&TOLD, [both()[0].as_str()]);
    }
}

#[test]
fn a_tag_of_ours_may_be_required() {
    let mut bench = Bench::new();
    bench.alice(&Script::request("REGISTER").and("Require", "PATH")).expect(["0 request s0 REGISTER as guest"]);
    bench.alice(&Script::request("REGISTER").cseq(2).and("Require", "path, eventlist")).expect(["0 A< 420 2 REGISTER"]);
    bench.shows(&["Unsupported"], ["Unsupported: eventlist"]);
}
