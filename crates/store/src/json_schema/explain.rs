//! What is wrong with a value, in the shape of MongoDB's `errInfo.details`.
//!
//! Source: MongoDB manual, "Schema Validation: Error Messages" and its examples; observed output.

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::rawdoc;
use fieldveil_query::document::{put, single};
use fieldveil_query::value::BsonType;

use super::{
    Additional, Count, Dependency, Encrypt, EncryptFault, Items, Rule, Schema, duplicate, fields,
    property,
};

/// The rules of the top schema that `document` does not satisfy.
pub(super) fn document(schema: &Schema, document: &RawDocument) -> RawDocumentBuf {
    let mut out = rawdoc! {"operatorName": "$jsonSchema"};
    schema.annotate(&mut out);
    let details = schema.details(RawBsonRef::Document(document));
    out.append(cstr!("schemaRulesNotSatisfied"), details);
    out
}

impl Schema {
    fn annotate(&self, out: &mut RawDocumentBuf) {
        if let Some(title) = &self.title {
            put(out, "title", title.as_str());
        }
        if let Some(description) = &self.description {
            put(out, "description", description.as_str());
        }
    }

    fn details(&self, value: RawBsonRef<'_>) -> RawArrayBuf {
        self.rules
            .iter()
            .filter(|rule| !rule.accepts(value))
            .flat_map(|rule| rule.details(value))
            .collect()
    }
}

impl Rule {
    /// One document for each keyword that fails; the rule as a whole is known to fail.
    fn details(&self, value: RawBsonRef<'_>) -> Vec<RawDocumentBuf> {
        let one = match self {
            Self::AllOf(schemas) => combined("allOf", schemas, value),
            Self::AnyOf(schemas) => combined("anyOf", schemas, value),
            Self::OneOf(schemas) => one_of(schemas, value),
            Self::Not(_) => rawdoc! {"operatorName": "not", "reason": "child expression matched"},
            Self::Enum(values) => {
                let values: RawArrayBuf = values.iter().cloned().collect();
                let mut out = failed("enum", values, "value was not found in enum");
                consider(&mut out, value);
                out
            }
            Self::Limit { limit, is_maximum, exclusive } => {
                limited(limit, *is_maximum, *exclusive, value)
            }
            Self::MultipleOf(divisor) => {
                let mut out = failed(
                    "multipleOf",
                    divisor.clone(),
                    "considered value is not a multiple of the specified value",
                );
                consider(&mut out, value);
                out
            }
            Self::Length(count) => {
                let mut out = count.failed("specified string length was not satisfied");
                consider(&mut out, value);
                out
            }
            Self::Pattern { text, .. } => {
                let mut out = failed("pattern", text.as_str(), "regular expression did not match");
                consider(&mut out, value);
                out
            }
            Self::ItemCount(count) => {
                let mut out = count.failed("array did not match specified length");
                consider(&mut out, value);
                out
            }
            Self::UniqueItems => {
                let mut out = failed("uniqueItems", true, "found a duplicate item");
                consider(&mut out, value);
                if let Some(item) = duplicate(value) {
                    put(&mut out, "duplicatedValue", item);
                }
                out
            }
            Self::Items { items, additional } => item_details(items, additional, value),
            Self::Encrypt(encrypt) => encrypt_details(encrypt, value),
            Self::Properties(properties) => property_details(properties, value),
            Self::OtherProperties { .. } => return self.other_details(value),
            Self::Required(names) => required("required", names, value),
            Self::PropertyCount(count) => {
                let mut out = count.failed("specified number of properties was not satisfied");
                if let RawBsonRef::Document(document) = value {
                    put(&mut out, "numberOfProperties", count_of(document.iter().count()));
                }
                out
            }
            Self::Dependencies(dependencies) => dependency_details(dependencies, value),
            Self::Type { keyword, written, .. } => {
                let mut out = failed(keyword, written.clone(), "type did not match");
                consider(&mut out, value);
                put(&mut out, "consideredType", BsonType::of(value).name());
                out
            }
        };
        vec![one]
    }

