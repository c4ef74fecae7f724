//! The keywords of MongoDB's schema language, as a table.

use bson::{raw::RawBsonRef, spec::ElementType};

use crate::types::type_name;

use super::problem::SchemaProblem;

/// What a keyword's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A type alias, or an array of them.
    Type,
    /// The `encrypt` object.
    Encrypt,
    /// The `encryptMetadata` object.
    Metadata,
    /// Subschemas by field name.
    Properties,
    /// Subschemas by pattern.
    Patterns,
    /// A subschema for other fields, or a boolean.
    Additional,
    /// A subschema.
    Schema,
    /// A subschema, or a boolean.
    SchemaOrBool,
    /// A subschema, or an array of them.
    SchemaOrArray,
    /// An array of subschemas.
    SchemaArray,
    /// Subschemas or arrays of names, by field name.
    Dependencies,
    /// A string.
    Text,
    /// A boolean.
    Bool,
    /// A number.
    Number,
    /// A whole number that is not negative.
    Count,
    /// An array.
    Array,
    /// An array of strings.
    Names,
}

impl Form {
    /// Whether the value holds no subschema.
    pub(super) fn is_value(self) -> bool {
        !matches!(
            self,
            Self::Properties
                | Self::Patterns
                | Self::Additional
                | Self::Schema
                | Self::SchemaOrBool
                | Self::SchemaOrArray
                | Self::SchemaArray
                | Self::Dependencies
        )
    }
}

/// A keyword: its name, what its value is, and whether a client's own schema may have it.
pub(super) struct Keyword {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) is_local: bool,
}

impl Keyword {
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        KEYWORDS.iter().find(|keyword| keyword.name == name)
    }
}

/// Keywords of JSON schema that MongoDB refuses by name.
pub(super) const UNSUPPORTED: [&str; 6] =
    ["$ref", "$schema", "default", "definitions", "format", "id"];

/// Checks the value of a keyword that has no part in encryption.
pub(super) fn check_value(keyword: &Keyword, value: RawBsonRef<'_>) -> Result<(), SchemaProblem> {
    let name = || keyword.name.to_owned();
    let wrong = |expected| {
        let found = type_name(value.element_type());
        Err(SchemaProblem::WrongType { keyword: name(), expected, found })
    };
    match (keyword.form, value) {
        (Form::Text, RawBsonRef::String(_)) | (Form::Bool, RawBsonRef::Boolean(_)) => Ok(()),
        (Form::Text, _) => wrong("a string"),
        (Form::Bool, _) => wrong("a boolean"),
        (Form::Number, _) if is_number(value) => Ok(()),
        (Form::Number, _) => wrong("a number"),
        (Form::Count, _) if !is_number(value) => wrong("a number"),
        (Form::Count, _) if is_count(value) => Ok(()),
        (Form::Count, _) => Err(SchemaProblem::BadValue {
            keyword: name(),
            expected: "a whole number that is not negative",
        }),
        (Form::Array, RawBsonRef::Array(_)) => Ok(()),
        (Form::Names, RawBsonRef::Array(names)) => {
            let are_names = names
                .into_iter()
                .all(|item| item.is_ok_and(|item| item.element_type() == ElementType::String));
            if are_names {
                return Ok(());
            }
            Err(SchemaProblem::BadValue { keyword: name(), expected: "an array of strings" })
        }
        (Form::Array | Form::Names, _) => wrong("an array"),
        _ => Ok(()),
    }
}

fn is_number(value: RawBsonRef<'_>) -> bool {
    matches!(
        value,
        RawBsonRef::Int32(_)
            | RawBsonRef::Int64(_)
            | RawBsonRef::Double(_)
            | RawBsonRef::Decimal128(_)
    )
}

fn is_count(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Int32(number) => number >= 0,
        RawBsonRef::Int64(number) => number >= 0,
        RawBsonRef::Double(number) => number >= 0.0 && number.fract() == 0.0,
        // Not worth arithmetic: the server checks validators, and analysis does not use it.
        RawBsonRef::Decimal128(_) => true,
        _ => false,
    }
}

const fn local(name: &'static str, form: Form) -> Keyword {
    Keyword { name, form, is_local: true }
}

const fn remote(name: &'static str, form: Form) -> Keyword {
    Keyword { name, form, is_local: false }
}

const KEYWORDS: [Keyword; 31] = [
    local("additionalProperties", Form::Additional),
    local("bsonType", Form::Type),
    local("description", Form::Text),
    local("encrypt", Form::Encrypt),
    local("encryptMetadata", Form::Metadata),
    local("patternProperties", Form::Patterns),
    local("properties", Form::Properties),
    local("title", Form::Text),
    local("type", Form::Type),
    remote("additionalItems", Form::SchemaOrBool),
    remote("allOf", Form::SchemaArray),
    remote("anyOf", Form::SchemaArray),
    remote("dependencies", Form::Dependencies),
    remote("enum", Form::Array),
    remote("exclusiveMaximum", Form::Bool),
    remote("exclusiveMinimum", Form::Bool),
    remote("items", Form::SchemaOrArray),
    remote("maxItems", Form::Count),
    remote("maxLength", Form::Count),
    remote("maxProperties", Form::Count),
    remote("maximum", Form::Number),
    remote("minItems", Form::Count),
    remote("minLength", Form::Count),
    remote("minProperties", Form::Count),
    remote("minimum", Form::Number),
    remote("multipleOf", Form::Number),
    remote("not", Form::Schema),
    remote("oneOf", Form::SchemaArray),
    remote("pattern", Form::Text),
    remote("required", Form::Names),
    remote("uniqueItems", Form::Bool),
];
