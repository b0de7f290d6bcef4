//! The grammar of the command line. Nouns are singular; the plurals of the lists are accepted as well.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use domain::{DtmfMode, SrtpKeys, SrtpPolicy, WebRtc};

use super::choice::{OrOff, Switch};

/// A native, multi-tenant SIP/RTP softswitch and PBX.
#[derive(Debug, Parser)]
#[command(
    name = "yakyak",
    version,
    after_help = "Examples:\n  yakyak serve\n  yakyak tenant create \"Acme Ltd\" --domain sip.acme.example\n  \
                  yakyak extension create --tenant acme-ltd 201 --name Reception\n  yakyak call list"
)]
pub struct Arguments {
    /// Configuration file; config.toml in the project explains every key
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the server keeps its data; overrides [server] data_dir
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the switch until it is told to stop
    #[command(after_help = "Examples:\n  yakyak serve\n  yakyak serve --config /etc/yakyak.toml\n  \
                            YAKYAK_SIP__UDP=127.0.0.1:5070 yakyak serve --data-dir /tmp/yakyak")]
    Serve,
    /// Say whether a server runs on this data directory, and where
    #[command(after_help = "Examples:\n  yakyak status\n  yakyak status --json")]
    Status,
    /// Customers that share this switch
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Numbers inside a tenant, and the passwords of their phones
    #[command(subcommand)]
    Extension(ExtensionCommand),
    /// Phones that are registered now
    #[command(subcommand, alias = "registrations")]
    Registration(ListCommand),
    /// Calls that are going on now
    #[command(subcommand, alias = "calls")]
    Call(ListCommand),
    /// Addresses that are not listened to, since they tried too many passwords, names or domains
    #[command(subcommand, alias = "bans")]
    Ban(BanCommand),
    /// The record of calls
    #[command(subcommand, alias = "cdrs")]
    Cdr(CdrCommand),
    /// Call the running server as a phone would, and tell what was heard
    #[command(after_help = "Examples:\n  yakyak selftest\n  yakyak selftest --webrtc\n  \
                            yakyak selftest --extension 1001 --password-stdin < password\n  \
                            yakyak selftest --server pbx.example:5060 --extension 1001 --password PW\n\n\
                            The echo test is called twice, in plain RTP and encrypted (SDES); with --webrtc once, over a WebSocket\n\
                            with ICE and DTLS-SRTP. A tone is spoken for three seconds and must come back. SET-UP is the time\n\
                            until audio can flow, HEARD what came back (-13.3 dB is as loud as it was sent), MOS how it sounds from 1\n\
                            to 4.5. The phone is a temporary extension that is deleted again; the calls stay in `yakyak cdr list`\n\
                            like all others. Without --server nothing leaves this machine. The exit code is 0 only when every call\n\
                            is good.")]
    Selftest(SelftestArguments),
    /// Draw the SIP messages of a call or a registration as a ladder
    #[command(after_help = "Examples:\n  yakyak trace 0199f3a2-7c11-7d1e-9a6b-0242ac120002\n  \
                            yakyak trace 3848276298220188511@192.0.2.7 --full\n  \
                            yakyak trace 0199f3a2-7c11-7d1e-9a6b-0242ac120002 --pcap call.pcap\n\n\
                            `yakyak cdr list --json` and `yakyak call list` name the ids of calls. Passwords, tokens and keys are\n\
                            masked. In the capture file every message is one UDP datagram, also where it travelled over TCP, TLS\n\
                            or a WebSocket: Wireshark and sngrep read it, and the addresses and ports are the true ones.")]
    Trace(TraceArguments),
    /// Look up where requests for a SIP URI go: NAPTR, SRV and addresses, in the order in which they are tried (RFC 3263)
    #[command(after_help = "Examples:\n  yakyak locate sip:carrier.example\n  \
                            yakyak locate \"sip:carrier.example;transport=tcp\" --server 127.0.0.1:53")]
    Locate {
        /// The URI
        uri: String,
        /// A name server to ask instead of the machine's own
        #[arg(long, value_name = "ADDRESS:PORT")]
        server: Option<SocketAddr>,
        /// Length of the request in bytes; from 1301 on TCP is tried before UDP
        #[arg(long, default_value_t = 800)]
        bytes: usize,
    },
}

/// `yakyak selftest …`
#[derive(Args, Debug)]
pub struct SelftestArguments {
    /// Call as a browser does, with ICE and DTLS-SRTP, over a WebSocket (if built with --features selftest-webrtc)
    #[arg(long)]
    pub webrtc: bool,
    /// What to dial; it must send back what it hears
    #[arg(long, value_name = "N", default_value = "*43")]
    pub number: String,
    /// Be the phone of this tenant (slug) instead of the default one
    #[arg(long)]
    pub tenant: Option<String>,
    /// Be the phone of this extension instead of a temporary one
    #[arg(long, value_name = "N")]
    pub extension: Option<String>,
    #[command(flatten)]
    pub password: Password,
    /// Call this server instead of the one that runs here: its SIP over UDP, with --webrtc its SIP over WebSocket
    #[arg(long, value_name = "HOST:PORT")]
    pub server: Option<String>,
}

