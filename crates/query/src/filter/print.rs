//! Writing filters.

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocumentBuf};

use super::{AllItem, ElemMatch, Filter, Predicate};
use crate::document::Writer;
use crate::value::{Number, TypeSet};

pub(super) fn filter(filter: &Filter) -> RawDocumentBuf {
    let mut out = Writer::new();
    write_filter(&mut out, filter);
    out.finish()
}

pub(super) fn predicates<'p>(list: impl IntoIterator<Item = &'p Predicate>) -> RawDocumentBuf {
    let mut out = Writer::new();
    list.into_iter().for_each(|item| write_predicate(&mut out, item));
    out.finish()
}

pub(super) fn element(elem_match: &ElemMatch) -> RawDocumentBuf {
    let mut out = Writer::new();
    write_element(&mut out, elem_match);
    out.finish()
}

/// Writes the elements of a filter's document.
fn write_filter(out: &mut Writer, filter: &Filter) {
    match filter {
        Filter::And(parts) if parts.is_empty() => {}
        Filter::And(parts) => write_list(out, "$and", parts),
        Filter::Or(parts) => write_list(out, "$or", parts),
        Filter::Nor(parts) => write_list(out, "$nor", parts),
        Filter::Field { path, predicate } => {
            let open = out.open(path.as_str());
            write_predicate(out, predicate);
            out.close(open);
        }
        Filter::Expr(expression) => out.put("$expr", &expression.to_raw()),
        Filter::JsonSchema(schema) => out.put("$jsonSchema", schema),
        Filter::Text(text) => out.put("$text", text),
        Filter::Where(code) => out.put("$where", code),
        Filter::Comment(value) => out.put("$comment", value),
        Filter::AlwaysTrue => out.put("$alwaysTrue", 1),
        Filter::AlwaysFalse => out.put("$alwaysFalse", 1),
        Filter::SampleRate(rate) => out.put("$sampleRate", *rate),
    }
}

fn write_list(out: &mut Writer, operator: &str, parts: &[Filter]) {
    let list = out.open_array(operator);
    for (index, part) in parts.iter().enumerate() {
        let open = out.open(&index.to_string());
        write_filter(out, part);
        out.close(open);
    }
    out.close(list);
}

/// Writes the operator of a predicate.
fn write_predicate(out: &mut Writer, predicate: &Predicate) {
    let operator = predicate.operator();
    match predicate {
        Predicate::Eq(value)
        | Predicate::Ne(value)
        | Predicate::Gt(value)
        | Predicate::Gte(value)
        | Predicate::Lt(value)
        | Predicate::Lte(value)
        | Predicate::Comment(value) => out.put(operator, value),
        Predicate::In(values) | Predicate::Nin(values) => {
            let list = out.open_array(operator);
            for (index, value) in values.iter().enumerate() {
                out.put(&index.to_string(), value);
            }
            out.close(list);
        }
        Predicate::Exists(exists) => out.put(operator, *exists),
        Predicate::Type(types) => out.put(operator, &type_set(types)),
        Predicate::Not(inner) => {
            let open = out.open(operator);
            inner.iter().for_each(|predicate| write_predicate(out, predicate));
            out.close(open);
        }
        Predicate::ElemMatch(elem_match) => write_elem_match(out, operator, elem_match),
        Predicate::Size(size) => out.put(operator, &Number::narrow(*size).to_bson()),
        Predicate::All(items) => {
            let list = out.open_array(operator);
            for (index, item) in items.iter().enumerate() {
                match item {
                    AllItem::Value(value) => out.put(&index.to_string(), value),
                    AllItem::ElemMatch(inner) => {
                        let open = out.open(&index.to_string());
                        write_elem_match(out, "$elemMatch", inner);
                        out.close(open);
                    }
                }
            }
            out.close(list);
        }
        Predicate::Regex { pattern, options } => {
            out.put(operator, RawBsonRef::String(pattern));
            if !options.is_empty() {
                out.put("$options", RawBsonRef::String(options));
            }
        }
        Predicate::Mod { divisor, remainder } => {
            let list = out.open_array(operator);
            out.put("0", &Number::narrow(*divisor).to_bson());
            out.put("1", &Number::narrow(*remainder).to_bson());
            out.close(list);
        }
        Predicate::Bits { mask, .. } => out.put(operator, mask),
        Predicate::Geo { value, modifiers, .. } => {
            out.put(operator, value);
            for (name, value) in modifiers {
                out.put(name, value);
            }
        }
    }
}

fn write_elem_match(out: &mut Writer, operator: &str, elem_match: &ElemMatch) {
    let open = out.open(operator);
    write_element(out, elem_match);
    out.close(open);
}

/// Writes the elements of an `$elemMatch`'s argument.
fn write_element(out: &mut Writer, elem_match: &ElemMatch) {
    match elem_match {
        ElemMatch::Object(inner) => write_filter(out, inner),
        ElemMatch::Value(list) => list.iter().for_each(|item| write_predicate(out, item)),
    }
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
