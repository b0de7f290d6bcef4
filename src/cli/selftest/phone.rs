//! A phone for a minute: registers, calls, hangs up. The rules of SIP are the endpoint's; here is only what a caller wants.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use bytes::Bytes;
use rand_core::{OsRng, TryRngCore as _};
use sip::digest::{Account, ClientNonce, authorization};
use sip::header::{Name, NameAddr};
use sip::{
    Admission, ClientId, DialogId, Endpoint, EndpointConfig, Event, Flow, Gate, Method, OutgoingRequest, Reply,
    Request, Response, Scope, Uri,
};

use super::link::Link;
use crate::exit::Refusal;

/// How long the server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(3);
/// How long the registration would last if nobody took it back.
const EXPIRES: &[u8] = b"120";
const FORBIDDEN: [u16; 3] = [401, 403, 407];

/// Who the phone is.
#[derive(Clone)]
pub(super) struct Login {
    /// Name and number.
    pub(super) username: String,
    /// Password.
    pub(super) password: String,
    /// Host of the addresses in its requests.
    pub(super) domain: String,
    /// Port of them, where the host is an address.
    pub(super) port: Option<u16>,
}

/// See the module's documentation.
pub(super) struct Phone {
    endpoint: Endpoint<()>,
    link: Link,
    login: Login,
    inviting: Option<ClientId>,
    dialog: Option<DialogId>,
    is_registered: bool,
}

/// A call that was answered.
pub(super) struct Answered {
    /// The description in the answer.
    pub(super) body: Bytes,
    /// From the first INVITE to the answer.
    pub(super) after: Duration,
}

/// Whoever sends to a phone's own socket may; what is answered is decided later.
struct Open;

impl Gate<()> for Open {
    fn admit(&mut self, _now: Instant, _flow: &Flow, _request: &Request, _scope: Scope) -> Admission<()> {
        Admission::Pass(())
    }
}

/// How a request of ours ended.
struct Outcome {
    response: Response,
    dialog: Option<DialogId>,
}

impl Phone {
    pub(super) fn new(link: Link, login: Login) -> Result<Self> {
        let server = concat!("YakYak self-test/", env!("CARGO_PKG_VERSION"));
        let endpoint = Endpoint::new(EndpointConfig::new(random()?, server));
        Ok(Self { endpoint, link, login, inviting: None, dialog: None, is_registered: false })
    }

    /// Registers with the password.
    pub(super) async fn register(&mut self) -> Result<()> {
        // Should the answer be lost, there is something to take back all the same.
        self.is_registered = true;
        let response = self.exchange_registration(EXPIRES).await?;
        if is_success(&response) {
            return Ok(());
        }
        self.is_registered = false;
        Err(self.refused(&response).into())
    }

    /// Calls a number with an offer; the call is up afterwards.
    pub(super) async fn call(&mut self, number: &str, call_id: &str, offer: Bytes) -> Result<Answered> {
        let uri = self.uri(Some(number));
        let to = NameAddr::new(uri.clone());
        let body = Some(("application/sdp".to_owned(), offer));
        let request = OutgoingRequest {
            call_id: Some(Bytes::copy_from_slice(call_id.as_bytes())),
            body,
            ..self.request(Method::Invite, uri, to)
        };
        let began = Instant::now();
        let Outcome { response, dialog } = self.exchange(request).await?;
        if let Some(dialog) = dialog.filter(|_| is_success(&response)) {
            let after = began.elapsed();
            self.confirm(dialog).await?;
            return Ok(Answered { body: response.body(), after });
        }
        match response.code() {
            401 | 407 => Err(self.refused(&response).into()),
            _ => Err(anyhow!("{number} was refused: {}", described(&response))),
        }
    }

    /// Acknowledges an answer: the call is up.
    async fn confirm(&mut self, dialog: DialogId) -> Result<()> {
        self.endpoint.ack(Instant::now(), dialog, None);
        self.dialog = Some(dialog);
        self.flush().await
    }

    /// Answers what the server asks, until it ends the call.
    pub(super) async fn until_hung_up(&mut self) -> Result<()> {
        while self.dialog.is_some() {
            let event = self.event().await?;
            self.attend(event);
        }
        self.flush().await
    }

    /// Ends the call, if it is still up or has not been answered.
    pub(super) async fn hang_up(&mut self) -> Result<()> {
        if let Some(invite) = self.inviting.take() {
            self.endpoint.cancel(Instant::now(), invite, None);
            let Outcome { response, dialog } = self.answer(invite).await?;
            // An answer may have crossed the CANCEL.
            if let Some(dialog) = dialog.filter(|_| is_success(&response)) {
                self.confirm(dialog).await?;
            }
        }
        let Some(dialog) = self.dialog.take() else { return Ok(()) };
        let bye = self.endpoint.in_dialog(Instant::now(), dialog, Method::Bye, Vec::new(), None)?;
        self.answer(bye).await.map(|_| ())
    }

    /// Ends whatever is going on and takes the registration back. What does not work is left to the server's own deadlines.
    pub(super) async fn leave(&mut self) {
        let goodbye = async {
            let _ = self.hang_up().await;
            if std::mem::take(&mut self.is_registered) {
                let _ = self.exchange_registration(b"0").await;
            }
        };
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }

    async fn exchange_registration(&mut self, expires: &'static [u8]) -> Result<Response> {
        let flow = self.link.flow();
        let contact = Uri::at(Some(&self.login.username), flow.local);
        let contact = contact.with_param("transport", Some(flow.transport.uri_param()));
        let to = NameAddr::new(self.uri(Some(&self.login.username)));
        let headers =
            vec![(Name::Contact, NameAddr::new(contact).to_bytes()), (Name::Expires, Bytes::from_static(expires))];
        let request = OutgoingRequest { headers, ..self.request(Method::Register, self.uri(None), to) };
        Ok(self.exchange(request).await?.response)
    }

