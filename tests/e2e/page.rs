//! The page `/phone` in headless Chromium, as a newcomer uses it.

use std::collections::VecDeque;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::server::{Login, Server};

/// A page that is open, with a microphone that hums.
pub(crate) struct Page {
    browser: Browser,
    /// What the page has gone through while commands were carried out, and nobody has waited for yet.
    pending: VecDeque<Value>,
}

impl Page {
    fn open(url: &str) -> Self {
        Self::open_in("light", url)
    }

    /// The page of somebody whose microphone hums so, logged in.
    pub(crate) fn humming(server: &Server, login: &Login, hz: u32) -> Self {
        let mut page = Self::open_with("light", &url(server), &[hz.to_string()]);
        page.types(login, &login.password);
        page.until("login", "in");
        page
    }

    /// The page in the colours of a scheme.
    fn open_in(scheme: &str, url: &str) -> Self {
        Self::open_with(scheme, url, &[])
    }

    fn open_with(scheme: &str, url: &str, arguments: &[String]) -> Self {
        let mut page = Self { browser: Browser::start_driver("webphone.mjs", arguments), pending: VecDeque::new() };
        let opened = page.does(json!({ "do": "open", "url": url, "scheme": scheme }));
        assert_eq!(opened["status"], 200);
        page
    }

    /// One command, carried out.
    pub(crate) fn does(&mut self, command: Value) -> Value {
        self.browser.does(&command);
        let pending = &mut self.pending;
        let done = self.browser.wait_for_event(&command.to_string(), |event| {
            let done = event["event"] == "done";
            if !done {
                pending.push_back(event.clone());
            }
            done
        });
        assert_eq!(done["do"], command["do"]);
        done
    }

    fn types(&mut self, login: &Login, password: &str) {
        self.does(json!({ "do": "register", "user": login.username, "password": password }));
    }

    /// Waits until the page is logged in, a call stands so, or a complaint of the page has this in it.
    pub(crate) fn until(&mut self, kind: &str, state: &str) {
        let is_it = |event: &Value| {
            let said = event["state"].as_str().unwrap_or_default();
            event["event"] == kind && (said == state || kind == "complaint" && said.contains(state))
        };
        while let Some(event) = self.pending.pop_front() {
            if is_it(&event) {
                return;
            }
        }
        self.browser.wait_for_event(&format!("{kind} {state}"), is_it);
    }

    /// Neither an exception nor a word of the browser on its console: no violation of the policy, no missing file.
    pub(crate) fn is_clean(&mut self) -> Value {
        let state = self.does(json!({ "do": "state" }));
        assert_eq!(state["messages"], json!([]), "{state:#}");
        assert_eq!((&state["overflow"], &state["unlabelled"]), (&json!(false), &json!([])), "{state:#}");
        state
    }

    /// A picture, where whoever changes the page can look at it.
    fn shot(&mut self, name: &str) {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("phone-{name}.png"));
        self.does(json!({ "do": "shot", "path": path }));
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 5_000, "{name}: {} bytes", bytes.len());
    }
}

fn url(server: &Server) -> String {
    format!("http://{}/phone", server.http())
}

