//! Exit codes, all of them. Scripts rely on them; a number never changes its meaning.
//!
//! 2 is clap's: the command line cannot be understood. `docs/errors.md` explains each.

use fieldveil::{Error, LocalKeyError, Part, vault::VaultError};

/// Something failed that has no code of its own; standard error says what.
pub(crate) const FAILURE: u8 = 1;
/// `keys rewrap` without `--apply` found keys to wrap anew.
pub(crate) const WORK_LEFT: u8 = 10;
/// `keys rewrap --apply` could not wrap some keys anew.
pub(crate) const SOME_FAILED: u8 = 11;
/// `explain` shows that the command is refused.
pub(crate) const REFUSED: u8 = 12;
/// `schema check` found faults.
pub(crate) const FAULTY_SCHEMA: u8 = 13;
/// `store check` found documents and indexes that disagree.
pub(crate) const FAULTY_STORE: u8 = 14;
/// A setting or an argument cannot work.
const SETTINGS: u8 = 20;
/// The key vault cannot be used, or has not what was asked for.
const KEY_VAULT: u8 = 21;
/// A key service, Vault among them, or its credentials failed.
const KMS: u8 = 22;
/// Encryption or decryption failed.
const CRYPTO: u8 = 23;
/// The database refused or cannot be reached.
const DATABASE: u8 = 24;

/// The context of an error in the settings.
#[derive(Debug, thiserror::Error)]
#[error("the settings cannot be used")]
pub(crate) struct Unusable;

/// The exit code of an error.
pub(crate) fn code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<Unusable>().is_some()
        || error.chain().any(|cause| cause.is::<LocalKeyError>())
    {
        return SETTINGS;
    }
    if error.chain().any(|cause| cause.is::<VaultError>()) {
        return KMS;
    }
    let Some(error) = fieldveil_error(error) else { return FAILURE };
    match error.part() {
        Part::Caller | Part::Schema | Part::Analysis | Part::Document => SETTINGS,
        Part::KeyVault => KEY_VAULT,
        Part::Kms => KMS,
        Part::Crypto => CRYPTO,
        Part::Database => DATABASE,
        _ => FAILURE,
    }
}

/// The client's error among the causes.
pub(crate) fn fieldveil_error(error: &anyhow::Error) -> Option<&Error> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};
    use fieldveil::ConfigError;

    use super::*;

    #[test]
    fn every_code_is_documented() {
        let page = include_str!("../../../docs/errors.md");
        let codes = [FAILURE, WORK_LEFT, SOME_FAILED, REFUSED, FAULTY_SCHEMA, FAULTY_STORE];
        for code in codes.into_iter().chain([SETTINGS, KEY_VAULT, KMS, CRYPTO, DATABASE]) {
            assert!(page.contains(&format!("\n| {code} |")), "{code}");
        }
    }

    #[test]
    fn an_error_has_the_code_of_its_part_behind_any_context() {
        let wrapped = Err::<(), _>(Error::from(ConfigError::NoProviders)).context("outer");
        assert_eq!(code(&wrapped.unwrap_err()), SETTINGS);
        let unset = LocalKeyError::NoVariable { variable: "X".to_owned() };
        assert_eq!(code(&anyhow::Error::from(unset).context("outer")), SETTINGS);
        assert_eq!(code(&anyhow::Error::from(VaultError::NoAuth).context("outer")), KMS);
        assert_eq!(code(&anyhow!("anything else")), FAILURE);
    }
}
