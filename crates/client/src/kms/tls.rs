//! TLS options of KMS providers: the driver's own type, read into a rustls configuration.

use std::{path::PathBuf, sync::Arc};

use mongodb::options::{Tls, TlsOptions};
use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// TLS options that cannot be used for a key service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// TLS is turned off.
    #[error("TLS is required")]
    Disabled,

    /// Certificates or host names would not be checked.
    #[error("Insecure TLS options prohibited")]
    Insecure,

    /// A file of certificates or keys cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },

    /// A file holds no certificate.
    #[error("{}: no certificate inside; a PEM file is expected", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },

    /// rustls refuses a certificate or key.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// A configuration by these options; without a CA file Mozilla's roots are trusted.
pub(crate) fn client_config(tls: &Tls) -> Result<ClientConfig, TlsError> {
    let Tls::Enabled(options) = tls else { return Err(TlsError::Disabled) };
    if options.allow_invalid_certificates == Some(true) {
        return Err(TlsError::Insecure);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(options)?);
    with_client_certificate(builder, options)
}

fn roots(options: &TlsOptions) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match &options.ca_file_path {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    Ok(roots)
}

fn with_client_certificate(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    options: &TlsOptions,
) -> Result<ClientConfig, TlsError> {
    let Some(path) = &options.cert_key_file_path else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(path)?;
    let key = PrivateKeyDer::from_pem_file(path)
        .map_err(|source| TlsError::File { path: path.clone(), source })?;
    Ok(builder.with_client_auth_cert(chain, key)?)
}

fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::File { path: path.clone(), source };
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(failed)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: path.clone() });
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_cannot_be_disabled() {
        let error = client_config(&Tls::Disabled).unwrap_err();
        assert!(error.to_string().contains("TLS is required"));
    }

    #[test]
    fn certificates_must_be_checked() {
        let options = TlsOptions::builder().allow_invalid_certificates(true).build();
        let error = client_config(&Tls::Enabled(options)).unwrap_err();
        assert!(error.to_string().contains("Insecure TLS options prohibited"));
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options = TlsOptions::builder().ca_file_path(file.path().to_owned()).build();
        let error = client_config(&Tls::Enabled(options)).unwrap_err();
        assert!(error.to_string().contains("no certificate inside"), "{error}");
    }

    #[test]
    fn the_defaults_are_usable() {
        assert!(client_config(&Tls::Enabled(TlsOptions::default())).is_ok());
    }
}
