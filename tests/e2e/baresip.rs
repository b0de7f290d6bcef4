//! baresip: two ordinary softphones, and whether what one plays is what the other hears.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sip::Transport;

use crate::server::{Login, PATIENCE, Server};
use crate::sipp::free_port;

const RATE: u32 = 8_000;

/// What a baresip speaks.
pub(crate) struct Audio<'a> {
    /// As its account lists them: `PCMU`, `G722`, `opus/48000/2`.
    pub(crate) codecs: &'a str,
    /// None, `srtp`, `srtp-mand` or `dtls_srtp`.
    pub(crate) encryption: &'a str,
}

/// A baresip with a tone for a microphone and a file for an ear.
pub(crate) struct Phone {
    child: Child,
    directory: tempfile::TempDir,
}

impl Phone {
    pub(crate) fn start(server: &Server, login: &Login, frequency_hz: f64, answers: bool, commands: &[String]) -> Self {
        Self::start_over(server, Transport::Udp, login, frequency_hz, answers, commands)
    }

    /// The same over another transport.
    pub(crate) fn start_over(
        server: &Server,
        transport: Transport,
        login: &Login,
        frequency_hz: f64,
        answers: bool,
        commands: &[String],
    ) -> Self {
        Self::start_encrypted(server, transport, login, frequency_hz, answers, commands, "")
    }

    /// The same with encrypted audio: `srtp`, `srtp-mand` or `dtls_srtp`.
    pub(crate) fn start_encrypted(
        server: &Server,
        transport: Transport,
        login: &Login,
        frequency_hz: f64,
        answers: bool,
        commands: &[String],
        encryption: &str,
    ) -> Self {
        let audio = Audio { codecs: "PCMU", encryption };
        Self::start_speaking(server, transport, login, frequency_hz, answers, commands, audio)
    }

    /// The same with codecs of its own.
    pub(crate) fn start_speaking(
        server: &Server,
        transport: Transport,
        login: &Login,
        frequency_hz: f64,
        answers: bool,
        commands: &[String],
        Audio { codecs, encryption }: Audio<'_>,
    ) -> Self {
        let directory = tempfile::Builder::new().prefix("yakyak-baresip-").tempdir().unwrap();
        let folder = directory.path();
        let microphone = folder.join("microphone.wav");
        tone(&microphone, frequency_hz, 20);
        let mut mode = if answers { ";answermode=auto" } else { "" }.to_owned();
        if !encryption.is_empty() {
            mode += &format!(";mediaenc={encryption}");
        }
        let account = format!(
            "<sip:{user}@{server};transport={transport}>;auth_user={user};auth_pass={pass};audio_codecs={codecs}{mode};regint=60\n",
            user = login.username,
            pass = login.password,
            server = server.address(transport, false),
            transport = transport.uri_param(),
        );
        std::fs::write(folder.join("accounts"), account).unwrap();
        std::fs::write(folder.join("contacts"), "").unwrap();
        std::fs::write(folder.join("config"), config(&microphone, folder, encryption)).unwrap();
        let mut command = Command::new("baresip");
        command.args(["-4", "-v", "-f"]).arg(folder);
        for line in commands {
            command.args(["-e", line]);
        }
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("baresip is there: tools/packages test installs it");
        Self { child, directory }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Ends it; it must have heard this tone and little else.
    pub(crate) fn heard_tone(self, frequency_hz: f64) {
        let heard = self.heard();
        let share = share_at(settled(&heard), frequency_hz);
        assert!(share > 0.8, "{frequency_hz} Hz is {share} of what was heard");
    }

    /// Ends it and reads what it heard.
    fn heard(mut self) -> Vec<i16> {
        crate::server::terminate(self.child.id());
        let until = Instant::now() + Duration::from_secs(10);
        while self.child.try_wait().unwrap().is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        // baresip writes the header's lengths when it closes; the samples are read to the end of the file.
        let ear = std::fs::read_dir(self.directory.path())
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .unwrap_or_else(|| panic!("baresip heard nothing\n{}", self.log()));
        let bytes = std::fs::read(ear).unwrap();
        let channels = usize::from(u16::from_le_bytes([bytes[22], bytes[23]]));
        let rate = u32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
        // What a codec with more channels or a higher rate brought becomes one channel of 8 kHz.
        let together = channels * usize::try_from(rate / RATE).unwrap();
        let samples = bytes[44..].chunks_exact(2).map(|pair| i32::from(i16::from_le_bytes([pair[0], pair[1]])));
        let samples: Vec<i32> = samples.collect();
        let mean = |part: &[i32]| i16::try_from(part.iter().sum::<i32>() / i32::try_from(together).unwrap()).unwrap();
        samples.chunks_exact(together).map(mean).collect()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("baresip: {}", self.log());
        }
    }
}

fn config(microphone: &Path, ears: &Path, encryption: &str) -> String {
    // Else it wants a second handshake for its reports.
    let mux = if encryption == "dtls_srtp" { "yes" } else { "no" };
    let modules = [
        "/usr/lib/baresip/modules",
        "/usr/lib/x86_64-linux-gnu/baresip/modules",
        "/usr/lib/aarch64-linux-gnu/baresip/modules",
    ];
    let modules = modules.iter().map(PathBuf::from).find(|path| path.is_dir()).expect("baresip's modules");
    format!(
        "sip_listen 127.0.0.1:{port}\nsip_verify_server no\nmodule_path {modules}\nmodule g711.so\nmodule g722.so\nmodule opus.so\nmodule srtp.so\nmodule dtls_srtp.so\nmodule aufile.so\nmodule sndfile.so\nmodule_tmp account.so\n\
         module_app menu.so\naudio_source aufile,{microphone}\nsnd_path {ears}\n\
         ausrc_srate {RATE}\nauplay_srate {RATE}\nausrc_channels 1\nauplay_channels 1\nrtp_ports 10000-60000\nrtcp_mux {mux}\n\
         net_interface 127.0.0.1\ncall_local_timeout 60\n",
        port = free_port(),
        modules = modules.display(),
        microphone = microphone.display(),
        ears = ears.display(),
    )
}

