//! The certificate that media handshakes show: made anew at each start, since only its fingerprint in each description
//! says whose it is.

use std::sync::Arc;

use media::dtls::{BadIdentity, Identity};
use rcgen::{CertificateParams, DnType, KeyPair};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// It could not be made.
    #[error("the certificate of encrypted audio cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// It could not be used.
    #[error(transparent)]
    Use(#[from] BadIdentity),
}

/// A new certificate, signed by itself.
///
/// # Errors
/// The system has no randomness, or DTLS cannot be set up.
pub fn identity() -> Result<Arc<Identity>, IdentityError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "YakYak");
    let certificate = params.self_signed(&key)?;
    Ok(Arc::new(Identity::new(certificate.der().to_vec(), key.serialize_der())?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn each_start_has_its_own() {
        let (first, second) = (super::identity().unwrap(), super::identity().unwrap());
        assert_ne!(first.fingerprint(), second.fingerprint());
        assert!(first.fingerprint().to_string().starts_with("sha-256 "));
    }
}
