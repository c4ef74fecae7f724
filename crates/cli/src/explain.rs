//! `fieldveil explain`: what encryption does to a command, and why.

use std::process::ExitCode;

use anyhow::Context;
use bson::{Bson, Document, RawDocumentBuf};
use fieldveil_analysis::{Analysis, EncryptedValue, Explanation, Purpose, Refusal};
use serde_json::json;

use crate::{args::ExplainArgs, exit, json, output, schema, shell};

/// The database of commands that do not say.
const DATABASE: &str = "test";

pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let command = json::read(&args.command)?;
    let db = args.db.as_deref().or(command.get_str("$db").ok()).unwrap_or(DATABASE);
    let collection = collection(&command).context(
        "the command names no collection: it begins with its name and the collection, as {\"find\": \"patients\", ..}",
    )?;
    let schemas = schema::compile(schema::read(&args.schema)?, &format!("{db}.{collection}"))?;
    let raw = RawDocumentBuf::try_from(&command)?;
    match fieldveil_analysis::explain(&raw, db, &schemas) {
        Explanation::Passed { analysis, values } => {
            if args.json {
                passed_json(&analysis, &values)?;
            } else {
                passed(&analysis, &values)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Explanation::Refused(refusal) => {
            if args.json {
                refused_json(&refusal)?;
            } else {
                refused(&refusal);
            }
            Ok(ExitCode::from(exit::REFUSED))
        }
    }
}

/// The collection of a command, or of the command that it explains.
fn collection(command: &Document) -> Option<&str> {
    match command.iter().next()? {
        (_, Bson::String(collection)) => Some(collection),
        (name, Bson::Document(explained)) if name == "explain" => collection(explained),
        _ => None,
    }
}

fn passed(analysis: &Analysis, values: &[EncryptedValue]) -> anyhow::Result<()> {
    match values {
        [] if analysis.schema_requires_encryption => {
            println!("The collection has encrypted fields, but this command touches none of them.");
        }
        [] => println!("The collection has no encrypted fields; the command leaves as it is."),
        [_] => println!("One value is encrypted:"),
        _ => println!("{} values are encrypted:", values.len()),
    }
    if !values.is_empty() {
        let rows: Vec<_> = values.iter().map(row).collect();
        print!("\n{}", output::table(["PLACE", "TYPE", "WHY", "ALGORITHM", "KEY"], &rows));
    }
    let command = Document::try_from(analysis.command.as_ref())?;
    println!("\nThe command as it leaves:\n{}", shell::pretty(&command, 0));
    Ok(())
}

fn row(value: &EncryptedValue) -> [String; 5] {
    let why = match value.purpose {
        Purpose::Compared => format!("compared with {}", value.path),
        _ => format!("stored in {}", value.path),
    };
    let name = value.algorithm.name();
    let algorithm = name.rsplit_once('-').map_or(name, |(_, short)| short);
    [value.place.clone(), value.bson_type.to_owned(), why, algorithm.to_owned(), key(value)]
}

fn key(value: &EncryptedValue) -> String {
    match &value.key_alt_name {
        Some(name) => format!("alternate name '{name}'"),
        None => schema::key(&value.key),
    }
}

fn passed_json(analysis: &Analysis, values: &[EncryptedValue]) -> anyhow::Result<()> {
    let command = Document::try_from(analysis.command.as_ref())?;
    let values: Vec<_> = values
        .iter()
        .map(|value| {
            json!({
                "place": value.place,
                "path": value.path,
                "schemaPath": value.schema_path,
                "algorithm": value.algorithm.name(),
                "key": key(value),
                "bsonType": value.bson_type,
                "purpose": match value.purpose {
                    Purpose::Compared => "compared",
                    _ => "stored",
                },
            })
        })
        .collect();
    let shown = json!({
        "refused": false,
        "hasEncryptedPlaceholders": analysis.has_encryption_placeholders,
        "schemaRequiresEncryption": analysis.schema_requires_encryption,
        "values": values,
        "command": Bson::Document(command).into_canonical_extjson(),
    });
    println!("{}", serde_json::to_string_pretty(&shown)?);
    Ok(())
}

fn refused(refusal: &Refusal) {
    println!("The command is refused: {}", refusal.error);
    if !refusal.place.is_empty() {
        println!("  at {}", refusal.place);
    }
    if let Some(path) = refusal.error.path() {
        println!("  because of the field {path}");
    }
    if let Some(advice) = &refusal.advice {
        println!("  instead: {advice}");
    }
}

fn refused_json(refusal: &Refusal) -> anyhow::Result<()> {
    let shown = json!({
        "refused": true,
        "code": refusal.error.code(),
        "codeName": refusal.error.code_name(),
        "message": refusal.error.to_string(),
        "place": refusal.place,
        "path": refusal.error.path(),
        "advice": refusal.advice,
    });
    println!("{}", serde_json::to_string_pretty(&shown)?);
    Ok(())
}
