//! Settings: defaults, then a file, then the environment.
//!
//! `config.toml` at the top of the project is both the documentation and the defaults: it is compiled in, and a key
//! that does not stand there does not exist.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat, Value, ValueKind};
use serde::{Deserialize, Deserializer};

use crate::exit::Refusal;

const DEFAULTS: &str = include_str!("../config.toml");
const PREFIX: &str = "YAKYAK";
/// The one section of which there may be several.
const NETWORK: &str = "network";

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// `[server]`
    pub server: Server,
    /// `[sip]`
    pub sip: Sip,
    /// `[tls]`
    pub tls: Tls,
    /// `[guard]`
    pub guard: Guard,
    /// `[rtp]`
    pub rtp: Rtp,
    /// `[media]`
    pub media: Media,
    /// `[database]`
    pub database: Database,
    /// `[trace]`
    pub trace: Trace,
    /// `[api]`
    pub api: Api,
    /// `[[network]]`, in the order of the file.
    pub network: Vec<Network>,
}

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    /// Journal, control socket and private database live here.
    #[serde(deserialize_with = "data_dir")]
    pub data_dir: PathBuf,
    /// Log filter.
    pub log: String,
    /// How long a stopping server lets calls finish.
    pub drain_timeout_s: u64,
}

/// `[sip]`
#[derive(Clone, Debug, Deserialize)]
pub struct Sip {
    /// Listening addresses for UDP.
    #[serde(deserialize_with = "addresses")]
    pub udp: Vec<SocketAddr>,
    /// Sockets for each UDP address.
    pub udp_sockets: usize,
    /// Listening addresses for TCP.
    #[serde(deserialize_with = "addresses")]
    pub tcp: Vec<SocketAddr>,
    /// Listening addresses for TLS.
    #[serde(deserialize_with = "addresses")]
    pub tls: Vec<SocketAddr>,
    /// Listening addresses for WebSockets.
    #[serde(deserialize_with = "addresses")]
    pub ws: Vec<SocketAddr>,
    /// Listening addresses for WebSockets inside TLS.
    #[serde(deserialize_with = "addresses")]
    pub wss: Vec<SocketAddr>,
    /// Connections in all.
    pub max_connections: usize,
    /// Connections of one address.
    pub max_connections_per_address: usize,
    /// Silence that ends a connection.
    pub connection_idle_s: u64,
    /// Address named in Via and Contact.
    #[serde(deserialize_with = "optional_address")]
    pub advertised_address: Option<IpAddr>,
    /// Registration time when the phone names none.
    pub default_expires_s: u32,
    /// Least registration time.
    pub min_expires_s: u32,
    /// Most registration time.
    pub max_expires_s: u32,
    /// Session interval; 0 for none.
    pub session_expires_s: u32,
    /// Least session interval.
    pub min_se_s: u32,
    /// Phones per extension.
    pub max_bindings_per_extension: usize,
    /// How often phones behind NAT and in browsers are asked whether they are there.
    pub qualify_every_s: u64,
}

/// `[tls]`
#[derive(Clone, Debug, Deserialize)]
pub struct Tls {
    /// PEM file with the chain; empty for one of our own making.
    pub certificate: PathBuf,
    /// PEM file with its key.
    pub private_key: PathBuf,
}

/// `[guard]`
#[derive(Clone, Debug, Deserialize)]
pub struct Guard {
    /// Addresses and ranges that are never banned.
    #[serde(deserialize_with = "allowed")]
    pub allow: Vec<sip::Prefix>,
    /// How long a first ban lasts.
    pub first_ban_s: u64,
    /// How long a ban lasts at the most.
    pub longest_ban_s: u64,
    /// Messages per second that are taken from an address where nobody is registered.
    pub strangers_per_s: u32,
}