    fn uri(&self, user: Option<&str>) -> Uri {
        Uri::sip(user, &self.login.domain, self.login.port)
    }

    fn request(&self, method: Method, uri: Uri, to: NameAddr) -> OutgoingRequest {
        OutgoingRequest {
            method,
            uri,
            flow: self.link.flow(),
            from: NameAddr::new(self.uri(Some(&self.login.username))),
            to,
            call_id: None,
            headers: Vec::new(),
            body: None,
            max_forwards: 70,
            route: Vec::new(),
        }
    }

    /// Sends a request, and once more when its answer asks for a password.
    async fn exchange(&mut self, request: OutgoingRequest) -> Result<Outcome> {
        let first = self.send(request.clone()).await?;
        let account = Account { username: &self.login.username, password: &self.login.password };
        let cnonce = random()?.map(|byte| b'a' + byte % 26);
        let client = ClientNonce { cnonce: &cnonce, nc: 1 };
        match authorization(&first.response, &request.method, &request.uri, account, &client) {
            Some(line) => {
                let mut request = request;
                request.headers.push(line);
                self.send(request).await
            }
            None => Ok(first),
        }
    }

    async fn send(&mut self, request: OutgoingRequest) -> Result<Outcome> {
        let now = Instant::now();
        if request.method != Method::Invite {
            let id = self.endpoint.request(now, request)?;
            return self.answer(id).await;
        }
        let id = self.endpoint.invite(now, request)?;
        self.inviting = Some(id);
        let outcome = self.answer(id).await?;
        self.inviting = None;
        Ok(outcome)
    }

    /// The final answer to a request.
    async fn answer(&mut self, wanted: ClientId) -> Result<Outcome> {
        let mut rings = false;
        let answer = async {
            loop {
                match self.event().await? {
                    Event::Response { id, response, dialog, .. } if id == wanted => {
                        if response.code() >= 200 {
                            return Ok(Outcome { response, dialog });
                        }
                        rings = true;
                    }
                    Event::Failed { id, .. } if id == wanted => {
                        self.inviting.take_if(|own| *own == wanted);
                        return Err(self.silent());
                    }
                    other => self.attend(other),
                }
            }
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer,
            Err(_) if rings => Err(anyhow!("it rings, and nobody answers; the echo test answers at once")),
            Err(_) => Err(self.silent()),
        }
    }

    /// Answers what nobody here waits for: a phone is asked whether it is there, and a call may be ended from the other side.
    fn attend(&mut self, event: Event<()>) {
        let (id, code) = match event {
            Event::Request { id, request, .. } if *request.method() == Method::Options => (id, 200),
            Event::Request { id, .. } => (id, 405),
            Event::Invite { id, .. } => (id, 486),
            Event::InDialog { id, request, dialog, .. } => match request.method() {
                Method::Bye => {
                    self.dialog.take_if(|own| *own == dialog);
                    (id, 200)
                }
                Method::Invite | Method::Update => (id, 488),
                _ => (id, 200),
            },
            Event::Cancelled { .. }
            | Event::Acked { .. }
            | Event::NoAck { .. }
            | Event::NoPrack { .. }
            | Event::Response { .. }
            | Event::Failed { .. } => return,
        };
        // A request that is gone already needs no answer.
        let _ = self.endpoint.respond(Instant::now(), id, Reply::new(code));
    }

    /// The next thing that happens.
    async fn event(&mut self) -> Result<Event<()>> {
        loop {
            self.flush().await?;
            if let Some(event) = self.endpoint.poll_event() {
                return Ok(event);
            }
            let due = self.endpoint.poll_timeout().unwrap_or_else(|| Instant::now() + PATIENCE);
            let flow = self.link.flow();
            tokio::select! {
                message = self.link.receive() => {
                    self.endpoint.handle_message(Instant::now(), flow, message?, &mut Open);
                }
                () = tokio::time::sleep_until(due.into()) => self.endpoint.handle_timeout(Instant::now()),
            }
        }
    }

    async fn flush(&mut self) -> Result<()> {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.link.send(&transmit.bytes).await?;
        }
        Ok(())
    }

    fn refused(&self, response: &Response) -> Refusal {
        let (name, what) = (&self.login.username, described(response));
        if FORBIDDEN.contains(&response.code()) {
            return Refusal::new(format!(
                "the server does not let {name} in ({what}): wrong name or password; `yakyak extension password` makes a new one"
            ));
        }
        Refusal::new(format!("the server does not register {name}: {what}"))
    }

    fn silent(&self) -> anyhow::Error {
        let flow = self.link.flow();
        Refusal::new(format!(
            "the server does not answer at {} over {}; see `yakyak status`, and `yakyak ban list` for banned addresses",
            flow.remote, flow.transport
        ))
        .into()
    }
}

fn is_success(response: &Response) -> bool {
    (200..300).contains(&response.code())
}

/// Code and words of an answer, and the sentence that says more if there is one.
fn described(response: &Response) -> String {
    let words = String::from_utf8_lossy(response.reason()).into_owned();
    let warning = response.headers().get(&Name::Warning).map(|text| format!("; {}", String::from_utf8_lossy(&text)));
    format!("{} {words}{}", response.code(), warning.unwrap_or_default())
}

/// Bytes that nobody can foresee.
pub(super) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| anyhow!("the system has no randomness: {error}"))?;
    Ok(bytes)
}
