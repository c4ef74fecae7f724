//! Requests there and replies back, many at once.

use std::io;

use fieldveil_kms::KmsRequest;
use futures_util::future::try_join_all;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tracing::debug;
use zeroize::Zeroizing;

use super::{KmsIo, KmsIoError};

/// The most that is read at once.
const CHUNK: usize = 16 * 1024;

impl KmsIo {
    /// Carries out all requests side by side; the first that fails for good ends them.
    pub(crate) async fn exchange<'a>(
        &self,
        requests: impl IntoIterator<Item = &'a mut KmsRequest>,
    ) -> Result<(), KmsIoError> {
        try_join_all(requests.into_iter().map(|request| self.complete(request))).await?;
        Ok(())
    }

    /// Sends a request as often as its retry rules allow.
    async fn complete(&self, request: &mut KmsRequest) -> Result<(), KmsIoError> {
        loop {
            let delay = request.delay();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            request.begin_retry();
            let attempt = tokio::time::timeout(self.timeout, self.send(request)).await;
            let failure = match attempt {
                Ok(Ok(())) if request.needs_retry() => {
                    debug!(provider = request.provider().as_str(), "the key service is busy");
                    continue;
                }
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Failure::Network(source))) => {
                    let is_final = is_distrust(&source);
                    let failure = KmsIoError::Network {
                        provider: request.provider().as_str().to_owned(),
                        endpoint: request.endpoint().to_owned(),
                        source,
                    };
                    if is_final {
                        return Err(failure);
                    }
                    failure
                }
                Ok(Err(Failure::Final(error))) => {
                    // Credentials that were looked up may have lost their worth early.
                    self.credentials.forget(request.provider().as_str()).await;
                    return Err(error);
                }
                Err(_) => KmsIoError::Timeout {
                    provider: request.provider().as_str().to_owned(),
                    endpoint: request.endpoint().to_owned(),
                    after: self.timeout,
                },
            };
            if request.network_failed().is_err() {
                return Err(failure);
            }
            debug!(provider = request.provider().as_str(), "the way to the key service failed");
        }
    }

    /// One connection, one message, one reply.
    async fn send(&self, request: &mut KmsRequest) -> Result<(), Failure> {
        let (host, port) = split_endpoint(request.endpoint()).ok_or_else(|| {
            Failure::Final(KmsIoError::Endpoint {
                provider: request.provider().as_str().to_owned(),
                endpoint: request.endpoint().to_owned(),
            })
        })?;
        let stream = self.connect.connect(host, port).await?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = TlsConnector::from(self.tls(request.provider().as_str()));
        let mut stream = tls.connect(name, stream).await?;
        stream.write_all(request.message()).await?;
        stream.flush().await?;

        // Replies hold tokens and unwrapped keys.
        let mut buffer = Zeroizing::new(vec![0; CHUNK]);
        loop {
            let wanted = usize::try_from(request.bytes_needed()).unwrap_or(CHUNK).min(CHUNK);
            if wanted == 0 {
                return Ok(());
            }
            let part = buffer.get_mut(..wanted).unwrap_or_default();
            let read = stream.read(part).await?;
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            request.feed(part.get(..read).unwrap_or_default()).map_err(|source| {
                Failure::Final(KmsIoError::Answer {
                    provider: request.provider().as_str().to_owned(),
                    endpoint: request.endpoint().to_owned(),
                    source,
                })
            })?;
        }
    }
}

/// Why one attempt failed.
enum Failure {
    /// Another attempt may be made.
    Network(io::Error),
    /// Another attempt would fail as well.
    Final(KmsIoError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Network(error)
    }
}

/// Whether one side did not trust the other's certificate: asking again changes nothing.
fn is_distrust(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(
        tls,
        Some(rustls::Error::InvalidCertificate(_))
            | Some(rustls::Error::AlertReceived(
                rustls::AlertDescription::CertificateRequired
                    | rustls::AlertDescription::BadCertificate
                    | rustls::AlertDescription::CertificateExpired
                    | rustls::AlertDescription::UnknownCA
                    | rustls::AlertDescription::AccessDenied
            ))
    )
}

/// `host:port`, where the host may be an IPv6 address in brackets.
fn split_endpoint(endpoint: &str) -> Option<(&str, u16)> {
    let (host, port) = endpoint.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() { None } else { Some((host, port.parse().ok()?)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_hosts_with_ports() {
        assert_eq!(split_endpoint("kms.example.com:443"), Some(("kms.example.com", 443)));
        assert_eq!(split_endpoint("[::1]:5696"), Some(("::1", 5696)));
        assert_eq!(split_endpoint("kms.example.com"), None);
        assert_eq!(split_endpoint(":443"), None);
        assert_eq!(split_endpoint("kms.example.com:70000"), None);
    }
}
