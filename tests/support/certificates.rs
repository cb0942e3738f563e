//! Certificates for servers of tests.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// The certificate of a server, and the authority that signed it, as the files `ca.pem`, `certificate.pem` and `key.pem`.
pub struct Certificates {
    directory: TempDir,
}

impl Certificates {
    /// A new authority, and a certificate by it for the host `name`.
    pub fn new(name: &str) -> Self {
        let authority_key = KeyPair::generate().expect("a key is drawn");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key).expect("an authority signs itself");
        let key = KeyPair::generate().expect("a key is drawn");
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .expect("the name of a host")
            .signed_by(&key, &Issuer::new(authority, authority_key))
            .expect("the authority signs");
        let directory = tempfile::tempdir().expect("a temporary directory");
        for (file, text) in [
            ("ca.pem", authority_certificate.pem()),
            ("certificate.pem", certificate.pem()),
            ("key.pem", key.serialize_pem()),
        ] {
            std::fs::write(directory.path().join(file), text).expect("a file can be written");
        }
        Self { directory }
    }

    /// The path of one of the files.
    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }
}
