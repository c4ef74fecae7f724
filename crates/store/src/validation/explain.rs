//! Why a document does not match a validator: `errInfo.details`.

use bson::raw::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::rawdoc;
use fieldveil_query::document::put;
use fieldveil_query::filter::{Filter, Predicate};
use fieldveil_query::value::BsonType;

use crate::error::Result;
use crate::eval::Context;
use crate::eval::matcher::Matcher;
use crate::json_schema::Schema;

/// Describes `filter`, which `document` does not match.
pub(super) fn details(
    filter: &Filter,
    document: &RawDocument,
    context: &Context,
) -> Result<RawDocumentBuf> {
    match filter {
        Filter::JsonSchema(schema) => Ok(Schema::parse(schema)?.explain(document)),
        Filter::And(parts) => match parts.as_slice() {
            [only] => details(only, document, context),
            parts => clauses("$and", parts, false, document, context),
        },
        Filter::Or(parts) => clauses("$or", parts, false, document, context),
        Filter::Nor(parts) => clauses("$nor", parts, true, document, context),
        Filter::Field { path, predicate } => Ok(field(filter, path.as_str(), predicate, document)),
        Filter::Expr(_) => Ok(rawdoc! {
            "operatorName": "$expr",
            "specifiedAs": filter.to_raw(),
            "reason": "expression did not match",
            "expressionResult": false,
        }),
        _ => Ok(rawdoc! {"specifiedAs": filter.to_raw(), "reason": "expression did not match"}),
    }
}

/// The clauses that are at fault: those that fail, or under `$nor` those that hold.
fn clauses(
    operator: &str,
    parts: &[Filter],
    hold: bool,
    document: &RawDocument,
    context: &Context,
) -> Result<RawDocumentBuf> {
    let mut at_fault = RawArrayBuf::new();
    for (index, part) in parts.iter().enumerate() {
        if Matcher::compile(part, context)?.matches(document)? != hold {
            continue;
        }
        let details = match hold {
            false => details(part, document, context)?,
            true => rawdoc! {"specifiedAs": part.to_raw(), "reason": "child expression matched"},
        };
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        at_fault.push(rawdoc! {"index": index, "details": details});
    }
    let name = if hold { "clausesSatisfied" } else { "clausesNotSatisfied" };
    let mut out = rawdoc! {"operatorName": operator};
    put(&mut out, name, &*at_fault);
    Ok(out)
}

fn field(
    filter: &Filter,
    path: &str,
    predicate: &Predicate,
    document: &RawDocument,
) -> RawDocumentBuf {
    let (operator, reason) = operator(predicate);
    let mut out = rawdoc! {"operatorName": operator, "specifiedAs": filter.to_raw()};
    let value = lookup(document, path);
    if value.is_none() && !matches!(predicate, Predicate::Exists(_) | Predicate::Not(_)) {
        out.append(cstr!("reason"), "field was missing");
        return out;
    }
    out.append(cstr!("reason"), reason);
    if let Some(value) = value {
        put(&mut out, "consideredValue", value);
        if matches!(predicate, Predicate::Type(_)) {
            put(&mut out, "consideredType", BsonType::of(value).name());
        }
    }
    out
}

fn operator(predicate: &Predicate) -> (&'static str, &'static str) {
    let compared = "comparison failed";
    match predicate {
        Predicate::Eq(_) => ("$eq", compared),
        Predicate::Ne(_) => ("$ne", compared),
        Predicate::Gt(_) => ("$gt", compared),
        Predicate::Gte(_) => ("$gte", compared),
        Predicate::Lt(_) => ("$lt", compared),
        Predicate::Lte(_) => ("$lte", compared),
        Predicate::In(_) => ("$in", "no matching value found in array"),
        Predicate::Nin(_) => ("$nin", "matching value found in array"),
        Predicate::Exists(true) => ("$exists", "path does not exist"),
        Predicate::Exists(false) => ("$exists", "path does exist"),
        Predicate::Type(_) => ("$type", "type did not match"),
        Predicate::Not(_) => ("$not", "child expression matched"),
        Predicate::ElemMatch(_) => ("$elemMatch", "array did not satisfy the child predicate"),
        Predicate::Size(_) => ("$size", "array length was not equal to given size"),
        Predicate::All(_) => ("$all", "array did not contain all specified values"),
        Predicate::Regex { .. } => ("$regex", "regular expression did not match"),
        Predicate::Mod { .. } => ("$mod", "$mod did not evaluate to expected remainder"),
        Predicate::Bits { test, .. } => (test.name(), "bitwise operator failed to match"),
        Predicate::Geo { .. } => ("$geoWithin", "geo operator did not match"),
        Predicate::Comment(_) => ("$comment", ""),
    }
}

/// The value at a path without arrays on the way.
fn lookup<'a>(document: &'a RawDocument, path: &str) -> Option<RawBsonRef<'a>> {
    let mut value = RawBsonRef::Document(document);
    for part in path.split('.') {
        let RawBsonRef::Document(inner) = value else { return None };
        value = inner.get(part).ok().flatten()?;
    }
    Some(value)
}