/// `[rtp]`
#[derive(Clone, Debug, Deserialize)]
pub struct Rtp {
    /// First media port.
    pub port_range_start: u16,
    /// Last media port.
    pub port_range_end: u16,
    /// The media port that all browsers share.
    pub webrtc_port: u16,
    /// Address named in SDP.
    #[serde(deserialize_with = "optional_address")]
    pub advertised_address: Option<IpAddr>,
    /// Silence that ends a call.
    pub silence_timeout_s: u64,
    /// Rest of a port between calls.
    pub port_rest_s: u64,
}

/// `[media]`
#[derive(Clone, Debug, Deserialize)]
pub struct Media {
    /// Hosts and networks that are not public and may be fetched from.
    #[serde(deserialize_with = "fetchable")]
    pub fetch_allow: Vec<media_net::Allowed>,
    /// Folder of recordings; empty for one under the data directory.
    pub recordings: PathBuf,
}

impl Settings {
    /// The folder that recordings are kept in.
    pub fn recordings(&self) -> PathBuf {
        match self.media.recordings.as_os_str().is_empty() {
            true => self.server.data_dir.join("recordings"),
            false => self.media.recordings.clone(),
        }
    }
}

/// `[database]`
#[derive(Clone, Debug, Deserialize)]
pub struct Database {
    /// PostgreSQL URL; empty for the private database.
    pub url: String,
    /// Largest pool.
    pub max_connections: u32,
    /// Smallest pool.
    pub min_connections: u32,
    /// Seconds to wait for a connection.
    pub connect_timeout: u64,
    /// Seconds before an idle connection is closed.
    pub idle_timeout: u64,
    /// Seconds before a connection is renewed.
    pub max_lifetime: u64,
}

/// `[trace]`
#[derive(Clone, Debug, Deserialize)]
pub struct Trace {
    /// Whether SIP messages are kept at all.
    pub enabled: bool,
    /// Megabytes of memory for those that are not in the database.
    pub memory_mb: usize,
    /// Days that they stay in the database.
    pub retention_days: u32,
    /// Registrations that go to the database, at the most.
    pub registrations_per_minute: u32,
    /// Whether the text of messages between people is kept too.
    pub message_bodies: bool,
}

/// `[api]`
#[derive(Clone, Debug, Deserialize)]
pub struct Api {
    /// Listening addresses for HTTP.
    #[serde(deserialize_with = "addresses")]
    pub listen_address: Vec<SocketAddr>,
    /// Listening addresses for HTTPS.
    #[serde(deserialize_with = "addresses")]
    pub tls_listen_address: Vec<SocketAddr>,
}

/// `[[network]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The networks of the peers that are meant.
    #[serde(deserialize_with = "prefixes")]
    pub peers: Vec<sip::Prefix>,
    /// Address that they are told in Via and Contact; without one the local address that faces them.
    #[serde(default, deserialize_with = "optional_address")]
    pub sip_address: Option<IpAddr>,
    /// Address that they are told in SDP; without one the local address that faces them.
    #[serde(default, deserialize_with = "optional_address")]
    pub rtp_address: Option<IpAddr>,
}

impl Settings {
    /// What the peers of each network are told, and everybody else.
    #[must_use]
    pub fn advertised(&self, elsewhere: Option<IpAddr>, told: impl Fn(&Network) -> Option<IpAddr>) -> sip::Advertised {
        let each = self.network.iter().flat_map(|network| network.peers.iter().map(move |peers| (*peers, network)));
        each.fold(sip::Advertised::everywhere(elsewhere), |all, (peers, network)| all.with(peers, told(network)))
    }

    /// Reads defaults, `file` and the environment, in this order.
    ///
    /// # Errors
    /// One line that names the key and the remedy.
    pub fn load(file: Option<&Path>) -> Result<Self, Refusal> {
        Self::from_sources(file, std::env::vars().collect())
    }

