//! What can go wrong with Vault, and what to do then.

use std::io;

use serde::Deserialize;

use super::address::Address;
use crate::{LocalKeyError, kms::TlsError};

/// A master key that cannot be had from Vault, or not be put there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The address cannot be read.
    #[error("'{given}' is no address of a Vault server: https://HOST:8200 is expected")]
    Address {
        /// What was given.
        given: String,
    },

    /// The address would send keys over the network in the clear.
    #[error(
        "'{given}' would send keys in the clear: plain http is for this machine only, use https"
    )]
    Insecure {
        /// What was given.
        given: String,
    },

    /// A mount, path or name that cannot stand in a URL.
    #[error(
        "'{given}' is no {what} of Vault: segments of letters, digits and -._~ are expected, with slashes between"
    )]
    Path {
        /// Which of them.
        what: &'static str,
        /// What was given.
        given: String,
    },

    /// A token or namespace that cannot stand in a header.
    #[error("the Vault {what} is empty or has characters that none has")]
    Character {
        /// Which of them.
        what: &'static str,
    },

    /// Neither token nor AppRole was given.
    #[error("Vault wants to know who asks: give a token, or a role id and a secret id (AppRole)")]
    NoAuth,

    /// The TLS options cannot be used.
    #[error("TLS options for Vault: {0}")]
    Tls(TlsError),

    /// The server cannot be reached.
    #[error("Vault at {address} cannot be reached: {source}")]
    Unreachable {
        /// The server.
        address: String,
        /// What the network said.
        source: io::Error,
    },

    /// The server is sealed.
    #[error(
        "Vault at {address} is sealed: its operators have to unseal it (`vault operator unseal`)"
    )]
    Sealed {
        /// The server.
        address: String,
    },

    /// The node is not the active one and does not forward.
    #[error(
        "Vault at {address} is a standby node: use the address of the active node or the cluster"
    )]
    Standby {
        /// The server.
        address: String,
    },

    /// The policy does not allow it, or the token is no longer good.
    #[error(
        "Vault refuses {path}: permission denied; the token may have expired, or its policy lacks this path"
    )]
    Denied {
        /// What was asked for.
        path: String,
    },

    /// There is nothing.
    #[error(
        "Vault has nothing at {path}: check mount and name, and that the version was not deleted"
    )]
    NotFound {
        /// What was asked for.
        path: String,
    },

    /// A secret is there already.
    #[error(
        "Vault has a secret at {path} already: a master key is never overwritten, choose another path"
    )]
    Exists {
        /// Where.
        path: String,
    },

    /// Another refusal.
    #[error("Vault refuses {path} with status {status}: {errors}")]
    Refused {
        /// What was asked for.
        path: String,
        /// The HTTP status.
        status: u16,
        /// Vault's own words.
        errors: String,
    },

    /// The reply lacks what it should bring.
    #[error("Vault's answer for {path} lacks {missing}")]
    Answer {
        /// What was asked for.
        path: String,
        /// What was looked for.
        missing: String,
    },

    /// What Vault holds is no master key.
    #[error(transparent)]
    Key(#[from] LocalKeyError),
}

/// The error that a status stands for.
pub(super) fn of_status(address: &Address, path: &str, status: u16, body: &[u8]) -> VaultError {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<String>,
    }
    let path = path.to_owned();
    let errors = serde_json::from_slice::<Body>(body).map(|body| body.errors).unwrap_or_default();
    match status {
        307 | 308 => VaultError::Standby { address: address.to_string() },
        403 => VaultError::Denied { path },
        404 => VaultError::NotFound { path },
        503 if errors.iter().any(|error| error.contains("sealed")) => {
            VaultError::Sealed { address: address.to_string() }
        }
        _ if errors.is_empty() => {
            VaultError::Refused { path, status, errors: "(no reason given)".to_owned() }
        }
        _ => VaultError::Refused { path, status, errors: errors.join("; ") },
    }
}
