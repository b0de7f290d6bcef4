//! What is kept of a description for people: a line of summary, and the text without its keys.

use super::{Description, Direction, Kind, Media};

/// Attributes whose value is a key as a whole: RFC 8839, RFC 4567.
const KEYS: [&[u8]; 2] = [b"ice-pwd", b"key-mgmt"];
const CRYPTO: &[u8] = b"crypto";
const INLINE: &[u8] = b"inline:";
/// Codecs named in a summary.
const NAMED: usize = 3;

/// Masks the keys of a description where they stand, in the body of a message or in a part of it. Everything keeps its
/// length and its place.
pub fn mask_keys(body: &mut [u8]) {
    for line in body.split_mut(|byte| matches!(byte, b'\n' | b'\r')) {
        let Some(from) = key_of(line) else { continue };
        for byte in line[from..].iter_mut().filter(|byte| !matches!(**byte, b' ' | b'\t')) {
            *byte = b'*';
        }
    }
}

/// Where the key of a line begins. As tolerant as the reading of descriptions: what is understood is masked.
fn key_of(line: &[u8]) -> Option<usize> {
    let equals = line.iter().position(|byte| *byte == b'=')?;
    let kind = named(&line[..equals]);
    if kind.eq_ignore_ascii_case(b"k") {
        return Some(equals + 1);
    }
    if !kind.eq_ignore_ascii_case(b"a") {
        return None;
    }
    let value = equals + 2 + line[equals + 1..].iter().position(|byte| *byte == b':')?;
    let name = named(&line[equals + 1..value - 1]);
    if name.eq_ignore_ascii_case(CRYPTO) {
        return inline_key(&line[value..]).map(|at| value + at);
    }
    KEYS.iter().any(|key| name.eq_ignore_ascii_case(key)).then_some(value)
}

/// A name without what may stand around it.
fn named(text: &[u8]) -> &[u8] {
    let Some(start) = text.iter().position(u8::is_ascii_alphanumeric) else { return &[] };
    let end = text.iter().rposition(u8::is_ascii_alphanumeric).map_or(start, |at| at + 1);
    &text[start..end]
}

/// Tag and suite stay, unless the key comes before its place.
fn inline_key(value: &[u8]) -> Option<usize> {
    let blank = |byte: u8| matches!(byte, b' ' | b'\t');
    let begins = |at: &usize| !blank(value[*at]) && (*at == 0 || blank(value[*at - 1]));
    let third = (0..value.len()).filter(begins).nth(2);
    let inline = value.windows(INLINE.len()).position(|part| part.eq_ignore_ascii_case(INLINE));
    [third, inline].into_iter().flatten().min()
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
                    a=ice-ufrag:F\r\na=crypto:1\r\n a=\tcrypto : 2  AEAD_AES_128_GCM\tinline:Z2Vo\r\na=crypto:3 inline:bmVu\r\n\
                    b=AS:64\r\na=fmtp:1 k=v\r\n";
        let mut body = text.as_bytes().to_vec();
        mask_keys(&mut body);
        let expected = text
            .replace("clear:abc", "*********")
            .replace("inline:c2Vj|2^20 X=1", "**************** ***")
            .replace(":secret", ":******")
            .replace("inline:Z2Vo", "***********")
            .replace("inline:bmVu", "***********");
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