    fn other_details(&self, value: RawBsonRef<'_>) -> Vec<RawDocumentBuf> {
        let (Self::OtherProperties { known, patterns, additional }, RawBsonRef::Document(document)) =
            (self, value)
        else {
            return Vec::new();
        };
        let (mut by_pattern, mut extra) = (RawArrayBuf::new(), RawArrayBuf::new());
        let mut failing = None;
        for (name, value) in fields(document) {
            let mut is_known = known.contains(name);
            for (regex, schema) in patterns.iter().filter(|(regex, _)| regex.is_match(name)) {
                is_known = true;
                if !schema.accepts(value) {
                    by_pattern.push(rawdoc! {
                        "propertyName": name,
                        "regexMatched": regex.as_str(),
                        "details": schema.details(value),
                    });
                }
            }
            if is_known || additional.accepts(value) {
                continue;
            }
            if let Additional::Schema(schema) = additional {
                failing.get_or_insert((name, schema.details(value)));
            }
            extra.push(name);
        }
        let mut out = Vec::new();
        if !by_pattern.is_empty() {
            out.push(rawdoc! {"operatorName": "patternProperties", "details": by_pattern});
        }
        match failing {
            Some((name, details)) => out.push(rawdoc! {
                "operatorName": "additionalProperties",
                "reason": "at least one additional property did not match the subschema",
                "failingProperty": name,
                "details": details,
            }),
            None if !extra.is_empty() => out.push(rawdoc! {
                "operatorName": "additionalProperties",
                "specifiedAs": {"additionalProperties": false},
                "additionalProperties": extra,
            }),
            None => {}
        }
        out
    }
}

impl Count {
    fn failed(self, reason: &str) -> RawDocumentBuf {
        failed(self.keyword, i64::try_from(self.bound).unwrap_or(i64::MAX), reason)
    }
}

/// `{operatorName, specifiedAs: {keyword: written}, reason}`
fn failed(keyword: &str, written: impl Into<RawBson>, reason: &str) -> RawDocumentBuf {
    let written: RawBson = written.into();
    rawdoc! {
        "operatorName": keyword,
        "specifiedAs": single(keyword, written.as_raw_bson_ref()),
        "reason": reason,
    }
}

fn consider(out: &mut RawDocumentBuf, value: RawBsonRef<'_>) {
    put(out, "consideredValue", value);
}

fn combined(keyword: &str, schemas: &[Schema], value: RawBsonRef<'_>) -> RawDocumentBuf {
    let mut failing = RawArrayBuf::new();
    for (index, schema) in schemas.iter().enumerate() {
        if !schema.accepts(value) {
            let mut one = rawdoc! {"index": count_of(index)};
            schema.annotate(&mut one);
            one.append(cstr!("details"), schema.details(value));
            failing.push(one);
        }
    }
    rawdoc! {"operatorName": keyword, "schemasNotSatisfied": failing}
}

fn one_of(schemas: &[Schema], value: RawBsonRef<'_>) -> RawDocumentBuf {
    let matching: RawArrayBuf = schemas
        .iter()
        .enumerate()
        .filter(|(_, schema)| schema.accepts(value))
        .map(|(index, _)| RawBson::Int32(count_of(index)))
        .collect();
    if matching.is_empty() {
        return combined("oneOf", schemas, value);
    }
    rawdoc! {
        "operatorName": "oneOf",
        "reason": "more than one subschema matched",
        "matchingSchemaIndexes": matching,
    }
}

fn limited(
    limit: &RawBson,
    is_maximum: bool,
    exclusive: bool,
    value: RawBsonRef<'_>,
) -> RawDocumentBuf {
    let (keyword, exclusive_keyword) = match is_maximum {
        true => ("maximum", "exclusiveMaximum"),
        false => ("minimum", "exclusiveMinimum"),
    };
    let mut written = single(keyword, limit.as_raw_bson_ref());
    if exclusive {
        put(&mut written, exclusive_keyword, true);
    }
    let mut out = rawdoc! {
        "operatorName": keyword,
        "specifiedAs": written,
        "reason": "comparison failed",
    };
    consider(&mut out, value);
    out
}

