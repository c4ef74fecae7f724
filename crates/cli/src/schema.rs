//! `fieldveil schema check`, and schemas as files give them.

use std::{collections::BTreeMap, path::Path, process::ExitCode, sync::Arc};

use bson::{Bson, Document, RawDocumentBuf};
use fieldveil_analysis::{
    EncryptedField, EncryptionSchema, FieldKey, SchemaOrigin, SchemaReport, SchemaSet, check_schema,
};
use serde_json::json;

use crate::{args::SchemaCheckArgs, exit, json, output};

pub(crate) fn check(args: &SchemaCheckArgs) -> anyhow::Result<ExitCode> {
    let mut reports = BTreeMap::new();
    for (namespace, schema) in read(&args.file)? {
        let raw = RawDocumentBuf::try_from(&schema.document)?;
        reports.insert(namespace, check_schema(&raw, schema.origin));
    }
    let is_faulty = reports.values().any(|report| !report.errors.is_empty());
    if args.json {
        let reports: serde_json::Map<_, _> = reports
            .iter()
            .map(|(namespace, report)| (name(namespace.as_deref()), report_json(report)))
            .collect();
        println!("{}", serde_json::to_string_pretty(&reports)?);
    } else {
        for (namespace, report) in &reports {
            show(namespace.as_deref(), report);
        }
    }
    Ok(if is_faulty { ExitCode::from(exit::FAULTY_SCHEMA) } else { ExitCode::SUCCESS })
}

/// A schema, and whether it was written for the client or for the server.
#[derive(Debug)]
pub(crate) struct SchemaFile {
    document: Document,
    origin: SchemaOrigin,
}

/// The schemas of a file by namespace. A file may hold one schema (which has no namespace), a
/// validator with `$jsonSchema`, or a schema map.
pub(crate) fn read(path: &Path) -> anyhow::Result<BTreeMap<Option<String>, SchemaFile>> {
    Ok(split(json::read(path)?))
}

fn split(document: Document) -> BTreeMap<Option<String>, SchemaFile> {
    let is_map = !document.is_empty()
        && document.iter().all(|(key, value)| key.contains('.') && value.as_document().is_some());
    if !is_map {
        return BTreeMap::from([(None, schema(document))]);
    }
    document
        .into_iter()
        .filter_map(|(namespace, value)| match value {
            Bson::Document(document) => Some((Some(namespace), schema(document))),
            _ => None,
        })
        .collect()
}

fn schema(mut document: Document) -> SchemaFile {
    match document.remove("$jsonSchema") {
        Some(Bson::Document(document)) => SchemaFile { document, origin: SchemaOrigin::Remote },
        Some(other) => {
            document.insert("$jsonSchema", other);
            SchemaFile { document, origin: SchemaOrigin::Local }
        }
        None => SchemaFile { document, origin: SchemaOrigin::Local },
    }
}

/// The schemas for analysis; one without a namespace is that of `collection`.
pub(crate) fn compile(
    schemas: BTreeMap<Option<String>, SchemaFile>,
    collection: &str,
) -> anyhow::Result<SchemaSet> {
    let mut set = SchemaSet::new();
    for (namespace, schema) in schemas {
        let raw = RawDocumentBuf::try_from(&schema.document)?;
        let compiled = EncryptionSchema::parse(&raw, schema.origin).map_err(|error| {
            anyhow::anyhow!("{error}; `fieldveil schema check` shows every fault of a schema")
        })?;
        set.insert(namespace.unwrap_or_else(|| collection.to_owned()), Arc::new(compiled));
    }
    Ok(set)
}

/// A data key as text.
pub(crate) fn key(key: &FieldKey) -> String {
    match key {
        FieldKey::Id(id) => bson::Uuid::from_bytes(*id).to_string(),
        FieldKey::Pointer(pointer) => format!("named in the document at {pointer}"),
    }
}

fn name(namespace: Option<&str>) -> String {
    namespace.unwrap_or("schema").to_owned()
}

fn show(namespace: Option<&str>, report: &SchemaReport) {
    println!(
        "{}: {} faults, {} warnings",
        name(namespace),
        report.errors.len(),
        report.warnings.len()
    );
    for error in &report.errors {
        println!("  fault: {error}");
    }
    for warning in &report.warnings {
        println!("  warning: {warning}");
    }
    if !report.fields.is_empty() {
        let rows: Vec<_> = report.fields.iter().map(row).collect();
        print!("{}", output::table(["FIELD", "ALGORITHM", "KEY"], &rows));
    }
}

fn row(field: &EncryptedField) -> [String; 3] {
    [field.path().to_owned(), field.algorithm().name().to_owned(), key(field.key())]
}

fn report_json(report: &SchemaReport) -> serde_json::Value {
    let errors: Vec<_> = report
        .errors
        .iter()
        .map(|error| {
            json!({
                "place": error.place,
                "code": error.code(),
                "message": error.problem.to_string(),
            })
        })
        .collect();
    let warnings: Vec<_> = report.warnings.iter().map(ToString::to_string).collect();
    let fields: Vec<_> = report
        .fields
        .iter()
        .map(|field| {
            json!({
                "path": field.path(),
                "algorithm": field.algorithm().name(),
                "key": key(field.key()),
            })
        })
        .collect();
    json!({ "errors": errors, "warnings": warnings, "fields": fields })
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn a_file_is_one_schema_or_a_map_of_them() {
        let one = doc! { "bsonType": "object" };
        assert_eq!(split(one.clone()).keys().collect::<Vec<_>>(), [&None]);
        let map = split(doc! { "db.a": one.clone(), "db.b": { "$jsonSchema": one } });
        assert_eq!(map.len(), 2);
        let remote = map.get(&Some("db.b".to_owned())).unwrap();
        assert_eq!(remote.origin, SchemaOrigin::Remote);
    }
}
