//! The settings as a table: what they are, and where each comes from.

use super::{Origin, VaultSettings};

/// One setting for people: its name in the configuration file, its value, its origin.
pub(crate) type Row = [String; 3];

impl VaultSettings {
    /// All settings. Of the providers only the names of their fields are shown, since a value may
    /// have been written there that should be elsewhere.
    pub(crate) fn report(&self) -> Vec<Row> {
        let row = |name: &str, value: String, origin: &Origin| {
            [name.to_owned(), value, origin.to_string()]
        };
        let mut rows = vec![
            row("uri", self.uri.shown(), self.uri.origin()),
            row("key_vault", self.key_vault.value.clone(), &self.key_vault.origin),
        ];
        if let Some(path) = &self.master_key {
            rows.push(row("master_key", path.value.display().to_string(), &path.origin));
        }
        if let Some(place) = &self.local_key_from {
            rows.push(row("local_key_from", place.value.clone(), &place.origin));
        }
        let shared = &self.allow_shared_master_key;
        rows.push(row("allow_shared_master_key", shared.value.to_string(), &shared.origin));
        let Some(path) = &self.file else { return rows };
        let origin = Origin::File(path.clone());
        for (name, table) in &self.providers {
            let fields: Vec<_> = table.keys().map(String::as_str).collect();
            rows.push(row(&format!("providers.{name}"), fields.join(", "), &origin));
        }
        if let Some(proxy) = &self.kms.proxy {
            rows.push(row("kms.proxy", proxy.clone(), &origin));
        }
        if let Some(seconds) = self.kms.timeout_secs {
            rows.push(row("kms.timeout_secs", seconds.to_string(), &origin));
        }
        rows
    }
}
