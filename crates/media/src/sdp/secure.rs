//! The attributes that secure a stream or carry it through a NAT: keys, fingerprints, ICE.

use std::fmt;

use crate::dtls::Fingerprint;
use crate::limits;

/// Text that nobody may read in a log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// An `a=crypto` line (RFC 4568, 9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// Names the line; the answer repeats it.
    pub tag: u32,
    /// Name of the crypto-suite.
    pub suite: String,
    /// Key parameters, `inline:` and what follows.
    pub keys: Secret,
    /// Session parameters.
    pub session: Vec<String>,
}

impl Crypto {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next()?;
        let tag = tag.parse().ok().filter(|_| tag.len() <= 9)?;
        let suite = token(words.next()?)?;
        let keys = Secret(token(words.next()?)?);
        let session: Vec<String> = words.map(token).collect::<Option<_>>()?;
        (session.len() <= limits::SDP_CRYPTO_PARAMETERS).then_some(Crypto { tag, suite, keys, session })
    }

    pub(super) fn render(&self) -> String {
        let mut line = format!("{} {} {}", self.tag, self.suite, self.keys.0);
        for parameter in &self.session {
            line.push(' ');
            line.push_str(parameter);
        }
        line
    }
}

/// Who begins the DTLS handshake: `a=setup` (RFC 4145, 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The writer does.
    Active,
    /// The reader does.
    Passive,
    /// The reader chooses.
    ActPass,
    /// Nobody, for now.
    HoldConn,
}

impl Setup {
    const NAMES: [(&str, Setup); 4] = [
        ("active", Setup::Active),
        ("passive", Setup::Passive),
        ("actpass", Setup::ActPass),
        ("holdconn", Setup::HoldConn),
    ];

    pub(super) fn parse(value: &str) -> Option<Self> {
        Setup::NAMES.into_iter().find(|(name, _)| value.eq_ignore_ascii_case(name)).map(|(_, setup)| setup)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::ActPass => "actpass",
            Setup::HoldConn => "holdconn",
        }
    }
}

/// What may stand for the whole session or for one stream; the stream's own word counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secure {
    /// `a=fingerprint` lines with a hash that we know.
    pub fingerprints: Vec<Fingerprint>,
    /// `a=setup`.
    pub setup: Option<Setup>,
    /// `a=ice-ufrag` (RFC 8839, 5.4).
    pub ice_ufrag: Option<String>,
    /// `a=ice-pwd`.
    pub ice_pwd: Option<Secret>,
    /// `a=ice-options`, as it is written.
    pub ice_options: Option<String>,
}

impl Secure {
    /// Takes one attribute; whether it was one of these.
    pub(super) fn attribute(&mut self, name: &str, value: &str) -> bool {
        if name.eq_ignore_ascii_case("fingerprint") {
            if let Some(fingerprint) = Fingerprint::parse(value)
                && self.fingerprints.len() < limits::SDP_FINGERPRINTS
            {
                self.fingerprints.push(fingerprint);
            }
        } else if name.eq_ignore_ascii_case("setup") {
            self.setup = Setup::parse(value).or(self.setup);
        } else if name.eq_ignore_ascii_case("ice-ufrag") {
            self.ice_ufrag = ice_characters(value, 4).or(self.ice_ufrag.take());
        } else if name.eq_ignore_ascii_case("ice-pwd") {
            self.ice_pwd = ice_characters(value, 22).map(Secret).or(self.ice_pwd.take());
        } else if name.eq_ignore_ascii_case("ice-options") {
            self.ice_options = words(value).or(self.ice_options.take());
        } else {
            return false;
        }
        true
    }

    /// The attributes in the order in which they are written.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        let ufrag = self.ice_ufrag.iter().map(|ufrag| ("ice-ufrag", ufrag.clone()));
        let pwd = self.ice_pwd.iter().map(|pwd| ("ice-pwd", pwd.0.clone()));
        let options = self.ice_options.iter().map(|options| ("ice-options", options.clone()));
        let fingerprints = self.fingerprints.iter().map(|fingerprint| ("fingerprint", fingerprint.to_string()));
        let setup = self.setup.iter().map(|setup| ("setup", setup.name().to_owned()));
        ufrag.chain(pwd).chain(options).chain(fingerprints).chain(setup)
    }
}

/// The mids of a BUNDLE group (RFC 9143); nothing for a group of another kind.
pub(super) fn bundle(value: &str) -> Option<Vec<String>> {
    let mut words = value.split_ascii_whitespace();
    let semantics = words.next()?;
    let mids: Vec<String> = words.take(limits::SDP_MEDIA).map(token).collect::<Option<_>>()?;
    (semantics.eq_ignore_ascii_case("BUNDLE") && !mids.is_empty()).then_some(mids)
}

/// An `a=candidate` line that can lead somewhere: names of the local link (mDNS) cannot be looked up here.
pub(super) fn candidate(value: &str) -> Option<String> {
    let address = value.split_ascii_whitespace().nth(4)?;
    let local = address.to_ascii_lowercase().ends_with(".local");
    words(value).filter(|_| !local)
}

pub(super) fn token(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= limits::SDP_TOKEN && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// Tokens with a single blank between them.
pub(super) fn words(value: &str) -> Option<String> {
    let fits =
        value.len() <= limits::SDP_FMTP && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ' || b == b'\t');
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    (fits && !words.is_empty()).then(|| words.join(" "))
}

fn ice_characters(value: &str, least: usize) -> Option<String> {
    let fits = (least..=limits::SDP_TOKEN).contains(&value.len());
    (fits && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))).then(|| value.to_owned())
}