/// `yakyak trace …`
#[derive(Args, Debug)]
pub struct TraceArguments {
    /// Id of a call record, or the Call-ID header of any of its legs or of a registration
    pub id: String,
    /// Only of this tenant (slug)
    #[arg(long)]
    pub tenant: Option<String>,
    /// Print the whole messages instead of the ladder
    #[arg(long)]
    pub full: bool,
    /// Write a capture file for Wireshark or sngrep instead
    #[arg(long, value_name = "FILE", conflicts_with = "full")]
    pub pcap: Option<PathBuf>,
}

/// `yakyak tenant …`
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Create a tenant
    #[command(after_help = "Example:\n  yakyak tenant create \"Acme Ltd\" --domain sip.acme.example")]
    Create {
        /// Name people read
        name: String,
        /// SIP domain; it also becomes the digest realm, which never changes
        #[arg(long)]
        domain: String,
    },
    /// List the tenants
    #[command(after_help = "Example:\n  yakyak tenant list --json")]
    List,
    /// Change what a tenant may do and how it behaves; calls that run go on as they are
    #[command(
        after_help = "Examples:\n  yakyak tenant update acme-ltd --ring-timeout-s 20 --max-concurrent-calls 50\n  \
                            yakyak tenant update acme-ltd --sip-login device\n  \
                            yakyak tenant update acme-ltd --emergency-numbers 112,911\n  \
                            yakyak tenant update acme-ltd --add-domain pbx.acme.example",
        alias = "set"
    )]
    Update(TenantUpdate),
}

/// `yakyak tenant update …`
#[derive(Args, Debug)]
pub struct TenantUpdate {
    /// Slug of the tenant
    pub tenant: String,
    /// active, suspended or cancelled
    #[arg(long)]
    pub status: Option<domain::TenantStatus>,
    /// What phones log in with: number, device or both
    #[arg(long)]
    pub sip_login: Option<domain::SipLogin>,
    /// Digest algorithms of the challenge: md5, sha256_md5 or sha256
    #[arg(long)]
    pub digest: Option<domain::DigestOffer>,
    /// Whether requests that name only this machine's address belong to this tenant
    #[arg(long, value_name = "true|false")]
    pub default: Option<bool>,
    /// How many calls may exist at once
    #[arg(long, value_name = "N")]
    pub max_concurrent_calls: Option<u32>,
    /// How long an extension rings before the call ends as not answered, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub ring_timeout_s: Option<u32>,
    /// All emergency numbers, separated by commas, or none; calls to them pass every limit
    #[arg(long, value_name = "N,N…", value_delimiter = ',')]
    pub emergency_numbers: Option<Vec<String>>,
    /// A further SIP domain of the tenant
    #[arg(long, value_name = "DOMAIN")]
    pub add_domain: Option<String>,
}

/// `yakyak extension …`
#[derive(Debug, Subcommand)]
pub enum ExtensionCommand {
    /// Create an extension and print the login for its phone, once
    #[command(after_help = "Examples:\n  yakyak extension create --tenant demo 1003 --name \"Front desk\"\n  \
                            pass show phone | yakyak extension create --tenant demo 1004 --password-stdin")]
    Create {
        /// Slug of the tenant (see `yakyak tenant list`)
        #[arg(long)]
        tenant: String,
        /// Two to five digits
        number: String,
        /// Name shown on other phones
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        password: Password,
    },
    /// List the extensions of a tenant
    #[command(after_help = "Example:\n  yakyak extension list --tenant demo")]
    List {
        /// Slug of the tenant
        #[arg(long)]
        tenant: String,
    },
    /// Show what an extension does with its calls
    #[command(after_help = "Example:\n  yakyak extension show --tenant demo 1003")]
    Show {
        /// Slug of the tenant
        #[arg(long)]
        tenant: String,
        /// The number
        number: String,
    },
    /// Change what an extension does with its calls; the next call follows it
    #[command(
        after_help = "Examples:\n  yakyak extension set --tenant demo 1003 --forward-no-answer 1004 --no-answer-timeout 15\n  \
                            yakyak extension set --tenant demo 1003 --forward-always off --dnd on\n  \
                            yakyak extension set --tenant demo 1003 --call-waiting off --forward-busy 1004\n\n\
                            A forward is a number that the extension itself could dial. Several forwards may follow one \
                            another; a circle ends the call."
    )]
    Set(ExtensionSet),
    /// Delete an extension; its phones can no longer register or be called
    #[command(after_help = "Example:\n  yakyak extension delete --tenant demo 1003")]
    Delete {
        /// Slug of the tenant
        #[arg(long)]
        tenant: String,
        /// The number
        number: String,
    },
    /// Give an extension a new password and print it, once
    #[command(after_help = "Example:\n  yakyak extension password --tenant demo 1003")]
    Password {
        /// Slug of the tenant
        #[arg(long)]
        tenant: String,
        /// The number
        number: String,
        #[command(flatten)]
        password: Password,
    },
}

