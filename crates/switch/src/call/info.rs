//! What the sides of a call say to each other beside the session: INFO (RFC 6086 and its older use) and MESSAGE (RFC 3428).
//!
//! A request with a body that we know is sent on to the other side, and the other side's answer back: the wish for a fresh
//! picture, a line of text. It travels independently of everything else in the dialog. Other bodies get 415.
//!
//! Keys reach the other side as its extension wants them, however they came: in INFO, as telephone events, or as tones.

use bytes::Bytes;
use domain::{CallEventKind, DtmfMode};
use media::{Command, Leg};
use sip::header::ContentType;
use sip::package::{DTMF_RELAY, KeyPress};
use sip::{DialogId, Failure, Method, Name, Reply, Request, ServerId};

use super::effect::{Context, Effect, RequestKey};
use super::{Call, Side, Stage};
use crate::limits;
use crate::verdict::Ending;

/// The package of ICE candidates that come one by one (RFC 8840): taken, and of no use to the other side.
const TRICKLE_ICE: (&str, &str) = ("application", "trickle-ice-sdpfrag");

/// Keys pressed, as phones tell them where RFC 4733 is not agreed.
const KEYS: [(&str, &str); 2] = [("application", "dtmf-relay"), ("application", "dtmf")];

/// A request for a fresh picture (RFC 5168).
const PICTURE: (&str, &str) = ("application", "media_control+xml");

/// Words.
const TEXT: (&str, &str) = ("text", "plain");

/// What an INFO may bring, for those who bring something else.
const ACCEPT_INFO: &str = "application/dtmf-relay, application/dtmf, application/media_control+xml, text/plain";

/// What a MESSAGE may bring.
const ACCEPT_MESSAGE: &str = "text/plain";

/// A request that was sent on, and waits for the other side's answer.
struct Passed {
    request: RequestKey,
    /// Who waits for the answer; nobody, when the keys came in the audio.
    server: Option<ServerId>,
    /// Where it was sent. Who was there may have left the call since.
    to: DialogId,
}

/// The requests of a call that were sent on.
#[derive(Default)]
pub(super) struct Passing {
    passed: Vec<Passed>,
}

