//! What is kept of a description for people: a line of summary, and the text without its keys.

use super::{Description, Direction, Kind, Media};

/// Attributes and lines whose value is a key: RFC 4568, RFC 8839, RFC 4567, and the `k=` of old.
const KEYS: [&[u8]; 3] = [b"a=ice-pwd:", b"a=key-mgmt:", b"k="];
const CRYPTO: &[u8] = b"a=crypto:";
/// Codecs named in a summary.
const NAMED: usize = 3;

/// Masks the keys of a description where they stand, in the body of a message or in a part of it. Everything keeps its
/// length and its place.
pub fn mask_keys(body: &mut [u8]) {
    for line in body.split_mut(|byte| matches!(byte, b'\n' | b'\r')) {
        let begins = |name: &[u8]| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        let from = if begins(CRYPTO) {
            // Tag and suite stay.
            line.iter().enumerate().filter(|(_, byte)| **byte == b' ').nth(1).map(|(at, _)| at)
        } else {
            KEYS.iter().find(|name| begins(name)).map(|name| name.len())
        };
        let Some(from) = from else { continue };
        for byte in line[from..].iter_mut().filter(|byte| !matches!(**byte, b' ' | b'\t')) {
            *byte = b'*';
        }
    }
}

/// The first audio stream in a few words, such as `PCMU PCMA sendonly`. Nothing for a body that is no description or has no
/// audio.
pub fn summary(body: &[u8]) -> Option<String> {
    let description = Description::parse(body).ok()?;
    let audio = description.media.iter().find(|media| media.kind == Kind::Audio)?;
    if audio.port == 0 {
        return Some("refused".to_owned());
    }
    let names: Vec<String> = audio.formats.iter().filter_map(|format| name(audio, format)).collect();
    let more = if names.len() > NAMED { "…" } else { "" };
    let direction = word(audio.direction.or(description.direction).unwrap_or_default());
    let codecs: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    Some(format!("{}{more} {direction}", codecs.join(" ")).trim_start().to_owned())
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::SendReceive => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::ReceiveOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

/// The name of a format; none for telephone events and comfort noise, which no ear hears.
fn name(media: &Media, format: &str) -> Option<String> {
    let payload_type: u8 = format.parse().ok()?;
    let named = media.rtpmaps.iter().find(|rtpmap| rtpmap.payload_type == payload_type);
    let name = match (named, payload_type) {
        (Some(rtpmap), _) => rtpmap.encoding.clone(),
        (None, 0) => "PCMU".to_owned(),
        (None, 3) => "GSM".to_owned(),
        (None, 8) => "PCMA".to_owned(),
        (None, 9) => "G722".to_owned(),
        (None, 18) => "G729".to_owned(),
        (None, other) => other.to_string(),
    };
    let silent = name.eq_ignore_ascii_case("telephone-event") || name.eq_ignore_ascii_case("CN");
    (!silent).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{mask_keys, summary};

    #[test]
    fn keys_are_masked_where_they_stand() {
        let text = "v=0\r\nk=clear:abc\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2Vj|2^20 X=1\r\nA=ICE-PWD:secret\r\n\
                    a=ice-ufrag:F\r\na=crypto:1\r\n";
        let mut body = text.as_bytes().to_vec();
        mask_keys(&mut body);
        let expected = text
            .replace("clear:abc", "*********")
            .replace("inline:c2Vj|2^20 X=1", "**************** ***")
            .replace(":secret", ":******");
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn a_description_in_a_few_words() {
        let head = "v=0\r\nc=IN IP4 127.0.0.1\r\n";
        for (rest, wanted) in [
            ("m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n", Some("PCMU PCMA sendrecv")),
            ("m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n", Some("PCMA sendonly")),
            (
                "a=inactive\r\nm=audio 4000 RTP/AVP 96 0 8 9\r\na=rtpmap:96 opus/48000/2\r\n",
                Some("opus PCMU PCMA… inactive"),
            ),
            ("m=audio 0 RTP/AVP 8\r\n", Some("refused")),
            ("m=video 4000 RTP/AVP 96\r\n", None),
        ] {
            assert_eq!(summary(format!("{head}{rest}").as_bytes()).as_deref(), wanted, "{rest}");
        }
        assert_eq!(summary(b"hello"), None);
    }
}
