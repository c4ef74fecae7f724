//! Requests to and replies from key management services, as bytes.
//!
//! A data key is stored wrapped by a *master key* that never leaves its key service: AWS KMS,
//! Azure Key Vault, Google Cloud KMS, a KMIP server; or by a local key. This crate reads which
//! services an application may use ([`KmsProviders`]) and which key is meant ([`MasterKey`]), and
//! turns "wrap this" and "unwrap that" into messages ([`KmsJobs`], [`KmsRequest`]). It opens no
//! socket: whoever drives it sends [`KmsRequest::message`] over TLS and feeds what comes back.
//!
//! Time and randomness come from the caller ([`KmsEnv`]). Credentials and keys live in types that
//! wipe on drop and print as nothing.
//!
//! ```
//! use fieldveil_crypto::{Random, RandomError, Secret};
//! use fieldveil_kms::{JobOutput, KmsEnv, KmsJobs, KmsProviders, MasterKey, TokenCache};
//!
//! # struct Fixed;
//! # impl Random for Fixed {
//! #     fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
//! #         out.fill(7);
//! #         Ok(())
//! #     }
//! # }
//! # fn main() -> Result<(), fieldveil_kms::KmsError> {
//! let mut jobs = KmsJobs::new();
//! jobs.wrap(MasterKey::local(), Secret::copy_from(&[1; 96]));
//! let mut env = KmsEnv {
//!     providers: &KmsProviders::local(Secret::copy_from(&[2; 96])),
//!     tokens: &TokenCache::default(),
//!     now: std::time::Duration::ZERO,
//!     wall_clock_ms: 1_700_000_000_000,
//!     random: &mut Fixed,
//!     retry: true,
//!     signer: None,
//!     hashes: None,
//! };
//! while jobs.advance(&mut env)? {
//!     for request in jobs.requests() {
//!         // Connect to request.endpoint(), send request.message(), and then, until
//!         // request.bytes_needed() is 0: request.feed(bytes)
//!     }
//! }
//! let output = jobs.finish()?.remove(0);
//! assert!(matches!(output, JobOutput::Wrapped { key_material, .. } if key_material.len() == 160));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

mod aws;
mod azure;
mod document;
mod encoding;
mod endpoint;
mod error;
mod gcp;
mod http;
mod jobs;
mod kmip;
mod kms_id;
mod local;
mod master_key;
mod providers;
mod reply;
mod request;
mod retry;
mod secret;
mod token;

pub use aws::RequestHashes;
pub use endpoint::Endpoint;
pub use error::{ConfigError, KmsError};
pub use gcp::Rs256Signer;
pub use jobs::{JobOutput, KmsEnv, KmsJobs};
pub use kms_id::{KmsId, ProviderKind};
pub use local::WRAPPED_KEY_BYTES;
pub use master_key::{AwsKey, AzureKey, GcpKey, KmipKey, MasterKey, ServiceKey};
pub use providers::{
    AwsCredentials, AzureCredentials, AzureSecret, Credentials, GcpCredentials, GcpServiceAccount,
    KmsProviders,
};
pub use request::KmsRequest;
pub use secret::{SecretBytes, SecretText};
pub use token::TokenCache;

#[cfg(test)]
mod test_support;