#[test]
fn the_page_logs_in_keeps_its_login_over_a_reload_and_logs_out() {
    let server = Server::start();
    let login = server.login("1001");
    let pages = &server.ready["phone_pages"];
    assert_eq!(pages[0], url(&server));
    assert_eq!(server.json(&["status"])["phone_pages"], *pages);
    let status = server.command(&["status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains(&url(&server)), "{status:?}");

    let mut page = Page::open(&url(&server));
    page.is_clean();
    page.types(&login, &login.password);
    page.until("login", "in");
    let listed = server.json(&["registration", "list"]);
    assert_eq!((&listed[0]["extension"], listed[0]["transport"].as_str()), (&json!("1001"), Some("ws")), "{listed:#}");
    assert!(listed[0]["user_agent"].as_str().unwrap().contains("YakYak phone"), "{listed:#}");
    assert_eq!(page.is_clean()["presence"], "Logged in as 1001");

    page.does(json!({ "do": "reload" }));
    page.until("login", "in");
    server.until("one registration", &["registration", "list"], |list| list.as_array().unwrap().len() == 1);

    page.does(json!({ "do": "log_out" }));
    page.until("login", "out");
    server.until("nobody is registered", &["registration", "list"], |list| list.as_array().unwrap().is_empty());
    let kept = page.is_clean();
    assert!(!kept["kept"].to_string().contains(&login.password), "the password is forgotten: {kept:#}");
}

#[test]
fn a_wrong_password_and_a_server_that_is_not_there_are_explained() {
    let server = Server::start();
    let login = server.login("1001");
    let mut page = Page::open(&url(&server));
    page.types(&login, "not-the-password");
    page.until("complaint", "does not know 1001 with this password");
    page.types(&login, &login.password);
    page.until("login", "in");
    page.does(json!({ "do": "log_out" }));

    let nobody = "ws://127.0.0.1:9";
    page.does(json!({ "do": "register", "user": "1001", "password": "x", "server": nobody }));
    page.until("complaint", "127.0.0.1:9 cannot be reached");
    page.does(json!({ "do": "register", "user": "1001", "password": "x", "server": "http://127.0.0.1" }));
    page.until("complaint", "begins with ws:// or wss://");
    let listed = server.json(&["registration", "list"]);
    assert_eq!(listed, json!([]));
}

#[test]
fn a_number_that_is_not_there_is_explained() {
    let server = Server::start();
    let login = server.login("1001");
    let mut page = Page::open(&url(&server));
    page.types(&login, &login.password);
    page.until("login", "in");
    page.does(json!({ "do": "call", "number": "7777" }));
    page.until("call", "calling");
    page.until("call", "none");
    page.until("complaint", "There is no number 7777");
    page.is_clean();
}

#[test]
fn over_https_the_page_talks_to_wss() {
    let server = Server::start();
    let login = server.login("1002");
    let mut page = Page::open(&format!("https://{}/phone", server.https()));
    page.types(&login, &login.password);
    page.until("login", "in");
    let listed = server.json(&["registration", "list"]);
    assert_eq!((&listed[0]["extension"], listed[0]["transport"].as_str()), (&json!("1002"), Some("wss")), "{listed:#}");
    page.is_clean();
}

#[test]
fn a_page_opened_by_the_name_of_the_machine_belongs_to_the_first_tenant() {
    let server = Server::start();
    let login = server.login("1001");
    let mut page = Page::open(&format!("http://localhost:{}/phone", server.http().port()));
    page.types(&login, &login.password);
    page.until("login", "in");
    assert_eq!(server.json(&["registration", "list"])[0]["extension"], "1001");
    page.is_clean();
}

#[test]
fn the_page_fits_a_small_screen_in_light_and_dark() {
    let server = Server::start();
    let login = server.login("1001");
    for scheme in ["light", "dark"] {
        let mut page = Page::open_in(scheme, &url(&server));
        page.is_clean();
        page.shot(&format!("login-{scheme}"));
        page.types(&login, "not-the-password");
        page.until("complaint", "password");
        page.is_clean();
        page.shot(&format!("refused-{scheme}"));
        page.types(&login, &login.password);
        page.until("login", "in");
        page.is_clean();
        page.shot(&format!("dial-{scheme}"));
    }
}

/// The instrument before the measurement: what `tone` says of a tone that went through two peer connections.
#[test]
fn the_ear_of_the_driver_hears_which_tone_comes() {
    let server = Server::start();
    let mut page = Page::open(&url(&server));
    for hz in [440.0, 1_000.0] {
        let heard = page.does(json!({ "do": "loop", "hz": hz }));
        let measured = heard["hz"].as_f64().unwrap();
        assert!((measured - hz).abs() < 12.0, "{hz} Hz was heard as {heard}");
        assert!(heard["packets_in"].as_u64().unwrap() > 20 && heard["energy"].as_f64().unwrap() > 0.001, "{heard}");
        assert!(heard["pair"]["remote"].as_str().unwrap().contains("udp"), "{heard}");
    }
}
