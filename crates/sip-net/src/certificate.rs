//! The certificate that TLS and WSS show: read from files, read again when they change, made when there is none.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::tls::provider;

/// A certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct CertificateError {
    /// The file in question.
    pub file: PathBuf,
    /// Whether that is the private key.
    pub is_key: bool,
    /// What is wrong with it.
    pub why: String,
}

/// A certificate with its key, as it is now and where it came from.
#[derive(Debug)]
pub struct Certificate {
    certificate: PathBuf,
    private_key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    seen: Mutex<Stamp>,
}

/// What tells one state of the two files from another.
type Stamp = [Option<(u64, i64, i64, u64)>; 2];

impl Certificate {
    /// Reads a chain and its key, both PEM.
    ///
    /// # Errors
    /// A file cannot be read, holds something else, or the two do not belong together.
    pub fn open(certificate: &Path, private_key: &Path) -> Result<Arc<Self>, CertificateError> {
        let provider = provider();
        let seen = stamp(certificate, private_key);
        let current = read(certificate, private_key, &provider)?;
        Ok(Arc::new(Self {
            certificate: certificate.to_owned(),
            private_key: private_key.to_owned(),
            provider,
            current: RwLock::new(current),
            seen: Mutex::new(seen),
        }))
    }

    /// Reads the certificate that an earlier start left in `directory`, or makes one for these names and addresses, signed by
    /// itself. Nobody else on the machine can read its key.
    ///
    /// # Errors
    /// The directory cannot be written, or what lies in it cannot be used.
    pub fn self_signed(directory: &Path, names: &[String]) -> Result<Arc<Self>, CertificateError> {
        let (certificate, private_key) = (directory.join("certificate.pem"), directory.join("private-key.pem"));
        if !(certificate.exists() && private_key.exists()) {
            make(directory, &certificate, &private_key, names)?;
        }
        Self::open(&certificate, &private_key)
    }

    /// Where the chain was read.
    pub fn path(&self) -> &Path {
        &self.certificate
    }

    /// Reads the files again if they have changed. Connections that stand keep what they have; new ones get the new one.
    /// `false`: nothing had changed.
    ///
    /// # Errors
    /// The new files cannot be used. The old certificate stays, and the same files are not complained about again.
    pub fn reload_if_changed(&self) -> Result<bool, CertificateError> {
        let now = stamp(&self.certificate, &self.private_key);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return Ok(false);
        }
        *seen = now;
        let fresh = read(&self.certificate, &self.private_key, &self.provider)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, CertificateError> {
    let wrong = |why: String| CertificateError { file: certificate.to_owned(), is_key: false, why };
    let wrong_key = |why: String| CertificateError { file: key.to_owned(), is_key: true, why };
    let bytes = std::fs::read(certificate).map_err(|error| wrong(error.to_string()))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(format!("no PEM certificate: {error}")))?;
    if chain.is_empty() {
        return Err(wrong("no PEM certificate is in it".to_owned()));
    }
    let bytes = std::fs::read(key).map_err(|error| wrong_key(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|error| wrong_key(format!("no PEM private key without a password: {error}")))?;
    let pair = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => wrong_key("it is not the key of the certificate".to_owned()),
        error => wrong_key(error.to_string()),
    })?;
    Ok(Arc::new(pair))
}

fn make(directory: &Path, certificate: &Path, key: &Path, names: &[String]) -> Result<(), CertificateError> {
    let wrong = |file: &Path, is_key, why: String| CertificateError { file: file.to_owned(), is_key, why };
    let (made, pair) = signed_by_itself(names).map_err(|error| wrong(certificate, false, error.to_string()))?;
    std::fs::create_dir_all(directory).map_err(|error| wrong(directory, false, error.to_string()))?;
    // The certificate comes last: when it stands there, the key does too.
    write(key, &pair.serialize_pem(), 0o600).map_err(|error| wrong(key, true, error.to_string()))?;
    write(certificate, &made.pem(), 0o644).map_err(|error| wrong(certificate, false, error.to_string()))
}

fn signed_by_itself(names: &[String]) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let name = names.first().map_or("yakyak", String::as_str);
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    let pair = KeyPair::generate()?;
    Ok((params.self_signed(&pair)?, pair))
}

/// Whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let _ = std::fs::remove_file(&beside);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

fn stamp(certificate: &Path, key: &Path) -> Stamp {
    [certificate, key].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.ino(), about.mtime(), about.mtime_nsec(), about.len()))
    })
}