/// What is to be done with a request.
enum Wish {
    /// Send it on with this type.
    Pass(&'static str),
    /// The same; keys were pressed.
    Keys(&'static str),
    /// Take it and do nothing.
    Take,
}

/// What an INFO or MESSAGE wants, or the answer to one that cannot be taken.
fn wish(request: &Request) -> Result<Wish, Reply> {
    let info = *request.method() == Method::Info;
    let package = request.headers().get(&Name::from("Info-Package"));
    if request.body().is_empty() && package.is_none() {
        // An INFO without anything is a sign of life (RFC 2976 §2.2); an empty MESSAGE is one, too.
        return Ok(Wish::Take);
    }
    let kind = request.headers().typed::<ContentType>().and_then(Result::ok);
    let is = |(kind_of, subtype): (&str, &str)| kind.as_ref().is_some_and(|kind| kind.is(kind_of, subtype));
    if info && is(TRICKLE_ICE) {
        return Ok(Wish::Take);
    }
    if package.is_some() {
        // RFC 6086 §4.2.2: of the packages we want none.
        return Err(Reply::new(469).header(Name::from("Recv-Info"), Bytes::new()));
    }
    if request.body().len() > limits::MAX_PASSED_BODY {
        return Err(Reply::new(413));
    }
    match () {
        () if info && is(KEYS[0]) => Ok(Wish::Keys("application/dtmf-relay")),
        () if info && is(KEYS[1]) => Ok(Wish::Keys("application/dtmf")),
        () if info && is(PICTURE) => Ok(Wish::Pass("application/media_control+xml")),
        () if is(TEXT) => match std::str::from_utf8(&request.body()) {
            Ok(_) => Ok(Wish::Pass("text/plain;charset=UTF-8")),
            Err(_) => Ok(Wish::Pass("text/plain")),
        },
        () => {
            let accept = if info { ACCEPT_INFO } else { ACCEPT_MESSAGE };
            Err(Reply::new(415).header(Name::Accept, Bytes::from_static(accept.as_bytes())))
        }
    }
}

impl Call {
    /// A side says something.
    pub(super) fn said(&mut self, cx: &mut Context<'_>, side: Side, server: ServerId, request: &Request) {
        let other = match (&self.stage, side) {
            (Stage::Bridged(bridged), Side::Caller) => Some(bridged.callee.end.dialog),
            (Stage::Bridged(_), Side::Callee) => Some(self.caller.end.dialog),
            _ => None,
        };
        let wish = match wish(request) {
            Ok(wish) => wish,
            Err(reply) => return cx.respond(server, reply),
        };
        if matches!(wish, Wish::Keys(_)) {
            // Which keys stays unwritten, as with those of RFC 4733.
            let who = if side == Side::Caller { "caller" } else { "callee" };
            self.record.event(cx, CallEventKind::Digit, Some(format!("from the {who}")));
        }
        match (wish, other) {
            (Wish::Take, _) | (Wish::Keys(_), None) => cx.respond(server, Reply::new(200)),
            (Wish::Pass(_), None) => cx.respond(server, Reply::new(415)),
            (Wish::Pass(kind), Some(other)) => self.pass(cx, server, request, kind, other),
            (Wish::Keys(kind), Some(other)) => {
                let to = if side == Side::Caller { Side::Callee } else { Side::Caller };
                match KeyPress::parse(&request.body()) {
                    Some(press) if self.dtmf_mode(cx, to) != DtmfMode::Info => {
                        self.press(cx, to, press);
                        cx.respond(server, Reply::new(200));
                    }
                    _ => self.pass(cx, server, request, kind, other),
                }
            }
        }
    }

    /// A key came in the audio of a side, and does not reach the other one by itself.
    pub(super) fn key_heard(&mut self, cx: &mut Context<'_>, leg: Leg, press: KeyPress) {
        let Stage::Bridged(bridged) = &self.stage else { return };
        let (to, dialog) = match leg == self.caller.end.ports {
            true => (Side::Callee, bridged.callee.end.dialog),
            false => (Side::Caller, self.caller.end.dialog),
        };
        if self.dtmf_mode(cx, to) != DtmfMode::Info {
            return self.press(cx, to, press);
        }
        if self.passing.passed.len() < limits::MAX_PASSED {
            let body = Bytes::from(press.render());
            self.send_info(cx, None, Method::Info, (DTMF_RELAY, body), dialog);
        }
    }

    /// How keys reach a side.
    fn dtmf_mode(&self, cx: &Context<'_>, side: Side) -> DtmfMode {
        let number = match (&self.stage, side) {
            (Stage::Bridged(bridged), Side::Callee) => &bridged.callee.number,
            (_, Side::Caller | Side::Callee) => &self.caller.number,
        };
        let extension = cx.snapshot().and_then(|snapshot| snapshot.extensions.get(number));
        extension.map_or(DtmfMode::Auto, |extension| extension.audio.dtmf)
    }

    /// Has a key pressed in the audio of a side.
    fn press(&self, cx: &mut Context<'_>, side: Side, press: KeyPress) {
        let leg = match (&self.stage, side) {
            (Stage::Bridged(bridged), Side::Callee) => bridged.callee.end.ports,
            (_, Side::Caller | Side::Callee) => self.caller.end.ports,
        };
        let duration_ms = u32::try_from(press.duration.as_millis()).unwrap_or(u32::MAX);
        cx.media(Command::Press { session: self.key.session(), leg, key: press.key, duration_ms });
    }

    fn pass(&mut self, cx: &mut Context<'_>, server: ServerId, request: &Request, kind: &str, other: DialogId) {
        if self.passing.passed.len() >= limits::MAX_PASSED {
            let later = Bytes::from_static(b"1");
            return cx.respond(server, Reply::new(500).header(Name::RetryAfter, later));
        }
        self.send_info(cx, Some(server), request.method().clone(), (kind, request.body()), other);
    }

    fn send_info(
        &mut self,
        cx: &mut Context<'_>,
        server: Option<ServerId>,
        method: Method,
        (kind, body): (&str, Bytes),
        to: DialogId,
    ) {
        let request = self.request_key();
        self.passing.passed.push(Passed { request, server, to });
        let body = Some((kind.to_owned(), body));
        cx.effects.push(Effect::InDialog { request, dialog: to, method, headers: Vec::new(), body });
    }

    /// What the other side says to something that was sent on. False when it is about something else.
    pub(super) fn passed_response(&mut self, cx: &mut Context<'_>, request: RequestKey, code: u16) -> bool {
        let Some(index) = self.passing.passed.iter().position(|passed| passed.request == request) else { return false };
        if code < 200 {
            return true;
        }
        let passed = self.passing.passed.swap_remove(index);
        cx.effects.push(Effect::Release { request });
        match code {
            // RFC 3261 §12.2.1.2: the dialog is gone, and with it the call that it belongs to.
            408 | 481 => {
                answer(cx, passed.server, 480);
                if self.side(passed.to).is_some() {
                    self.end(cx, Ending::PeerVanished);
                }
            }
            // A challenge or a redirection is meant for us.
            300..=399 | 401 | 407 => answer(cx, passed.server, 480),
            _ => answer(cx, passed.server, code),
        }
        true
    }

    /// No answer came. What is said beside the session does not decide about the session.
    pub(super) fn passed_failed(&mut self, cx: &mut Context<'_>, request: RequestKey, why: Failure) -> bool {
        let code = match why {
            Failure::Timeout => 504,
            Failure::Transport => 480,
        };
        self.passed_response(cx, request, code)
    }

    /// The call ends: nobody will answer any more.
    pub(super) fn drop_passed(&mut self, cx: &mut Context<'_>) {
        for passed in std::mem::take(&mut self.passing.passed) {
            cx.effects.push(Effect::Release { request: passed.request });
            answer(cx, passed.server, 480);
        }
    }
}

fn answer(cx: &mut Context<'_>, server: Option<ServerId>, code: u16) {
    if let Some(server) = server {
        cx.respond(server, Reply::new(code));
    }
}
