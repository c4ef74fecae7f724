//! What to do about an error.

use fieldveil_core::{CoreError, KeyVaultError};
use mongodb::error::ErrorKind;

use super::{Error, Part};

impl Error {
    /// What to do about it, where the message does not say so by itself.
    ///
    /// ```
    /// # fn handle(error: fieldveil::Error) {
    /// eprintln!("{:?}: {error}", error.part());
    /// if let Some(advice) = error.advice() {
    ///     eprintln!("{advice}");
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Core(CoreError::KeyVault(KeyVaultError::Missing)) => Some(
                "the key vault has no data key of this id or name: check the key vault's \
                 namespace and the name (`fieldveil keys list` shows what there is); a key that \
                 was deleted is gone with everything under it, unless an export holds it",
            ),
            Self::Core(error) if error.is_retryable() => {
                Some("the same operation may succeed when it is tried again")
            }
            Self::KeyVault { source, .. } | Self::CollectionInfo { source, .. } => unusable(source),
            Self::Database(source) => unusable(source),
            Self::Kms(_) => Some(
                "check with `fieldveil keys test` from this machine that the key service can be \
                 reached and that the credentials may wrap and unwrap with this master key",
            ),
            _ => of_part(self.part()),
        }
    }
}

fn of_part(part: Part) -> Option<&'static str> {
    match part {
        Part::Schema => Some("`fieldveil schema check` shows every fault of a schema"),
        Part::Analysis => Some(
            "nothing was sent; `fieldveil explain` shows what a schema makes of a command, and \
             what to write instead",
        ),
        Part::Crypto => Some(
            "the value or the data key was changed, or was encrypted under another key: check \
             that the master key is the one that wrapped the data keys of this key vault",
        ),
        Part::Kms => Some(
            "check the master key and the permissions of the credentials; `fieldveil keys test` \
             wraps and unwraps once and stores nothing",
        ),
        Part::KeyVault => Some("`fieldveil keys list` shows the key vault as it is"),
        Part::Caller | Part::Database | Part::Document => None,
    }
}

/// What keeps a deployment from being used at all.
fn unusable(error: &mongodb::error::Error) -> Option<&'static str> {
    match error.kind.as_ref() {
        ErrorKind::ServerSelection { .. } | ErrorKind::DnsResolve { .. } => Some(
            "no server could be reached: check the connection string, and that the database runs",
        ),
        ErrorKind::Authentication { .. } => {
            Some("check the user, the password and authSource in the connection string")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_the_program_that_looks_closer() {
        let missing = Error::from(CoreError::from(KeyVaultError::Missing));
        assert_eq!(missing.part(), Part::KeyVault);
        assert!(missing.advice().unwrap().contains("fieldveil keys list"));
        let shape = Error::Shape { field: "u" };
        assert!(shape.advice().unwrap().contains("fieldveil explain"));
        let config = Error::from(super::super::ConfigError::NoProviders);
        assert_eq!(config.advice(), None, "the message says what to do");
    }
}