    /// The same with a given environment.
    ///
    /// # Errors
    /// One line that names the key and the remedy.
    pub fn from_sources(file: Option<&Path>, environment: Vec<(String, String)>) -> Result<Self, Refusal> {
        let defaults = Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .build()
            .map_err(|error| Refusal::new(format!("the built-in defaults are broken: {error}")))?;
        let database_url = environment.iter().find(|(name, _)| name == "DATABASE_URL").map(|(_, url)| url.clone());
        let ours = environment
            .into_iter()
            .filter(|(name, _)| name.strip_prefix("YAKYAK_").is_some_and(|key| key.contains("__")))
            .collect();
        let variables =
            Environment::with_prefix(PREFIX).prefix_separator("_").separator("__").try_parsing(true).source(Some(ours));
        let mut builder = Config::builder().add_source(defaults.clone());
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Refusal::new(format!("{}: {error}; name a readable file with --config", path.display()))
            })?;
            let source = Config::builder()
                .add_source(File::from_str(&text, FileFormat::Toml))
                .build()
                .map_err(|error| Refusal::new(one_line(&format!("{}: {error}", path.display()))))?;
            known_keys(&source, &defaults, &path.display().to_string())?;
            builder = builder.add_source(source);
        }
        let from_environment = Config::builder()
            .add_source(variables)
            .build()
            .map_err(|error| Refusal::new(one_line(&format!("environment: {error}"))))?;
        known_keys(&from_environment, &defaults, "environment")?;
        let merged = builder
            .add_source(from_environment)
            .build()
            .map_err(|error| Refusal::new(one_line(&format!("configuration: {error}"))))?;
        let mut settings: Self = merged.try_deserialize().map_err(|error| {
            Refusal::new(one_line(&format!("configuration: {error}; see config.toml for what the key takes")))
        })?;
        if let (true, Some(url)) = (settings.database.url.is_empty(), database_url) {
            settings.database.url = url;
        }
        settings.check()?;
        Ok(settings)
    }

    /// What single values cannot show.
    fn check(&self) -> Result<(), Refusal> {
        let rtp = &self.rtp;
        if rtp.port_range_start < 1024 || rtp.port_range_end < rtp.port_range_start.saturating_add(3) {
            return Err(Refusal::new(format!(
                "[rtp] port_range_start {} and port_range_end {}: name a range above 1023 with room for at least four ports",
                rtp.port_range_start, rtp.port_range_end
            )));
        }
        if (1..1024).contains(&rtp.webrtc_port)
            || (rtp.port_range_start..=rtp.port_range_end).contains(&rtp.webrtc_port)
        {
            return Err(Refusal::new(format!(
                "[rtp] webrtc_port {}: name a port above 1023 and outside of port_range_start to port_range_end, or 0",
                rtp.webrtc_port
            )));
        }
        if self.sip.udp.is_empty() {
            return Err(Refusal::new("[sip] udp is empty: name at least one \"address:port\" to listen on"));
        }
        let tls = &self.tls;
        if tls.certificate.as_os_str().is_empty() != tls.private_key.as_os_str().is_empty() {
            return Err(Refusal::new(
                "[tls] certificate and private_key belong together: name both files, or neither for a certificate of our own",
            ));
        }
        let sip = &self.sip;
        if !(1..=16).contains(&sip.udp_sockets) {
            return Err(Refusal::new("[sip] udp_sockets: name 1 to 16 sockets for each UDP address"));
        }
        if sip.max_connections == 0 || sip.max_connections_per_address == 0 || sip.connection_idle_s == 0 {
            return Err(Refusal::new(
                "[sip] max_connections, max_connections_per_address and connection_idle_s must be at least 1; an empty list of \
                 addresses switches a transport off",
            ));
        }
        if !(sip.min_expires_s <= sip.default_expires_s && sip.default_expires_s <= sip.max_expires_s) {
            return Err(Refusal::new("[sip] needs min_expires_s ≤ default_expires_s ≤ max_expires_s"));
        }
        if sip.min_se_s < 90 || (1..sip.min_se_s).contains(&sip.session_expires_s) {
            return Err(Refusal::new("[sip] needs 90 ≤ min_se_s ≤ session_expires_s, or session_expires_s = 0"));
        }
        if self.trace.enabled && self.trace.memory_mb == 0 {
            return Err(Refusal::new("[trace] memory_mb is 0: name at least 1, or switch it off with enabled = false"));
        }
        let guard = &self.guard;
        if guard.first_ban_s == 0 || guard.longest_ban_s < guard.first_ban_s || guard.strangers_per_s == 0 {
            return Err(Refusal::new(
                "[guard] needs 1 ≤ first_ban_s ≤ longest_ban_s and 1 ≤ strangers_per_s; to except an address, name it in allow",
            ));
        }
        let database = &self.database;
        if database.max_connections == 0 || database.min_connections > database.max_connections {
            return Err(Refusal::new("[database] needs 1 ≤ max_connections and min_connections ≤ max_connections"));
        }
        Ok(())
    }
}

