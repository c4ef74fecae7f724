//! `create`, `collMod` and `createIndexes`: checked, not rewritten.
//!
//! Validators and partial indexes are stored by the server. A comparison with an encrypted field
//! in them would either carry plaintext, or ciphertext that outlives its key.

use bson::raw::RawDocument;

mod conditions;

use conditions::check_conditions;

use super::{Context, Part, Spec, nothing, part};
use crate::{
    AnalyzeError, EncryptionSchema, SchemaOrigin,
    filter::mark_filter,
    raw::{Element, Elements},
};

pub(super) const CREATE: Spec = Spec {
    name: "create",
    aliases: &[],
    fields: &[
        ("validator", Part::Work(validator)),
        ("pipeline", Part::Work(view)),
        ("viewOn", Part::Work(view)),
        ("autoIndexId", Part::Keep),
        ("capped", Part::Keep),
        ("changeStreamPreAndPostImages", Part::Keep),
        ("clusteredIndex", Part::Keep),
        ("collation", Part::Keep),
        ("encryptedFields", Part::Keep),
        ("expireAfterSeconds", Part::Keep),
        ("flags", Part::Keep),
        ("idIndex", Part::Keep),
        ("indexOptionDefaults", Part::Keep),
        ("max", Part::Keep),
        ("size", Part::Keep),
        ("storageEngine", Part::Keep),
        ("temp", Part::Keep),
        ("timeseries", Part::Keep),
        ("validationAction", Part::Keep),
        ("validationLevel", Part::Keep),
    ],
    joins_collections: false,
    is_explainable: false,
    finish: nothing,
};

pub(super) const COLL_MOD: Spec = Spec {
    name: "collMod",
    aliases: &[],
    fields: &[
        ("validator", Part::Work(validator)),
        ("pipeline", Part::Work(view)),
        ("viewOn", Part::Work(view)),
        ("cappedMax", Part::Keep),
        ("cappedSize", Part::Keep),
        ("changeStreamPreAndPostImages", Part::Keep),
        ("dryRun", Part::Keep),
        ("expireAfterSeconds", Part::Keep),
        ("index", Part::Keep),
        ("timeseries", Part::Keep),
        ("validationAction", Part::Keep),
        ("validationLevel", Part::Keep),
    ],
    joins_collections: false,
    is_explainable: false,
    finish: nothing,
};

pub(super) const CREATE_INDEXES: Spec = Spec {
    name: "createIndexes",
    aliases: &[],
    fields: &[
        ("indexes", Part::Work(indexes)),
        ("commitQuorum", Part::Keep),
        ("ignoreUnknownIndexOptions", Part::Keep),
    ],
    joins_collections: false,
    is_explainable: false,
    finish: nothing,
};

fn validator(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let validator = element.document().ok_or_else(|| context.wrong_type(element, "object"))?;
    match validator.get_document("$jsonSchema") {
        Ok(schema) => check_schema(context, validator, schema)?,
        Err(_) => check_filter(context, validator, " in collection validator")?,
    }
    out.extend(element.whole);
    Ok(())
}

/// A schema stands alone, and encrypts what the schema of the request does.
fn check_schema(
    context: &Context<'_>,
    validator: &RawDocument,
    schema: &RawDocument,
) -> Result<(), AnalyzeError> {
    let operator = "$jsonSchema".to_owned();
    let path = context.shape.example().unwrap_or_default();
    if validator.iter().count() > 1 {
        return Err(AnalyzeError::InvalidOperator { path, operator });
    }
    let compiled = EncryptionSchema::parse(schema, SchemaOrigin::Remote)?;
    if !compiled.root.agrees(&context.shape) {
        return Err(AnalyzeError::ValidatorSchema { path });
    }
    check_conditions(schema, &context.shape)
}

fn check_filter(
    context: &mut Context<'_>,
    filter: &RawDocument,
    what: &'static str,
) -> Result<(), AnalyzeError> {
    match mark_filter(context.marker, &context.shape, filter)? {
        None => Ok(()),
        Some(_) => Err(AnalyzeError::StoredComparison {
            what,
            path: context.shape.example().unwrap_or_default(),
        }),
    }
}

fn check_partial_filter(
    context: &mut Context<'_>,
    filter: &RawDocument,
) -> Result<(), AnalyzeError> {
    check_filter(context, filter, "")
}

fn check_key(context: &mut Context<'_>, key: &RawDocument) -> Result<(), AnalyzeError> {
    part::check_index_key(context, "key", key)
}

fn view(
    context: &mut Context<'_>,
    element: &Element<'_>,
    _: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let path = context.shape.example().unwrap_or_default();
    Err(AnalyzeError::View { option: element.name.to_owned(), path })
}

fn indexes(
    context: &mut Context<'_>,
    element: &Element<'_>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let indexes = element.array().ok_or_else(|| context.wrong_type(element, "array"))?;
    for index in indexes {
        let index = index?;
        let place = context.marker.enter(index.name);
        let options =
            index.document().ok_or_else(|| context.wrong_type(element, "array of objects"))?;
        for option in Elements::new(options.as_bytes())? {
            let option = option?;
            let check = match option.name {
                "key" => check_key,
                "partialFilterExpression" => check_partial_filter,
                _ => continue,
            };
            let value = option.document().ok_or_else(|| context.wrong_type(&option, "object"))?;
            let place = context.marker.enter(option.name);
            check(context, value)?;
            context.marker.leave(place);
        }
        context.marker.leave(place);
    }
    out.extend(element.whole);
    Ok(())
}
