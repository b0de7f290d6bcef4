//! How the phones of an extension speak: encryption, browsers, key presses.

use serde::{Deserialize, Serialize};

use crate::tenant::text_enum;

/// What is agreed with the phones of an extension about their audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Audio {
    /// Whether it is encrypted.
    pub srtp: SrtpPolicy,
    /// How a call to a phone offers encryption.
    pub srtp_keys: SrtpKeys,
    /// Which phones are browsers.
    pub webrtc: WebRtc,
    /// How key presses reach a phone.
    pub dtmf: DtmfMode,
}

/// Whether audio is encrypted (RFC 3711).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SrtpPolicy {
    /// Never; an offer that insists on it is refused.
    Off,
    /// Where the phone can.
    #[default]
    Prefer,
    /// Always; a phone that cannot is refused.
    Require,
}

/// Where the keys of a call to a phone come from. A phone that calls chooses for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SrtpKeys {
    /// From the session description (RFC 4568).
    #[default]
    Sdes,
    /// From a handshake on the path of the audio (RFC 5764).
    Dtls,
}

/// Which phones get an offer that browsers understand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebRtc {
    /// Those that are registered over a WebSocket.
    #[default]
    Auto,
    /// All of them.
    On,
    /// None.
    Off,
}

/// How key presses reach a phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DtmfMode {
    /// As telephone events where the phone names them, else as tones.
    #[default]
    Auto,
    /// As telephone events (RFC 4733).
    Rfc4733,
    /// In SIP INFO (`application/dtmf-relay`).
    Info,
    /// As tones in the audio.
    Inband,
}

text_enum!(SrtpPolicy { Off = "off", Prefer = "prefer", Require = "require" });
text_enum!(SrtpKeys { Sdes = "sdes", Dtls = "dtls" });
text_enum!(WebRtc { Auto = "auto", On = "on", Off = "off" });
text_enum!(DtmfMode { Auto = "auto", Rfc4733 = "rfc4733", Info = "info", Inband = "inband" });
