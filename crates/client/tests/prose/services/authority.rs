//! A certificate authority of one test.

use std::{net::IpAddr, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// Issues certificates, and keeps those that clients need as files.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), pem("CERTIFICATE", issuer.der())).unwrap();
        Self { issuer, folder }
    }

    /// The file of the authority's own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// For 127.0.0.1, localhost and the hosts of the clouds.
    pub(crate) fn server(&self) -> Identity {
        self.issue(|params| {
            params.subject_alt_names = vec![loopback()];
            for name in [
                "localhost",
                "*.amazonaws.com",
                "*.us-east-1.amazonaws.com",
                "*.us-east-2.amazonaws.com",
                "*.vault.azure.net",
                "login.microsoftonline.com",
                "*.googleapis.com",
            ] {
                params.subject_alt_names.push(SanType::DnsName(name.try_into().unwrap()));
            }
        })
    }

    /// As [`server`](Self::server), but its time is over.
    pub(crate) fn expired(&self) -> Identity {
        self.issue(|params| {
            params.subject_alt_names = vec![loopback()];
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 12, 31);
        })
    }

    /// For a host that nobody asks.
    pub(crate) fn wrong_host(&self) -> Identity {
        self.issue(|params| {
            let name = SanType::DnsName("wronghost.example.com".try_into().unwrap());
            params.subject_alt_names = vec![name];
        })
    }

    /// The file of a new client certificate with its key.
    pub(crate) fn client_file(&self) -> PathBuf {
        let path = self.folder.path().join("client.pem");
        std::fs::write(&path, self.issue(|_| ()).pem).unwrap();
        path
    }

    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::default();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            pem: pem("CERTIFICATE", certificate.der()) + &pem("PRIVATE KEY", key.serialized_der()),
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn loopback() -> SanType {
    SanType::IpAddress(IpAddr::from([127, 0, 0, 1]))
}