/// Refuses a key that `config.toml` does not have.
fn known_keys(source: &Config, defaults: &Config, origin: &str) -> Result<(), Refusal> {
    for (section, value) in &source.cache.kind.clone().into_table_or_empty() {
        if section == NETWORK {
            // A list of sections: its keys are checked where it is read.
            if !matches!(value.kind, ValueKind::Array(_)) {
                return Err(Refusal::new(format!("{origin}: network is a list; write [[network]] and keys below it")));
            }
            continue;
        }
        let known = match defaults.get_table(section) {
            Ok(known) => known,
            Err(_) => {
                return Err(Refusal::new(format!(
                    "{origin}: [{section}] is not a section; see config.toml for the list"
                )));
            }
        };
        let ValueKind::Table(keys) = &value.kind else {
            return Err(Refusal::new(format!("{origin}: {section} is a section; write [{section}] and keys below it")));
        };
        for key in keys.keys() {
            if !known.contains_key(key) {
                let mut names: Vec<_> = known.keys().cloned().collect();
                names.sort_unstable();
                return Err(Refusal::new(format!(
                    "{origin}: [{section}] {key} is not a key; it takes {}",
                    names.join(", ")
                )));
            }
        }
    }
    Ok(())
}

/// A table's entries; nothing for anything else.
trait IntoTable {
    fn into_table_or_empty(self) -> Vec<(String, Value)>;
}

impl IntoTable for ValueKind {
    fn into_table_or_empty(self) -> Vec<(String, Value)> {
        match self {
            ValueKind::Table(table) => table.into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn data_dir<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let text = String::deserialize(deserializer)?;
    if !text.is_empty() {
        return Ok(PathBuf::from(text));
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/yakyak"));
    }
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = base.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    Ok(base.unwrap_or_else(|| PathBuf::from(".")).join("yakyak"))
}

/// One address, several with commas, or a list.
fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SocketAddr>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
        /// A port alone, as the environment gives it.
        Port(u64),
    }
    let texts = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) if text.trim().is_empty() => Vec::new(),
        OneOrMany::One(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        OneOrMany::Many(texts) => texts,
        OneOrMany::Port(port) => vec![port.to_string()],
    };
    texts
        .iter()
        .map(|text| {
            text.parse().map_err(|_| {
                serde::de::Error::custom(format!(
                    "{text:?} is not an address with a port, such as 0.0.0.0:5060 or [::]:5060"
                ))
            })
        })
        .collect()
}

/// One network, or a list.
fn prefixes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<sip::Prefix>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    let texts = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    };
    let read = |text: &String| {
        text.parse().map_err(|_| {
            serde::de::Error::custom(format!(
                "[[network]] peers: {text:?} is not a network, such as 10.0.0.0/8 or fd00::/8"
            ))
        })
    };
    texts.iter().map(read).collect()
}

fn allowed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<sip::Prefix>, D::Error> {
    none_or_more(deserializer, |text| {
        text.parse().map_err(|_| {
            format!("[guard] allow: {text:?} is neither an address nor a network, such as 192.0.2.7 or 10.0.0.0/8")
        })
    })
}

fn fetchable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<media_net::Allowed>, D::Error> {
    none_or_more(deserializer, |text| {
        text.parse().map_err(|error: media_net::NotAllowable| format!("[media] fetch_allow: {text:?} is {error}"))
    })
}

