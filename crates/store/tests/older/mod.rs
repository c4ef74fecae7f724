//! Turns a data directory into one that an earlier version would have left.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use fieldveil_store::FORMAT_VERSION;
use redb::{Database, ReadableTable, Table, TableDefinition, TableHandle, WriteTransaction};

/// Rows of an index.
pub(crate) type Rows = Vec<(Vec<u8>, u64)>;

/// Has the catalog and so on changed by `change`, and each index by `change_index`, and says that
/// the directory is of that format. Answers how many indexes there are.
pub(crate) fn turn_back(
    path: &Path,
    format: u64,
    change: impl FnOnce(&WriteTransaction),
    change_index: impl Fn(&mut Table<'_, &'static [u8], u64>, Rows),
) -> usize {
    let database = Database::open(path.join("data.redb")).unwrap();
    let writing = database.begin_write().unwrap();
    change(&writing);
    let names: Vec<String> = writing
        .list_tables()
        .unwrap()
        .map(|table| table.name().to_owned())
        .filter(|name| name.strip_prefix('i').is_some_and(|id| id.parse::<u64>().is_ok()))
        .collect();
    for name in &names {
        let definition: TableDefinition<'_, &[u8], u64> = TableDefinition::new(name);
        let mut table = writing.open_table(definition).unwrap();
        let rows: Rows = table
            .iter()
            .unwrap()
            .map(|row| row.unwrap())
            .map(|(key, value)| (key.value().to_vec(), value.value()))
            .collect();
        change_index(&mut table, rows);
    }
    let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    writing.open_table(meta).unwrap().insert("format version", format).unwrap();
    writing.commit().unwrap();
    let marker = path.join("fieldveil.toml");
    let text = std::fs::read_to_string(&marker).unwrap();
    let text = text.replace(&format!("format = {FORMAT_VERSION}"), &format!("format = {format}"));
    std::fs::write(&marker, text).unwrap();
    names.len()
}
