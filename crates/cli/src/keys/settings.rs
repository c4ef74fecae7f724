//! `fieldveil keys settings`: what the other commands would run with.

use serde_json::{Map, json};

use crate::{output, settings::VaultSettings};

pub(super) fn show(settings: &VaultSettings, as_json: bool) -> anyhow::Result<()> {
    let rows = settings.report();
    if !as_json {
        print!("{}", output::table(["SETTING", "VALUE", "ORIGIN"], &rows));
        return Ok(());
    }
    let settings: Map<_, _> = rows
        .into_iter()
        .map(|[name, value, origin]| (name, json!({ "value": value, "origin": origin })))
        .collect();
    println!("{}", serde_json::to_string(&settings)?);
    Ok(())
}
