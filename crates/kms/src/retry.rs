//! When a request is sent again, and after which wait.

use std::time::Duration;

use fieldveil_crypto::{Random, RandomError};

use crate::KmsError;
use crate::reply::{aws_error_type, status_error};
use crate::request::RequestKind;

/// How often a request is sent again.
const MAX_RETRIES: u32 = 3;
/// Longest wait before the first retry; it doubles with each.
const BASE_MICROS: u64 = 200_000;
/// Longest wait at all.
const MAX_MICROS: u64 = 20_000_000;

/// Errors with which AWS throttles.
const AWS_THROTTLING: [&str; 3] =
    ["ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"];

/// The retries of one request.
pub(crate) struct Retry {
    enabled: bool,
    done: u32,
    waiting: bool,
    delay: Duration,
    /// Random bits for the wait before each retry, drawn in advance so that feeding needs none.
    jitter: [u64; MAX_RETRIES as usize],
}

impl Retry {
    pub(crate) fn new(enabled: bool, random: &mut dyn Random) -> Result<Self, KmsError> {
        let mut jitter = [0; MAX_RETRIES as usize];
        if enabled {
            for bits in &mut jitter {
                let mut bytes = [0; 8];
                random.fill_nonces(&mut bytes)?;
                *bits = u64::from_le_bytes(bytes);
            }
        }
        Ok(Self { enabled, done: 0, waiting: false, delay: Duration::ZERO, jitter })
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting
    }

    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    pub(crate) fn begin(&mut self) {
        self.waiting = false;
    }

    /// Whether this answer of this service means "try again".
    ///
    /// AWS KMS throttles with status 400, which the retry rules that drivers share leave out.
    pub(crate) fn is_retryable(&self, kind: RequestKind, status: i32, body: &[u8]) -> bool {
        use RequestKind as Kind;
        self.enabled
            && match kind {
                Kind::AwsEncrypt | Kind::AwsDecrypt => {
                    [408, 429, 500, 502, 503, 509].contains(&status)
                        || status == 400
                            && aws_error_type(body)
                                .is_some_and(|name| AWS_THROTTLING.contains(&name.as_str()))
                }
                Kind::AzureToken | Kind::AzureWrap | Kind::AzureUnwrap => {
                    [408, 429, 500, 502, 503, 504].contains(&status)
                }
                Kind::GcpToken | Kind::GcpEncrypt | Kind::GcpDecrypt => {
                    [408, 429].contains(&status) || (500..1000).contains(&status)
                }
                _ => false,
            }
    }

    /// Schedules a retry after such a status.
    pub(crate) fn after_status(&mut self, status: i32, body: &[u8]) -> Result<(), KmsError> {
        if self.done >= MAX_RETRIES {
            return Err(KmsError::RetriesExhausted {
                retries: MAX_RETRIES,
                source: Box::new(status_error(status, body)),
            });
        }
        self.schedule();
        Ok(())
    }

    /// Schedules a retry after the connection failed.
    pub(crate) fn after_network_error(&mut self, is_repeatable: bool) -> Result<(), KmsError> {
        self.waiting = false;
        if !self.enabled || (self.done < MAX_RETRIES && !is_repeatable) {
            return Err(KmsError::Network);
        }
        if self.done >= MAX_RETRIES {
            return Err(KmsError::NetworkRetriesExhausted { retries: MAX_RETRIES });
        }
        self.schedule();
        Ok(())
    }

    /// Full jitter: anything from 1 microsecond to the longest wait of this retry.
    fn schedule(&mut self) {
        let longest = (BASE_MICROS << self.done).min(MAX_MICROS);
        let bits = usize::try_from(self.done).ok().and_then(|at| self.jitter.get(at));
        self.delay = Duration::from_micros(bits.copied().unwrap_or_default() % longest + 1);
        self.done += 1;
        self.waiting = true;
    }
}

impl From<RandomError> for KmsError {
    fn from(error: RandomError) -> Self {
        Self::Random(error.reason().to_owned())
    }
}
