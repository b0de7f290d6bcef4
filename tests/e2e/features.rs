//! Forwards and messages, with the settings of the command line.

use std::time::{Duration, Instant};

use sip::Transport;

use crate::server::{PATIENCE, Server};
use crate::wire::{Phone, header, headers, status};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20002 RTP/AVP \
                     0\r\na=rtpmap:0 PCMU/8000\r\n";
const SDP: &str = "Content-Type: application/sdp\r\n";

/// A phone of an extension, registered.
fn registered(server: &Server, number: &str) -> Phone {
    let mut phone = Phone::new(server, Transport::Udp, false, number);
    assert_eq!(status(&phone.register()), 200);
    phone
}

/// Waits until the switch has heard of every change so far: until an extension that is made now can register.
fn settled(server: &mut Server) {
    let login = server.create_extension("demo", "1099");
    server.logins.push(login);
    let mut phone = Phone::new(server, Transport::Udp, false, "1099");
    let until = Instant::now() + PATIENCE;
    while status(&phone.register()) != 200 {
        assert!(Instant::now() < until, "1099 never works");
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Sends an INVITE and has it taken; what comes then is for the test to look at.
fn dial(phone: &mut Phone, number: &str) -> String {
    let (uri, call_id) = (format!("sip:{number}@{}", phone.domain()), format!("call-{}", phone.wire.local.port()));
    let (to, contact) = (format!("<{uri}>"), format!("Contact: {}\r\n{SDP}", phone.contact()));
    phone.send_request("INVITE", &uri, &to, &call_id, &contact, OFFER);
    let challenge = phone.final_answer();
    let cseq = header(&challenge, "CSeq").unwrap();
    let sequence: u32 = cseq.split(' ').next().unwrap().parse().unwrap();
    phone.send_numbered("ACK", sequence, &uri, &header(&challenge, "To").unwrap(), &call_id, "", "");
    let authorization = phone.authorization(&challenge, "INVITE", &uri);
    phone.send_request("INVITE", &uri, &to, &call_id, &format!("{authorization}{contact}"), OFFER);
    uri
}

/// Acknowledges a final answer of any kind.
fn acknowledge(phone: &mut Phone, answer: &str, uri: &str) {
    let cseq = header(answer, "CSeq").unwrap();
    let sequence: u32 = cseq.split(' ').next().unwrap().parse().unwrap();
    let (to, call_id) = (header(answer, "To").unwrap(), header(answer, "Call-ID").unwrap());
    phone.send_numbered("ACK", sequence, uri, &to, &call_id, "", "");
}

/// Writes a message and returns its final answer.
fn write(phone: &mut Phone, number: &str, text: &str) -> u16 {
    send(phone, number, text);
    status(&phone.final_answer())
}

/// Sends a message and has it taken.
fn send(phone: &mut Phone, number: &str, text: &str) {
    let (uri, call_id) = (format!("sip:{number}@{}", phone.domain()), format!("{text}-{}", phone.wire.local.port()));
    let call_id = call_id.replace(' ', "-");
    let (to, kind) = (format!("<{uri}>"), "Content-Type: text/plain\r\n");
    phone.send_request("MESSAGE", &uri, &to, &call_id, kind, text);
    let challenge = phone.final_answer();
    let authorization = phone.authorization(&challenge, "MESSAGE", &uri);
    phone.send_request("MESSAGE", &uri, &to, &call_id, &format!("{authorization}{kind}"), text);
}

/// Takes the next message and returns its text.
fn read(phone: &mut Phone) -> String {
    let message = phone.wait_for("MESSAGE ");
    phone.respond(&message, 200, "", "");
    message.split("\r\n\r\n").nth(1).unwrap().to_owned()
}

#[test]
fn nobody_answers_and_the_call_goes_where_the_command_line_has_said() {
    let mut server = Server::start();
    let login = server.create_extension("demo", "1003");
    server.logins.push(login);
    let set =
        ["extension", "set", "--tenant", "demo", "1002", "--forward-no-answer", "1003", "--no-answer-timeout", "1"];
    assert_eq!(server.json(&set)["forwards"]["no_answer"], "1003");
    settled(&mut server);
    let [mut caller, mut absent, mut answers] = ["1001", "1002", "1003"].map(|number| registered(&server, number));
    dial(&mut caller, "1002");

    let invite = absent.wait_for("INVITE ");
    assert!(headers(&invite, "Diversion").is_empty());
    absent.respond(&invite, 180, "", "");
    caller.wait_for("SIP/2.0 180");
    let cancel = absent.wait_for("CANCEL ");
    absent.respond(&cancel, 200, "", "");
    absent.respond(&invite, 487, "", "");
    absent.wait_for("ACK ");

    caller.wait_for("SIP/2.0 181");
    let invite = answers.wait_for("INVITE ");
    assert!(
        header(&invite, "Diversion")
            .is_some_and(|diversion| { diversion.contains("sip:1002@") && diversion.contains("reason=no-answer") })
    );
    assert_eq!(headers(&invite, "History-Info").lines().count(), 2, "{invite}");
    assert!(header(&invite, "From").unwrap().contains("sip:1001@"), "the caller stays who it is");
    answers.respond(&invite, 200, SDP, OFFER);
    let ok = caller.final_answer();
    assert_eq!(status(&ok), 200, "{ok}");
    let target = header(&ok, "Contact").unwrap().split(['<', '>']).nth(1).unwrap().to_owned();
    acknowledge(&mut caller, &ok, &target);
    answers.wait_for("ACK ");
    let (to, call_id) = (header(&ok, "To").unwrap(), header(&ok, "Call-ID").unwrap());
    caller.send_request("BYE", &target, &to, &call_id, "", "");
    let bye = answers.wait_for("BYE ");
    answers.respond(&bye, 200, "", "");

    let records = server.closed_records(1);
    assert_eq!((&records[0]["status"], &records[0]["dialed_number"]), (&"Completed".into(), &"1002".into()));
    let extension = server.json(&["extension", "show", "--tenant", "demo", "1003"]);
    assert_eq!(records[0]["callee_extension_id"], extension["id"], "who has answered");
}

#[test]
fn do_not_disturb_holds_from_the_next_call_on() {
    let mut server = Server::start();
    let [mut caller, mut callee] = ["1001", "1002"].map(|number| registered(&server, number));
    assert_eq!(server.json(&["extension", "set", "--tenant", "demo", "1002", "--dnd", "on"])["do_not_disturb"], true);
    settled(&mut server);
    let uri = dial(&mut caller, "1002");
    let refused = caller.final_answer();
    assert_eq!(status(&refused), 480, "{refused}");
    assert!(header(&refused, "Reason").unwrap().contains("disturbed"));
    acknowledge(&mut caller, &refused, &uri);
    assert_eq!(callee.wire.try_receive(Duration::from_millis(300)), None, "1002 does not ring");
}

#[test]
fn messages_wait_for_a_phone_over_a_restart_and_a_power_cut() {
    let mut server = Server::start();
    let mut writer = registered(&server, "1001");
    assert_eq!(write(&mut writer, "1002", "before the restart"), 202);
    server.stop();
    server.restart();
    assert_eq!(write(&mut writer, "1002", "before the power cut"), 202);
    server.kill();
    server.restart();
    let mut reader = registered(&server, "1002");
    assert_eq!((read(&mut reader), read(&mut reader)), ("before the restart".into(), "before the power cut".into()));
    assert_eq!(status(&reader.register()), 200);
    assert_eq!(reader.wire.try_receive(Duration::from_secs(1)), None, "each comes once");

    // Now that the phone is there, a message waits for nobody, and for no database.
    let mut again = registered(&server, "1001");
    send(&mut again, "1002", "hello");
    assert_eq!(read(&mut reader), "hello");
    assert_eq!(status(&again.final_answer()), 200);
    server.stop();
    server.restart();
    assert_eq!(status(&reader.register()), 200);
    assert_eq!(reader.wire.try_receive(Duration::from_secs(1)), None, "what was delivered is marked");
}
