//! One request to a key service: bytes out, bytes in, and what came of it.

use std::fmt;
use std::time::Duration;

use fieldveil_crypto::Random;

use crate::http::HttpParser;
use crate::kmip::KmipParser;
use crate::reply::{self, Reply};
use crate::retry::Retry;
use crate::{KmsError, KmsId, SecretBytes};

/// A request and the reader of its reply.
///
/// The caller connects to [`endpoint`](Self::endpoint) with TLS, sends
/// [`message`](Self::message), and feeds what comes back until
/// [`bytes_needed`](Self::bytes_needed) is 0. Then either the reply is complete, or
/// [`needs_retry`](Self::needs_retry) says that the service was busy: wait for
/// [`delay`](Self::delay), call [`begin_retry`](Self::begin_retry), and send the message again
/// on a new connection.
pub struct KmsRequest {
    kind: RequestKind,
    id: KmsId,
    endpoint: String,
    message: SecretBytes,
    parser: Parser,
    retry: Retry,
    /// Whether the message carries a token from the cache, so that a new one can be had.
    has_cached_token: bool,
    outcome: Option<Result<Reply, KmsError>>,
}

/// What is asked for; decides how the reply is read and whether the request may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestKind {
    AwsEncrypt,
    AwsDecrypt,
    AzureToken,
    AzureWrap,
    AzureUnwrap,
    GcpToken,
    GcpEncrypt,
    GcpDecrypt,
    KmipRegister,
    KmipActivate,
    KmipGet,
    KmipCreate,
    KmipEncrypt,
    KmipDecrypt,
}

impl RequestKind {
    pub(crate) fn is_kmip(self) -> bool {
        matches!(
            self,
            Self::KmipRegister
                | Self::KmipActivate
                | Self::KmipGet
                | Self::KmipCreate
                | Self::KmipEncrypt
                | Self::KmipDecrypt
        )
    }

    /// Whether success brings a token or an unwrapped key.
    pub(crate) fn is_answered_by_secret(self) -> bool {
        matches!(
            self,
            Self::AwsDecrypt
                | Self::AzureToken
                | Self::AzureUnwrap
                | Self::GcpToken
                | Self::GcpDecrypt
        )
    }
}

/// A message that is written, but not on its way.
pub(crate) struct Draft {
    pub(crate) kind: RequestKind,
    pub(crate) endpoint: String,
    pub(crate) message: SecretBytes,
}

enum Parser {
    Http(HttpParser),
    Kmip(KmipParser),
}

impl Parser {
    fn new(kind: RequestKind) -> Self {
        if kind.is_kmip() { Self::Kmip(KmipParser::new()) } else { Self::Http(HttpParser::new()) }
    }

    fn wanted(&self) -> usize {
        match self {
            Self::Http(parser) => parser.wanted(),
            Self::Kmip(parser) => parser.wanted(),
        }
    }
}

impl KmsRequest {
    pub(crate) fn new(
        id: KmsId,
        draft: Draft,
        retry_enabled: bool,
        random: &mut dyn Random,
    ) -> Result<Self, KmsError> {
        Ok(Self {
            kind: draft.kind,
            id,
            endpoint: draft.endpoint,
            message: draft.message,
            parser: Parser::new(draft.kind),
            retry: Retry::new(retry_enabled, random)?,
            has_cached_token: false,
            outcome: None,
        })
    }

    /// Says that a new token can be had if the service refuses this one.
    pub(crate) fn with_cached_token(mut self, has_cached_token: bool) -> Self {
        self.has_cached_token = has_cached_token;
        self
    }

    /// The provider that is asked.
    pub fn provider(&self) -> &KmsId {
        &self.id
    }

    /// Where to connect: `host:port`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What to send. It holds credentials.
    pub fn message(&self) -> &[u8] {
        self.message.expose()
    }

    /// How many bytes may be fed next; fewer are fine, 0 means that no more are wanted.
    pub fn bytes_needed(&self) -> u32 {
        if self.outcome.is_some() || self.retry.is_waiting() {
            return 0;
        }
        u32::try_from(self.parser.wanted()).unwrap_or(u32::MAX)
    }

