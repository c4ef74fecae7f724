//! `schema check`: all faults of a schema, and what is legal but weak.

use bson::{raw::RawDocument, spec::ElementType};

use crate::{
    shape::{Algorithm, EncryptedField, FieldKey},
    types::TypeSet,
};

use super::{Compiler, SchemaError, SchemaOrigin};

/// What [`check_schema`] found.
#[derive(Debug, Clone)]
pub struct SchemaReport {
    /// Everything that makes the schema unusable, in the order of the schema.
    pub errors: Vec<SchemaError>,
    /// What works, but perhaps not as its author wants.
    pub warnings: Vec<SchemaWarning>,
    /// The encrypted fields that the schema declares without a fault.
    pub fields: Vec<EncryptedField>,
}

/// Something legal but weak in a schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaWarning {
    /// Nothing is encrypted.
    #[error("the schema encrypts no field: everything is stored in plaintext")]
    NothingEncrypted,
    /// Equal values of a type with few of them are recognised by their equal ciphertexts.
    #[error(
        "field '{path}' is encrypted deterministically, and values of type {types} often repeat: \
         equal values have equal ciphertexts, so whoever sees the database can count them and guess; \
         use the Random algorithm unless you must query the field"
    )]
    LowCardinalityType {
        /// The field.
        path: String,
        /// Its type.
        types: TypeSet,
    },
    /// The field's name suggests that it has few different values.
    #[error(
        "field '{path}' is encrypted deterministically, and by its name it has few different \
         values: equal values have equal ciphertexts, so whoever sees the database can count them \
         and guess; use the Random algorithm unless you must query the field"
    )]
    LowCardinalityName {
        /// The field.
        path: String,
    },
    /// `encryptMetadata` from which no field inherits.
    #[error("'encryptMetadata' at '{place}' has no encrypted field below it")]
    UnusedMetadata {
        /// Place of the schema that holds it.
        place: String,
    },
    /// A pattern that also matches in the middle of names.
    #[error(
        "pattern '{pattern}' is not anchored: it matches anywhere in a name; write '^{pattern}' \
         or '^(?:{pattern})$' if the whole name is meant"
    )]
    UnanchoredPattern {
        /// The pattern.
        pattern: String,
    },
    /// The document itself chooses the data key.
    #[error(
        "field '{path}' takes its key's name from the document ({pointer}): it can be inserted \
         and replaced, but neither updated nor queried"
    )]
    PointerKey {
        /// The field.
        path: String,
        /// The pointer.
        pointer: String,
    },
}

/// Finds every fault and every weakness of a schema.
pub fn check_schema(schema: &RawDocument, origin: SchemaOrigin) -> SchemaReport {
    let mut compiler = Compiler::new(origin);
    let root = compiler.root(schema);
    let mut warnings = Vec::new();
    if root.is_plain() && compiler.faults.is_empty() {
        warnings.push(SchemaWarning::NothingEncrypted);
    }
    for place in &compiler.unused_metadata {
        let place = if place.is_empty() { "the root".to_owned() } else { place.clone() };
        warnings.push(SchemaWarning::UnusedMetadata { place });
    }
    let fields: Vec<EncryptedField> =
        compiler.fields.iter().map(|field| field.as_ref().clone()).collect();
    for field in &fields {
        warn_about(field, &mut warnings);
    }
    SchemaReport { errors: compiler.faults, warnings, fields }
}

fn warn_about(field: &EncryptedField, warnings: &mut Vec<SchemaWarning>) {
    let path = || field.path.clone();
    if field.algorithm == Algorithm::Deterministic {
        let types = field.types.unwrap_or(TypeSet::EMPTY);
        if types.iter().any(|kind| matches!(kind, ElementType::Int32 | ElementType::DateTime)) {
            warnings.push(SchemaWarning::LowCardinalityType { path: path(), types });
        } else if sounds_like_few_values(&field.path) {
            warnings.push(SchemaWarning::LowCardinalityName { path: path() });
        }
    }
    if let FieldKey::Pointer(pointer) = &field.key {
        warnings.push(SchemaWarning::PointerKey { path: path(), pointer: pointer.to_string() });
    }
    for pattern in field.path.split('.').filter_map(as_pattern) {
        let warning = SchemaWarning::UnanchoredPattern { pattern: pattern.to_owned() };
        if !pattern.starts_with('^') && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

/// The pattern in a path component that stands for one.
fn as_pattern(component: &str) -> Option<&str> {
    component.strip_prefix('/')?.strip_suffix('/')
}

/// Whether the last component of the path is a word for something with few different values.
fn sounds_like_few_values(path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    words(name).any(|word| FEW_VALUES.contains(&word.as_str()))
        || ["is", "has"].iter().any(|verb| words(name).next().is_some_and(|word| word == *verb))
}

/// The words of a name in `snake_case`, `kebab-case` or `camelCase`, in lower case.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for letter in name.chars() {
        let is_boundary = !letter.is_alphanumeric() || (letter.is_uppercase() && after_lower);
        if is_boundary {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
        after_lower = letter.is_lowercase();
    }
    words.into_iter().filter(|word| !word.is_empty())
}

const FEW_VALUES: [&str; 28] = [
    "active",
    "age",
    "bool",
    "category",
    "class",
    "country",
    "currency",
    "department",
    "enabled",
    "ethnicity",
    "flag",
    "gender",
    "grade",
    "group",
    "kind",
    "language",
    "level",
    "marital",
    "party",
    "race",
    "rating",
    "religion",
    "role",
    "sex",
    "state",
    "status",
    "type",
    "year",
];
