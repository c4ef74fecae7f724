//! The server's certificates.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

/// The PEM files of a TLS server.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// The certificate and its chain; it may hold the key as well.
    pub certificate: PathBuf,
    /// The key, if it is in a file of its own.
    pub key: Option<PathBuf>,
    /// Authorities that client certificates are checked against.
    pub client_authorities: Option<PathBuf>,
    /// Whether a client must have a certificate.
    pub require_client_certificate: bool,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of the kind.
    #[error("cannot read a {what} from {}: {source}", .file.display())]
    File {
        /// What was looked for.
        what: &'static str,
        /// Where.
        file: PathBuf,
        /// What went wrong.
        source: rustls_pki_types::pem::Error,
    },
    /// The key does not belong to the certificate, or is of a kind that is not supported.
    #[error("the certificate in {} cannot be used: {source}", .file.display())]
    Unusable {
        /// The certificate's file.
        file: PathBuf,
        /// What went wrong.
        source: rustls::Error,
    },
    /// The authorities cannot be used.
    #[error("the authorities in {} cannot be used: {reason}", .file.display())]
    Authorities {
        /// Their file.
        file: PathBuf,
        /// What went wrong.
        reason: String,
    },
}

impl TlsFiles {
    /// Reads the files.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let unusable = |source| TlsError::Unusable { file: self.certificate.clone(), source };
        let chain = certificates(&self.certificate)?;
        let key_file = self.key.as_ref().unwrap_or(&self.certificate);
        let key = PrivateKeyDer::from_pem_file(key_file).map_err(|source| TlsError::File {
            what: "key",
            file: key_file.clone(),
            source,
        })?;
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match self.client_verifier()? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(chain, key).map_err(unusable)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn client_verifier(&self) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let Some(file) = &self.client_authorities else { return Ok(None) };
        let failed = |reason: String| TlsError::Authorities { file: file.clone(), reason };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(|error| failed(error.to_string()))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder =
            if self.require_client_certificate { builder } else { builder.allow_unauthenticated() };
        builder.build().map(Some).map_err(|error| failed(error.to_string()))
    }
}

fn certificates(file: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File { what: "certificate", file: file.clone(), source };
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(file)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    if found.is_empty() {
        return Err(failed(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let files = TlsFiles { certificate: "/nowhere/server.pem".into(), ..TlsFiles::default() };
        let error = files.acceptor().err().unwrap();
        assert!(error.to_string().contains("/nowhere/server.pem"), "{error}");
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty.pem");
        std::fs::write(&file, "nothing").unwrap();
        let files = TlsFiles { certificate: file, ..TlsFiles::default() };
        assert!(matches!(files.acceptor(), Err(TlsError::File { what: "certificate", .. })));
    }
}
