//! The configuration file.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::Deserialize;

/// What stands in it; an unknown name is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub(super) uri: Option<String>,
    pub(super) key_vault: Option<String>,
    pub(super) master_key: Option<PathBuf>,
    pub(super) local_key_from: Option<String>,
    pub(super) allow_shared_master_key: Option<bool>,
    #[serde(default)]
    pub(super) providers: BTreeMap<String, toml::Table>,
    #[serde(default)]
    pub(super) kms: Kms,
}

/// How key services are reached.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kms {
    /// `host:port` of an HTTP proxy.
    pub(super) proxy: Option<String>,
    pub(super) timeout_secs: Option<u64>,
}

impl ConfigFile {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let context = || format!("the configuration file {}", path.display());
        let text = fs::read_to_string(path).with_context(context)?;
        toml::from_str(&text).with_context(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fieldveil.toml");
        fs::write(&path, "url = 'x'\n").unwrap();
        let error = format!("{:#}", ConfigFile::read(&path).unwrap_err());
        assert!(error.contains("`url`") && error.contains("fieldveil.toml"), "{error}");
    }

    #[test]
    fn the_documented_file_is_one() {
        let page = include_str!("../../../../docs/configuration.md");
        let (_, rest) = page.split_once("```toml\n").unwrap();
        let (text, _) = rest.split_once("```").unwrap();
        let file: ConfigFile = toml::from_str(text).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        fieldveil::LocalKey::generate().unwrap().write_new(&key).unwrap();
        let env = |_: &str| Some("A".repeat(128));
        for (name, table) in &file.providers {
            let table = table.to_string().replace("old-master-key.bin", key.to_str().unwrap());
            let table = table.replace("/run/secrets/gcp-key.pem", key.to_str().unwrap());
            let table = table.replace("/run/secrets/eu-session-token", key.to_str().unwrap());
            let read = super::super::providers::read(name, &table.parse().unwrap(), &env);
            // A key of random bytes is no text; that it was opened shows that the field is read.
            if let Err(error) = read {
                assert!(format!("{error:#}").contains("UTF-8"), "{name}: {error:#}");
            }
        }
        assert_eq!(file.providers.len(), 7);
    }
}
