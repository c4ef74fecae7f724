//! Writing filters.

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocumentBuf};

use super::{AllItem, ElemMatch, Filter, Predicate};
use crate::document::{put, single};
use crate::value::{Number, TypeSet};

pub(super) fn filter(filter: &Filter) -> RawDocumentBuf {
    match filter {
        Filter::And(parts) if parts.is_empty() => RawDocumentBuf::new(),
        Filter::And(parts) => single("$and", &list(parts)),
        Filter::Or(parts) => single("$or", &list(parts)),
        Filter::Nor(parts) => single("$nor", &list(parts)),
        Filter::Field { path, predicate } => {
            single(path.as_str(), &RawBson::Document(predicates([predicate])))
        }
        Filter::Expr(expression) => single("$expr", &expression.to_raw()),
        Filter::JsonSchema(schema) => single("$jsonSchema", schema),
        Filter::Text(text) => single("$text", text),
        Filter::Where(code) => single("$where", code),
        Filter::Comment(value) => single("$comment", value),
        Filter::AlwaysTrue => single("$alwaysTrue", 1),
        Filter::AlwaysFalse => single("$alwaysFalse", 1),
        Filter::SampleRate(rate) => single("$sampleRate", *rate),
    }
}

fn list(parts: &[Filter]) -> RawBson {
    let mut array = RawArrayBuf::new();
    for part in parts {
        array.push(filter(part));
    }
    RawBson::Array(array)
}

pub(super) fn predicates<'p>(list: impl IntoIterator<Item = &'p Predicate>) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    for item in list {
        predicate(&mut document, item);
    }
    document
}

fn predicate(document: &mut RawDocumentBuf, predicate: &Predicate) {
    let operator = predicate.operator();
    match predicate {
        Predicate::Eq(value)
        | Predicate::Ne(value)
        | Predicate::Gt(value)
        | Predicate::Gte(value)
        | Predicate::Lt(value)
        | Predicate::Lte(value)
        | Predicate::Comment(value) => put(document, operator, value),
        Predicate::In(values) | Predicate::Nin(values) => {
            put(document, operator, &RawBson::Array(array(values)));
        }
        Predicate::Exists(exists) => put(document, operator, *exists),
        Predicate::Type(types) => put(document, operator, &type_set(types)),
        Predicate::Not(inner) => put(document, operator, &predicates(inner)),
        Predicate::ElemMatch(elem_match) => put(document, operator, &element(elem_match)),
        Predicate::Size(size) => put(document, operator, &Number::narrow(*size).to_bson()),
        Predicate::All(items) => {
            let mut array = RawArrayBuf::new();
            for item in items {
                match item {
                    AllItem::Value(value) => array.push(value.as_raw_bson_ref()),
                    AllItem::ElemMatch(inner) => array.push(single("$elemMatch", &element(inner))),
                }
            }
            put(document, operator, &RawBson::Array(array));
        }
        Predicate::Regex { pattern, options } => {
            put(document, operator, RawBsonRef::String(pattern));
            if !options.is_empty() {
                put(document, "$options", RawBsonRef::String(options));
            }
        }
        Predicate::Mod { divisor, remainder } => {
            let mut array = RawArrayBuf::new();
            array.push(Number::narrow(*divisor).to_bson());
            array.push(Number::narrow(*remainder).to_bson());
            put(document, operator, &RawBson::Array(array));
        }
        Predicate::Bits { mask, .. } => put(document, operator, mask),
        Predicate::Geo { value, modifiers, .. } => {
            put(document, operator, value);
            for (name, value) in modifiers {
                put(document, name, value);
            }
        }
    }
}

pub(super) fn element(elem_match: &ElemMatch) -> RawDocumentBuf {
    match elem_match {
        ElemMatch::Object(inner) => filter(inner),
        ElemMatch::Value(list) => predicates(list),
    }
}

fn array(values: &[RawBson]) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    for value in values {
        array.push(value.as_raw_bson_ref());
    }
    array
}

fn type_set(types: &TypeSet) -> RawBson {
    let mut array = RawArrayBuf::new();
    if types.all_numbers {
        array.push("number");
    }
    for kind in &types.types {
        array.push(kind.name());
    }
    RawBson::Array(array)
}