/// Writes a tone as a WAV file.
fn tone(path: &Path, frequency_hz: f64, seconds: u32) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for n in 0..RATE * seconds {
        let angle = f64::from(n) * frequency_hz * std::f64::consts::TAU / f64::from(RATE);
        #[expect(clippy::cast_possible_truncation, reason = "within ±10000")]
        writer.write_sample((angle.sin() * 10_000.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

/// The share of the signal's power that lies at one frequency, 0 to 1 (Goertzel).
fn share_at(samples: &[i16], frequency_hz: f64) -> f64 {
    let turn = frequency_hz * std::f64::consts::TAU / f64::from(RATE);
    let (mut before, mut last, mut power) = (0.0, 0.0, 0.0);
    for sample in samples {
        let next = f64::from(*sample) + 2.0 * turn.cos() * last - before;
        before = last;
        last = next;
        power += f64::from(*sample) * f64::from(*sample);
    }
    let at = last * last + before * before - 2.0 * turn.cos() * last * before;
    if power == 0.0 { 0.0 } else { at * 2.0 / (power * f64::from(u32::try_from(samples.len()).unwrap())) }
}

/// The loudest half second after the first one, where a call has settled.
fn settled(samples: &[i16]) -> &[i16] {
    let half = usize::try_from(RATE / 2).unwrap();
    let loudness = |part: &[i16]| part.iter().map(|sample| i64::from(*sample).abs()).sum::<i64>();
    samples
        .chunks_exact(half)
        .skip(1)
        .max_by_key(|part| loudness(part))
        .unwrap_or_else(|| panic!("{} samples", samples.len()))
}

#[test]
fn each_phone_hears_the_others_tone() {
    let server = Server::start();
    let callee = Phone::start(&server, &server.login("1002"), 1_000.0, true, &[]);
    server.until("1002 is registered", &["registration", "list"], |list| list.as_array().unwrap().len() == 1);
    let dial = format!("/dial sip:1002@{}", server.sip);
    let caller = Phone::start(&server, &server.login("1001"), 440.0, false, &[dial]);
    server.until("the call is up", &["call", "list"], |calls| calls[0]["state"] == "answered");
    std::thread::sleep(Duration::from_secs(4));
    let heard_by_caller = caller.heard();
    let heard_by_callee = callee.heard();
    let (caller, callee) = (settled(&heard_by_caller), settled(&heard_by_callee));
    assert!(share_at(caller, 1_000.0) > 0.9, "the caller hears 1000 Hz: {}", share_at(caller, 1_000.0));
    assert!(share_at(callee, 440.0) > 0.9, "the callee hears 440 Hz: {}", share_at(callee, 440.0));
    let records = server.closed_records(1);
    assert_eq!((records.len(), records[0]["status"].as_str()), (1, Some("Completed")));
    assert!(records[0]["caller_user_agent"].as_str().unwrap().contains("baresip"));
}

#[test]
fn the_echo_test_sends_back_what_it_hears() {
    let server = Server::start();
    let dial = format!("/dial sip:*43@{}", server.sip);
    let phone = Phone::start(&server, &server.login("1001"), 440.0, false, &[dial]);
    let began = Instant::now();
    server.until("the echo answers", &["call", "list"], |calls| calls[0]["state"] == "answered");
    assert!(began.elapsed() < PATIENCE);
    std::thread::sleep(Duration::from_secs(4));
    let heard = phone.heard();
    assert!(share_at(settled(&heard), 440.0) > 0.9, "{}", share_at(settled(&heard), 440.0));
}

#[test]
fn phones_that_share_no_codec_hear_each_other() {
    let server = Server::start();
    let pairs = [("PCMU", "opus/48000/2"), ("G722", "PCMA"), ("opus/48000/2", "G722")];
    for (index, (one, other)) in pairs.into_iter().enumerate() {
        let speaking = |codecs| Audio { codecs, encryption: "" };
        let start = |number, frequency_hz, answers, commands: &[String], codecs| {
            let login = server.login(number);
            Phone::start_speaking(&server, Transport::Udp, &login, frequency_hz, answers, commands, speaking(codecs))
        };
        let callee = start("1002", 1_000.0, true, &[], other);
        server.until("1002 is registered", &["registration", "list"], |list| list.as_array().unwrap().len() == 1);
        let caller = start("1001", 440.0, false, &[format!("/dial sip:1002@{}", server.sip)], one);
        server.until("the call is up", &["call", "list"], |calls| calls[0]["state"] == "answered");
        std::thread::sleep(Duration::from_secs(4));
        caller.heard_tone(1_000.0);
        callee.heard_tone(440.0);
        let records = server.closed_records(index + 1);
        assert!(records.iter().all(|record| record["status"] == "Completed"), "{one} {other}: {records:#?}");
        server.until("nobody is registered", &["registration", "list"], |list| list.as_array().unwrap().is_empty());
    }
}
