//! Reading schemas, with MongoDB's errors for what is no schema.

use std::collections::HashSet;

use bson::raw::{RawArray, RawBson, RawBsonRef, RawDocument};
use fieldveil_query::QueryError;
use fieldveil_query::value::{BsonType, Number, TypeSet};

use super::{Additional, Count, Dependency, Encrypt, Items, Rule, Schema};
use crate::eval::regex;

/// Schemas may nest this deep.
const DEPTH_MAX: usize = 100;

/// Keywords of JSON schema that MongoDB knows and does not support.
const UNSUPPORTED: [&str; 6] = ["$ref", "$schema", "default", "definitions", "format", "id"];

/// The types of JSON, and what MongoDB's types are called.
const JSON_TYPES: [(&str, &str); 6] = [
    ("array", "array"),
    ("boolean", "bool"),
    ("null", "null"),
    ("number", "number"),
    ("object", "object"),
    ("string", "string"),
];

/// The two algorithms by their names in a schema, and their first byte in a payload.
const ALGORITHMS: [(&str, u8); 2] = [
    ("AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", 1),
    ("AEAD_AES_256_CBC_HMAC_SHA_512-Random", 2),
];

type Result<T, E = QueryError> = std::result::Result<T, E>;

/// The keywords of one schema.
#[derive(Default)]
struct Keywords<'a> {
    found: Vec<(&'a str, RawBsonRef<'a>)>,
}

pub(super) fn schema(document: &RawDocument, depth: usize) -> Result<Schema> {
    if depth > DEPTH_MAX {
        return Err(QueryError::failed_to_parse("$jsonSchema is nested too deeply"));
    }
    let keywords = Keywords::read(document)?;
    let mut schema = Schema {
        title: keywords.text("title")?,
        description: keywords.text("description")?,
        rules: Vec::new(),
    };
    let rules = &mut schema.rules;
    keywords.logical(depth, rules)?;
    keywords.scalar(rules)?;
    keywords.array(depth, rules)?;
    keywords.encryption(rules)?;
    keywords.object(depth, rules)?;
    keywords.types(rules)?;
    Ok(schema)
}

impl<'a> Keywords<'a> {
    fn read(document: &'a RawDocument) -> Result<Self> {
        let mut keywords = Self::default();
        for field in document.iter() {
            let (name, value) = field?;
            let name = name.as_str();
            if UNSUPPORTED.contains(&name) {
                return Err(QueryError::failed_to_parse(format!(
                    "$jsonSchema keyword '{name}' is not currently supported"
                )));
            }
            if !KNOWN.contains(&name) {
                return Err(QueryError::failed_to_parse(format!(
                    "Unknown $jsonSchema keyword: {name}"
                )));
            }
            if keywords.get(name).is_some() {
                return Err(QueryError::failed_to_parse(format!(
                    "Duplicate $jsonSchema keyword: {name}"
                )));
            }
            keywords.found.push((name, value));
        }
        Ok(keywords)
    }

