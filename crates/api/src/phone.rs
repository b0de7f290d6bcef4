//! The page with a phone in it.

use std::net::IpAddr;

use serde::Serialize;

use crate::asset::Asset;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// What the page must know of this server, `/phone/config.json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PhoneConfig {
    /// The port of SIP over WebSocket, if there is one.
    pub ws: Option<u16>,
    /// The port of SIP over WebSocket inside TLS, if there is one.
    pub wss: Option<u16>,
    /// The port of this page inside TLS, if there is one.
    pub https: Option<u16>,
    /// What stands for this machine in a SIP address when the page was opened by a name, which is no tenant's domain.
    pub address: Option<IpAddr>,
}

/// The files of the page, by their paths.
pub(crate) fn assets() -> [(&'static str, Asset); 5] {
    [
        ("/phone", Asset::new(HTML, include_bytes!("../web/phone/index.html"))),
        ("/phone/phone.css", Asset::new(CSS, include_bytes!("../web/phone/phone.css"))),
        ("/phone/phone.js", Asset::new(SCRIPT, include_bytes!("../web/phone/phone.js"))),
        ("/phone/icon.svg", Asset::new(SVG, include_bytes!("../web/phone/icon.svg"))),
        ("/phone/jssip.js", Asset::new(SCRIPT, include_bytes!(concat!(env!("OUT_DIR"), "/jssip.js")))),
    ]
}