/// One value, several with commas, or a list; none at all as well.
fn none_or_more<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    let texts = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        OneOrMany::Many(texts) => texts,
    };
    let values = texts.iter().filter(|text| !text.is_empty()).map(|text| read(text));
    values.collect::<Result<_, _>>().map_err(serde::de::Error::custom)
}

fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| serde::de::Error::custom(format!("{text:?} is not an IP address")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Settings, Refusal> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::from_sources(None, variables)
    }

    fn with_file(text: &str) -> Result<Settings, Refusal> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Settings::from_sources(Some(file.path()), Vec::new())
    }

    #[test]
    fn defaults_are_those_of_the_seed() {
        let settings = with(&[]).unwrap();
        let database = settings.database;
        assert_eq!((database.max_connections, database.min_connections, database.connect_timeout), (10, 2, 30));
        assert_eq!((database.idle_timeout, database.max_lifetime), (600, 1800));
        assert_eq!(settings.sip.udp.len(), 2);
    }

    #[test]
    fn the_environment_takes_one_address_or_several() {
        let one = with(&[("YAKYAK_SIP__UDP", "127.0.0.1:5070")]).unwrap();
        assert_eq!(one.sip.udp, ["127.0.0.1:5070".parse::<SocketAddr>().unwrap()]);
        let two = with(&[("YAKYAK_SIP__UDP", "127.0.0.1:5070, [::1]:5070")]).unwrap();
        assert_eq!(two.sip.udp.len(), 2);
    }

    #[test]
    fn an_empty_list_switches_a_transport_off() {
        let settings = with(&[("YAKYAK_SIP__WS", "")]).unwrap();
        assert!(settings.sip.ws.is_empty());
        assert_eq!((settings.sip.tcp.len(), settings.sip.tls.len(), settings.sip.wss.len()), (2, 2, 2));
        assert!(with_file("[sip]\ntcp = []").unwrap().sip.tcp.is_empty());
        let settings = with(&[("YAKYAK_API__TLS_LISTEN_ADDRESS", "")]).unwrap();
        assert!(settings.api.tls_listen_address.is_empty());
        assert_eq!(settings.api.listen_address, ["127.0.0.1:8080".parse::<SocketAddr>().unwrap()]);
    }

    #[test]
    fn numbers_and_the_database_url_come_from_the_environment() {
        let settings = with(&[
            ("YAKYAK_RTP__PORT_RANGE_START", "30000"),
            ("YAKYAK_RTP__PORT_RANGE_END", "30100"),
            ("DATABASE_URL", "postgres://elsewhere/db"),
            ("YAKYAK_SECRET_KEY", "no section, not a key of the file"),
        ])
        .unwrap();
        assert_eq!(settings.rtp.port_range_start, 30000);
        assert_eq!(settings.database.url, "postgres://elsewhere/db");
    }

    #[test]
    fn each_network_is_told_its_own_address() {
        let settings = with_file(
            "[sip]\nadvertised_address = \"203.0.113.5\"\n[[network]]\npeers = [\"10.0.0.0/8\", \"fd00::/8\"]\n\
             [[network]]\npeers = \"100.64.0.0/10\"\nsip_address = \"100.64.0.9\"\nrtp_address = \"100.64.0.10\"\n",
        )
        .unwrap();
        let sip = settings.advertised(settings.sip.advertised_address, |network| network.sip_address);
        let rtp = settings.advertised(settings.rtp.advertised_address, |network| network.rtp_address);
        let local = "192.0.2.1".parse().unwrap();
        let told = |peer: &str| {
            let peer = peer.parse().unwrap();
            (sip.facing(peer, local).to_string(), rtp.facing(peer, local).to_string())
        };
        assert_eq!(told("10.1.1.1"), ("192.0.2.1".to_owned(), "192.0.2.1".to_owned()));
        assert_eq!(told("100.64.3.3"), ("100.64.0.9".to_owned(), "100.64.0.10".to_owned()));
        assert_eq!(told("198.51.100.1"), ("203.0.113.5".to_owned(), "192.0.2.1".to_owned()));
        assert!(with(&[]).unwrap().network.is_empty());
    }

    #[test]
    fn hosts_and_networks_may_be_fetched_from() {
        let usual = with(&[]).unwrap();
        assert!(usual.media.fetch_allow.is_empty() && usual.recordings() == usual.server.data_dir.join("recordings"));
        let elsewhere = with_file("[media]\nrecordings = \"/var/spool/calls\"").unwrap();
        assert_eq!(elsewhere.recordings(), PathBuf::from("/var/spool/calls"));
        let both = ["media.lan".parse().unwrap(), "192.168.0.0/16".parse().unwrap()];
        let from_file = with_file("[media]\nfetch_allow = [\"media.lan\", \"192.168.0.0/16\"]").unwrap();
        assert_eq!(from_file.media.fetch_allow, both);
        let from_environment = with(&[("YAKYAK_MEDIA__FETCH_ALLOW", "media.lan, 192.168.0.0/16")]).unwrap();
        assert_eq!(from_environment.media.fetch_allow, both);
    }

    #[test]
    fn mistakes_are_named_with_their_key_in_one_line() {
        let cases = [
            ("[sip]\nupd = \"0.0.0.0:5060\"", "[sip] upd is not a key"),
            ("[spi]\nudp = \"0.0.0.0:5060\"", "[spi] is not a section"),
            ("sip = 3", "sip is a section"),
            ("[sip]\nudp = [\"5060\"]", "\"5060\" is not an address with a port"),
            ("[sip]\nudp = []", "[sip] udp is empty"),
            ("[sip]\nwss = [\"8089\"]", "sip.wss"),
            ("[sip]\nmax_connections = 0", "max_connections"),
            ("[api]\nlisten_address = \"8080\"", "api.listen_address"),
            ("[sip]\nudp_sockets = 0", "udp_sockets"),
            ("[tls]\ncertificate = \"/etc/yakyak.pem\"", "private_key"),
            ("[rtp]\nport_range_start = \"many\"", "rtp.port_range_start"),
            ("[rtp]\nport_range_start = 70000", "rtp.port_range_start"),
            ("[rtp]\nport_range_start = 20000\nport_range_end = 20001", "port_range_end"),
            ("[[network]]\npeers = \"lan\"", "\"lan\" is not a network"),
            ("[[network]]\npeers = \"10.0.0.0/8\"\nsip = \"10.0.0.1\"", "sip"),
            ("[[network]]\nsip_address = \"10.0.0.1\"", "peers"),
            ("[network]\npeers = \"10.0.0.0/8\"", "[[network]]"),
            ("[database]\nmax_connections = 0", "max_connections"),
            ("[sip]\nmin_expires_s = 7200", "min_expires_s"),
            ("[guard]\nallow = [\"10.0.0.0/33\"]", "10.0.0.0/33"),
            ("[media]\nfetch_allow = [\"http://media.lan/\"]", "[media] fetch_allow: \"http://media.lan/\""),
            ("[guard]\nfirst_ban_s = 0", "first_ban_s"),
            ("[sip", "TOML"),
        ];
        for (text, part) in cases {
            let line = with_file(text).unwrap_err().to_string();
            assert!(line.contains(part) || part == "TOML", "{text:?} gave {line:?}");
            assert!(!line.contains('\n'), "{line:?}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let line = Settings::from_sources(Some(Path::new("/nowhere/yakyak.toml")), Vec::new()).unwrap_err().to_string();
        assert!(line.contains("/nowhere/yakyak.toml") && line.contains("--config"), "{line}");
    }

    #[test]
    fn a_mistake_in_the_environment_is_named() {
        let line = with(&[("YAKYAK_SIP__UPD", "1")]).unwrap_err().to_string();
        assert!(line.contains("environment") && line.contains("upd"), "{line}");
    }
}