    fn get(&self, name: &str) -> Option<RawBsonRef<'a>> {
        self.found.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        self.get(name)
            .map(|value| match value {
                RawBsonRef::String(text) => Ok(text.to_owned()),
                _ => Err(must_be(name, "of type 'string'")),
            })
            .transpose()
    }

    fn document(&self, name: &str) -> Result<Option<&'a RawDocument>> {
        self.get(name)
            .map(|value| value.as_document().ok_or_else(|| must_be(name, "an object")))
            .transpose()
    }

    fn filled_array(&self, name: &str) -> Result<Option<&'a RawArray>> {
        self.get(name)
            .map(|value| {
                let array = value.as_array().ok_or_else(|| must_be(name, "an array"))?;
                if array.is_empty() {
                    return Err(QueryError::failed_to_parse(format!(
                        "$jsonSchema keyword '{name}' cannot be an empty array"
                    )));
                }
                Ok(array)
            })
            .transpose()
    }

    fn number(&self, name: &str) -> Result<Option<RawBson>> {
        self.get(name)
            .map(|value| match Number::new(value) {
                Some(_) => Ok(RawBson::from(value)),
                None => Err(must_be(name, "a number")),
            })
            .transpose()
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.get(name)
            .map(|value| value.as_bool().ok_or_else(|| must_be(name, "a boolean")))
            .transpose()
    }

    fn count(&self, keyword: &'static str) -> Result<Option<Count>> {
        let Some(value) = self.get(keyword) else { return Ok(None) };
        let number = Number::new(value).ok_or_else(|| must_be(keyword, "a number"))?;
        let number = number.to_i64_exact().ok_or_else(|| {
            QueryError::failed_to_parse(format!(
                "$jsonSchema keyword '{keyword}' must be representable as a 64-bit integer"
            ))
        })?;
        let bound = u64::try_from(number).map_err(|_| {
            QueryError::failed_to_parse(format!(
                "$jsonSchema keyword '{keyword}' must be a non-negative integer"
            ))
        })?;
        Ok(Some(Count { keyword, bound, is_maximum: keyword.starts_with("max") }))
    }

    fn schemas(&self, name: &str, depth: usize) -> Result<Option<Vec<Schema>>> {
        let Some(array) = self.filled_array(name)? else { return Ok(None) };
        array
            .into_iter()
            .map(|item| match item?.as_document() {
                Some(document) => schema(document, depth + 1),
                None => Err(QueryError::type_mismatch(format!(
                    "$jsonSchema keyword '{name}' must be an array of objects"
                ))),
            })
            .collect::<Result<_>>()
            .map(Some)
    }

    fn logical(&self, depth: usize, rules: &mut Vec<Rule>) -> Result<()> {
        rules.extend(self.schemas("allOf", depth)?.map(Rule::AllOf));
        rules.extend(self.schemas("anyOf", depth)?.map(Rule::AnyOf));
        rules.extend(self.schemas("oneOf", depth)?.map(Rule::OneOf));
        if let Some(document) = self.document("not")? {
            rules.push(Rule::Not(Box::new(schema(document, depth + 1)?)));
        }
        if let Some(array) = self.filled_array("enum")? {
            let mut values: Vec<RawBson> = Vec::new();
            for value in array {
                let value = value?;
                if values.iter().any(|seen| super::unordered::equal(seen.as_raw_bson_ref(), value))
                {
                    return Err(QueryError::failed_to_parse(
                        "$jsonSchema keyword 'enum' array cannot contain duplicate values.",
                    ));
                }
                values.push(RawBson::from(value));
            }
            rules.push(Rule::Enum(values));
        }
        Ok(())
    }

    fn scalar(&self, rules: &mut Vec<Rule>) -> Result<()> {
        for (limit, exclusive, is_maximum) in
            [("maximum", "exclusiveMaximum", true), ("minimum", "exclusiveMinimum", false)]
        {
            let is_exclusive = self.flag(exclusive)?;
            match (self.number(limit)?, is_exclusive) {
                (Some(limit), flag) => {
                    let exclusive = flag.unwrap_or(false);
                    rules.push(Rule::Limit { limit, is_maximum, exclusive });
                }
                (None, Some(_)) => {
                    return Err(QueryError::failed_to_parse(format!(
                        "$jsonSchema keyword '{limit}' must be a present if {exclusive} is present"
                    )));
                }
                (None, None) => {}
            }
        }
        rules.extend(self.count("maxLength")?.map(Rule::Length));
        rules.extend(self.count("minLength")?.map(Rule::Length));
        if let Some(text) = self.text("pattern")? {
            let regex = regex::compile(&text, "")?;
            rules.push(Rule::Pattern { regex, text });
        }
        if let Some(divisor) = self.number("multipleOf")? {
            let is_positive = Number::new(divisor.as_raw_bson_ref())
                .is_some_and(|number| number.compare(Number::Int32(0)).is_gt());
            if !is_positive {
                return Err(QueryError::failed_to_parse(
                    "$jsonSchema keyword 'multipleOf' must have a positive value",
                ));
            }
            rules.push(Rule::MultipleOf(divisor));
        }
        Ok(())
    }

    fn array(&self, depth: usize, rules: &mut Vec<Rule>) -> Result<()> {
        rules.extend(self.count("minItems")?.map(Rule::ItemCount));
        rules.extend(self.count("maxItems")?.map(Rule::ItemCount));
        if self.flag("uniqueItems")? == Some(true) {
            rules.push(Rule::UniqueItems);
        }
        let additional = self.additional("additionalItems", depth)?;
        let items = match self.get("items") {
            None => Items::Any,
            Some(RawBsonRef::Document(document)) => {
                Items::Every(Box::new(schema(document, depth + 1)?))
            }
            Some(RawBsonRef::Array(array)) => Items::Each(
                array
                    .into_iter()
                    .map(|item| match item?.as_document() {
                        Some(document) => schema(document, depth + 1),
                        None => Err(QueryError::type_mismatch(
                            "$jsonSchema keyword 'items' requires that each element of the array \
                             is an object",
                        )),
                    })
                    .collect::<Result<_>>()?,
            ),
            Some(_) => return Err(must_be("items", "an array or an object")),
        };
        if !matches!(items, Items::Any) {
            rules.push(Rule::Items { items, additional });
        }
        Ok(())
    }

    fn additional(&self, name: &str, depth: usize) -> Result<Additional> {
        match self.get(name) {
            None | Some(RawBsonRef::Boolean(true)) => Ok(Additional::Allowed),
            Some(RawBsonRef::Boolean(false)) => Ok(Additional::Forbidden),
            Some(RawBsonRef::Document(document)) => {
                Ok(Additional::Schema(Box::new(schema(document, depth + 1)?)))
            }
            Some(_) => Err(must_be(name, "an object or a boolean")),
        }
    }

    fn encryption(&self, rules: &mut Vec<Rule>) -> Result<()> {
        if let Some(metadata) = self.document("encryptMetadata")? {
            if self.get("encrypt").is_some() {
                return Err(QueryError::failed_to_parse(
                    "Cannot specify both $jsonSchema keywords 'encrypt' and 'encryptMetadata'",
                ));
            }
            if metadata.is_empty() {
                return Err(QueryError::failed_to_parse(
                    "$jsonSchema keyword 'encryptMetadata' cannot be an empty object",
                ));
            }
            encryption_options("encryptMetadata", metadata, &["algorithm", "keyId"])?;
        }
        let Some(options) = self.document("encrypt")? else { return Ok(()) };
        for other in ["bsonType", "type"] {
            if self.get(other).is_some() {
                return Err(QueryError::failed_to_parse(format!(
                    "$jsonSchema keyword 'encrypt' cannot be used in conjunction with '{other}', \
                     '{other}' will be redundant"
                )));
            }
        }
        encryption_options("encrypt", options, &["algorithm", "bsonType", "keyId"])?;
        let algorithm = match options.get("algorithm")? {
            Some(value) => Some(algorithm(value)?),
            None => None,
        };
        let types = match options.get("bsonType")? {
            Some(value) => Some(type_set("bsonType", value, BsonTypes)?),
            None => None,
        };
        if types.as_ref().is_some_and(|types| types.all_numbers) {
            return Err(QueryError::failed_to_parse(
                "$jsonSchema keyword 'encrypt.bsonType' does not support 'number'",
            ));
        }
        rules.push(Rule::Encrypt(Encrypt { types, algorithm }));
        Ok(())
    }

    fn object(&self, depth: usize, rules: &mut Vec<Rule>) -> Result<()> {
        let properties = self.properties("properties", depth)?;
        let patterns = self
            .properties("patternProperties", depth)?
            .into_iter()
            .map(|(pattern, schema)| Ok((regex::compile(&pattern, "")?, schema)))
            .collect::<Result<Vec<_>>>()?;
        let additional = self.additional("additionalProperties", depth)?;
        let known: HashSet<String> = properties.iter().map(|(name, _)| name.clone()).collect();
        if !properties.is_empty() {
            rules.push(Rule::Properties(properties));
        }
        if !patterns.is_empty() || !matches!(additional, Additional::Allowed) {
            rules.push(Rule::OtherProperties { known, patterns, additional });
        }
        if let Some(array) = self.filled_array("required")? {
            rules.push(Rule::Required(names("required", array)?));
        }
        rules.extend(self.count("minProperties")?.map(Rule::PropertyCount));
        rules.extend(self.count("maxProperties")?.map(Rule::PropertyCount));
        if let Some(document) = self.document("dependencies")? {
            let mut dependencies = Vec::new();
            for field in document.iter() {
                let (name, value) = field?;
                let dependency = match value {
                    RawBsonRef::Document(document) => {
                        Dependency::Schema(Box::new(schema(document, depth + 1)?))
                    }
                    RawBsonRef::Array(array) if array.is_empty() => {
                        return Err(QueryError::failed_to_parse(format!(
                            "property '{name}' in $jsonSchema keyword 'dependencies' cannot be an \
                             empty array"
                        )));
                    }
                    RawBsonRef::Array(array) => {
                        Dependency::Properties(names("dependencies", array)?)
                    }
                    _ => {
                        return Err(QueryError::type_mismatch(format!(
                            "Property '{name}' in $jsonSchema keyword 'dependencies' must be \
                             either an object or an array"
                        )));
                    }
                };
                dependencies.push((name.as_str().to_owned(), dependency));
            }
            rules.push(Rule::Dependencies(dependencies));
        }
        Ok(())
    }

    fn properties(&self, name: &str, depth: usize) -> Result<Vec<(String, Schema)>> {
        let Some(document) = self.document(name)? else { return Ok(Vec::new()) };
        document
            .iter()
            .map(|field| {
                let (property, value) = field?;
                let document = value.as_document().ok_or_else(|| {
                    QueryError::type_mismatch(format!(
                        "Nested schema for $jsonSchema property '{property}' must be an object"
                    ))
                })?;
                Ok((property.as_str().to_owned(), schema(document, depth + 1)?))
            })
            .collect()
    }

    fn types(&self, rules: &mut Vec<Rule>) -> Result<()> {
        match (self.get("bsonType"), self.get("type")) {
            (Some(_), Some(_)) => Err(QueryError::failed_to_parse(
                "Cannot specify both $jsonSchema keywords 'type' and 'bsonType'",
            )),
            (Some(written), None) => {
                let types = type_set("bsonType", written, BsonTypes)?;
                let written = RawBson::from(written);
                rules.push(Rule::Type { keyword: "bsonType", written, types });
                Ok(())
            }
            (None, Some(written)) => {
                let types = type_set("type", written, JsonTypes)?;
                let written = RawBson::from(written);
                rules.push(Rule::Type { keyword: "type", written, types });
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }
}

const KNOWN: [&str; 31] = [
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "bsonType",
    "dependencies",
    "description",
    "encrypt",
    "encryptMetadata",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "items",
    "maximum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "minimum",
    "minItems",
    "minLength",
    "minProperties",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "properties",
    "required",
    "title",
    "type",
    "uniqueItems",
];

/// Which names of types a keyword takes.
enum Alias {
    Bson,
    Json,
}
use Alias::{Bson as BsonTypes, Json as JsonTypes};

fn type_set(keyword: &str, value: RawBsonRef<'_>, alias: Alias) -> Result<TypeSet> {
    let mut types = TypeSet::default();
    let mut add = |name: &str| -> Result<()> {
        let name = match alias {
            Alias::Bson => name,
            Alias::Json => match JSON_TYPES.iter().find(|(json, _)| *json == name) {
                Some((_, bson)) => bson,
                None if name == "integer" => {
                    return Err(QueryError::failed_to_parse(
                        "$jsonSchema type 'integer' is not currently supported.",
                    ));
                }
                None => {
                    return Err(QueryError::bad_value(format!("Unknown type name alias: {name}")));
                }
            },
        };
        let is_twice = if name == "number" {
            types.all_numbers
        } else {
            BsonType::from_name(name).is_some_and(|kind| types.types.contains(&kind))
        };
        if is_twice {
            return Err(QueryError::failed_to_parse(format!(
                "$jsonSchema keyword '{keyword}' has duplicate value: {name}"
            )));
        }
        types.add(RawBsonRef::String(name), "$jsonSchema")
    };
    match value {
        RawBsonRef::String(name) => add(name)?,
        RawBsonRef::Array(array) if !array.is_empty() => {
            for item in array {
                match item? {
                    RawBsonRef::String(name) => add(name)?,
                    _ => {
                        return Err(QueryError::type_mismatch(format!(
                            "$jsonSchema keyword '{keyword}' array elements must be strings"
                        )));
                    }
                }
            }
        }
        RawBsonRef::Array(_) => {
            return Err(QueryError::failed_to_parse(format!(
                "$jsonSchema keyword '{keyword}' must name at least one type"
            )));
        }
        _ => return Err(must_be(keyword, "either a string or an array of strings")),
    }
    Ok(types)
}

fn names(keyword: &str, array: &RawArray) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for item in array {
        let RawBsonRef::String(name) = item? else {
            return Err(QueryError::type_mismatch(format!(
                "$jsonSchema keyword '{keyword}' must be an array of strings"
            )));
        };
        if names.iter().any(|seen| seen == name) {
            return Err(QueryError::failed_to_parse(format!(
                "$jsonSchema keyword '{keyword}' array cannot contain duplicate values"
            )));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn encryption_options(keyword: &str, options: &RawDocument, known: &[&str]) -> Result<()> {
    for field in options.iter() {
        let (name, value) = field?;
        if !known.contains(&name.as_str()) {
            return Err(QueryError::new(
                40415,
                format!("BSON field '{keyword}.{name}' is an unknown field."),
            ));
        }
        if name.as_str() == "algorithm" {
            algorithm(value)?;
        }
        let fits = match (name.as_str(), value) {
            ("keyId", RawBsonRef::Array(array)) => !array.is_empty(),
            ("keyId", other) => other.as_str().is_some(),
            _ => true,
        };
        if !fits {
            return Err(QueryError::new(
                51085,
                format!("{keyword}.keyId must be a non-empty array of UUIDs or a JSON pointer"),
            ));
        }
    }
    Ok(())
}

fn algorithm(value: RawBsonRef<'_>) -> Result<u8> {
    let name = value.as_str().ok_or_else(|| must_be("encrypt.algorithm", "of type 'string'"))?;
    ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, byte)| *byte).ok_or_else(|| {
        QueryError::bad_value(format!(
            "Enumeration value '{name}' for field 'algorithm' is not a valid value."
        ))
    })
}

fn must_be(keyword: &str, what: &str) -> QueryError {
    QueryError::type_mismatch(format!("$jsonSchema keyword '{keyword}' must be {what}"))
}