fn item_details(items: &Items, additional: &Additional, value: RawBsonRef<'_>) -> RawDocumentBuf {
    let RawBsonRef::Array(array) = value else { return RawDocumentBuf::new() };
    let values = array.into_iter().map_while(Result::ok).enumerate();
    for (index, item) in values {
        if items.accepts(additional, index, item) {
            continue;
        }
        let schema = match items {
            Items::Any => continue,
            Items::Every(schema) => schema,
            Items::Each(schemas) => match schemas.get(index) {
                Some(schema) => schema,
                None => return additional_items(schemas.len(), additional, index, item, value),
            },
        };
        return rawdoc! {
            "operatorName": "items",
            "reason": "At least one item did not match the sub-schema",
            "itemIndex": count_of(index),
            "details": schema.details(item),
        };
    }
    RawDocumentBuf::new()
}

fn additional_items(
    known: usize,
    additional: &Additional,
    index: usize,
    item: RawBsonRef<'_>,
    value: RawBsonRef<'_>,
) -> RawDocumentBuf {
    if let Additional::Schema(schema) = additional {
        return rawdoc! {
            "operatorName": "additionalItems",
            "reason": "At least one additional item did not match the sub-schema",
            "itemIndex": count_of(index),
            "details": schema.details(item),
        };
    }
    let mut extra = RawArrayBuf::new();
    if let RawBsonRef::Array(array) = value {
        for item in array.into_iter().map_while(Result::ok).skip(known) {
            extra.push(item);
        }
    }
    let mut out = failed("additionalItems", false, "found additional items");
    out.append(cstr!("additionalItems"), extra);
    out
}

fn encrypt_details(encrypt: &Encrypt, value: RawBsonRef<'_>) -> RawDocumentBuf {
    let reason = match encrypt.fault(value) {
        Some(EncryptFault::WrongType) => "encrypted value has wrong type",
        Some(EncryptFault::WrongAlgorithm) => "encrypted value has wrong algorithm",
        Some(EncryptFault::NotEncrypted) | None => "value was not encrypted",
    };
    rawdoc! {"operatorName": "encrypt", "reason": reason}
}

fn property_details(properties: &[(String, Schema)], value: RawBsonRef<'_>) -> RawDocumentBuf {
    let mut failing = RawArrayBuf::new();
    if let RawBsonRef::Document(document) = value {
        for (name, schema) in properties {
            if let Some(value) = property(document, name)
                && !schema.accepts(value)
            {
                let mut one = rawdoc! {"propertyName": name.as_str()};
                schema.annotate(&mut one);
                one.append(cstr!("details"), schema.details(value));
                failing.push(one);
            }
        }
    }
    rawdoc! {"operatorName": "properties", "propertiesNotSatisfied": failing}
}

fn missing(names: &[String], value: RawBsonRef<'_>) -> RawArrayBuf {
    let RawBsonRef::Document(document) = value else { return RawArrayBuf::new() };
    names
        .iter()
        .filter(|name| property(document, name).is_none())
        .map(|name| RawBson::String(name.clone()))
        .collect()
}

fn required(keyword: &str, names: &[String], value: RawBsonRef<'_>) -> RawDocumentBuf {
    let written: RawArrayBuf = names.iter().map(String::as_str).collect();
    rawdoc! {
        "operatorName": keyword,
        "specifiedAs": single(keyword, &*written),
        "missingProperties": missing(names, value),
    }
}

fn dependency_details(
    dependencies: &[(String, Dependency)],
    value: RawBsonRef<'_>,
) -> RawDocumentBuf {
    let mut failing = RawArrayBuf::new();
    if let RawBsonRef::Document(document) = value {
        for (name, dependency) in dependencies {
            if property(document, name).is_none() || dependency.accepts(document) {
                continue;
            }
            let mut one = rawdoc! {"conditionalProperty": name.as_str()};
            match dependency {
                Dependency::Properties(names) => {
                    one.append(cstr!("missingProperties"), missing(names, value));
                }
                Dependency::Schema(schema) => one.append(cstr!("details"), schema.details(value)),
            }
            failing.push(one);
        }
    }
    rawdoc! {"operatorName": "dependencies", "failingDependencies": failing}
}

fn count_of(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