    /// Takes bytes of the reply.
    ///
    /// # Errors
    /// Every error ends the request, and is given again for whatever is fed after it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), KmsError> {
        match &self.outcome {
            Some(Err(error)) => return Err(error.clone()),
            Some(Ok(_)) if !bytes.is_empty() => return self.fail(KmsError::TooMuchData),
            _ => {}
        }
        if self.retry.is_waiting() {
            return self.fail(KmsError::NeedsRetry);
        }
        if bytes.is_empty() {
            return self.fail(KmsError::NoData);
        }
        if bytes.len() > self.parser.wanted() {
            return self.fail(KmsError::TooMuchData);
        }
        let fed = match &mut self.parser {
            Parser::Http(parser) => parser
                .feed(bytes)
                .map_err(|error| KmsError::Http { status: error.status, reason: error.reason }),
            Parser::Kmip(parser) => parser.feed(bytes).map_err(KmsError::Kmip),
        };
        if let Err(error) = fed {
            return self.fail(error);
        }
        if self.parser.wanted() > 0 { Ok(()) } else { self.complete() }
    }

    /// Reports that the connection failed; `Ok` means that the request may be sent again.
    ///
    /// # Errors
    /// `Network` or `NetworkRetriesExhausted`; the request is over.
    pub fn network_failed(&mut self) -> Result<(), KmsError> {
        match self.retry.after_network_error(!self.kind.is_kmip()) {
            Ok(()) => {
                self.restart();
                Ok(())
            }
            Err(error) => self.fail(error),
        }
    }

    /// Whether the message has to be sent again, after [`delay`](Self::delay).
    pub fn needs_retry(&self) -> bool {
        self.retry.is_waiting()
    }

    /// How long to wait before the message is sent; zero the first time.
    pub fn delay(&self) -> Duration {
        self.retry.delay()
    }

    /// The message is about to be sent again. Without a retry due, nothing happens.
    pub fn begin_retry(&mut self) {
        self.retry.begin();
    }

    /// The error that ended the request, if one did.
    pub fn error(&self) -> Option<&KmsError> {
        self.outcome.as_ref().and_then(|outcome| outcome.as_ref().err())
    }

    /// What the service answered.
    pub(crate) fn into_reply(self) -> Result<Reply, KmsError> {
        self.outcome.unwrap_or(Err(KmsError::Unfinished))
    }

    fn complete(&mut self) -> Result<(), KmsError> {
        let outcome = match &self.parser {
            Parser::Kmip(parser) => reply::read_kmip(self.kind, parser.message()),
            Parser::Http(parser) => {
                let (status, body) = (parser.status(), parser.body());
                if self.has_cached_token && status == 401 {
                    Ok(Reply::TokenRefused)
                } else if self.retry.is_retryable(self.kind, status, body) {
                    match self.retry.after_status(status, body) {
                        Ok(()) => {
                            self.restart();
                            return Ok(());
                        }
                        Err(error) => Err(error),
                    }
                } else {
                    reply::read_http(self.kind, status, body)
                }
            }
        };
        let result = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
        self.outcome = Some(outcome);
        result
    }

    fn restart(&mut self) {
        self.parser = Parser::new(self.kind);
    }

    fn fail(&mut self, error: KmsError) -> Result<(), KmsError> {
        self.outcome = Some(Err(error.clone()));
        Err(error)
    }
}

impl fmt::Debug for KmsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsRequest")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Checks that a part of a path has only the unreserved characters of RFC 3986.
///
/// Such parts may come from a key document; a slash or a line end in one would make another
/// request of it. The value itself is not named: it may be logged.
pub(crate) fn check_identifier(
    request: &'static str,
    service: &'static str,
    field: &'static str,
    value: &str,
) -> Result<(), KmsError> {
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
        Ok(())
    } else {
        Err(KmsError::Identifier { request, service, field })
    }
}

#[cfg(test)]
mod tests;