/// `yakyak extension set …`
#[derive(Args, Debug)]
pub struct ExtensionSet {
    /// Slug of the tenant
    #[arg(long)]
    pub tenant: String,
    /// The number
    pub number: String,
    #[command(flatten)]
    pub change: ExtensionChange,
}

/// What may change.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
pub struct ExtensionChange {
    /// Send every call to this number
    #[arg(long, value_name = "N|off")]
    pub forward_always: Option<OrOff<String>>,
    /// Send calls to this number when the extension is busy or not to be disturbed
    #[arg(long, value_name = "N|off")]
    pub forward_busy: Option<OrOff<String>>,
    /// Send calls to this number when nobody answers in time
    #[arg(long, value_name = "N|off")]
    pub forward_no_answer: Option<OrOff<String>>,
    /// Send calls to this number when no phone is registered
    #[arg(long, value_name = "N|off")]
    pub forward_not_registered: Option<OrOff<String>>,
    /// Do not disturb: turn calls away without ringing
    #[arg(long, value_name = "on|off")]
    pub dnd: Option<Switch>,
    /// Whether a further call rings while one is going on
    #[arg(long, value_name = "on|off")]
    pub call_waiting: Option<Switch>,
    /// Be busy from this many calls on, 1 to 1000
    #[arg(long, value_name = "N|off")]
    pub max_calls: Option<OrOff<u32>>,
    /// How long it rings, 1 to 3600 seconds; off means the tenant's time
    #[arg(long, value_name = "SECONDS|off")]
    pub no_answer_timeout: Option<OrOff<u32>>,
    /// Encrypt its audio: never, where the phone can, or always
    #[arg(long, value_name = "off|prefer|require")]
    pub srtp: Option<SrtpPolicy>,
    /// How calls to it offer encryption: keys in the description, or a handshake
    #[arg(long, value_name = "sdes|dtls")]
    pub srtp_keys: Option<SrtpKeys>,
    /// Which of its phones are browsers: those on a WebSocket, all, or none
    #[arg(long, value_name = "auto|on|off")]
    pub webrtc: Option<WebRtc>,
    /// How key presses reach it: events where it knows them, events, SIP INFO, or tones
    #[arg(long, value_name = "auto|rfc4733|info|inband")]
    pub dtmf: Option<DtmfMode>,
}

/// Where a password comes from: made up by default.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub struct Password {
    /// Use this password; others on the machine can see it while the command runs
    #[arg(long, value_name = "PW")]
    pub password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    pub password_stdin: bool,
}

/// Lists of live things.
#[derive(Debug, Subcommand)]
pub enum ListCommand {
    /// List them
    #[command(after_help = "Example:\n  yakyak registration list --tenant demo")]
    List {
        /// Only this tenant (slug)
        #[arg(long)]
        tenant: Option<String>,
    },
}

/// `yakyak ban …`
#[derive(Debug, Subcommand)]
pub enum BanCommand {
    /// List who is banned, until when and why
    #[command(after_help = "Examples:\n  yakyak ban list\n  yakyak ban list --json")]
    List,
    /// Ban an address by hand; of an IPv6 address, its whole /64
    #[command(after_help = "Examples:\n  yakyak ban add 192.0.2.7\n  \
                            yakyak ban add 2001:db8::7 --for 7d --reason \"calls at night\"")]
    Add {
        /// IP address
        #[arg(value_parser = super::ban::address)]
        address: IpAddr,
        /// How long: 90s, 15m, 1h, 7d
        #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = super::ban::duration)]
        lasts: Duration,
        /// Why, for the list
        #[arg(long, value_name = "TEXT", default_value = "by hand")]
        reason: String,
    },
    /// Let an address in again, or all of them, and forget what they did
    #[command(after_help = "Examples:\n  yakyak ban remove 192.0.2.7\n  yakyak ban remove --all\n\n\
                            An address that shall never be banned belongs into [guard] allow of the configuration.")]
    Remove {
        /// IP address
        #[arg(value_parser = super::ban::address, conflicts_with = "all")]
        address: Option<IpAddr>,
        /// Every one
        #[arg(long)]
        all: bool,
    },
}

/// `yakyak cdr …`
#[derive(Debug, Subcommand)]
pub enum CdrCommand {
    /// List the newest call records
    #[command(after_help = "Examples:\n  yakyak cdr list\n  yakyak cdr list --tenant demo --limit 10 --json")]
    List {
        /// Only this tenant (slug)
        #[arg(long)]
        tenant: Option<String>,
        /// How many at the most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
}
