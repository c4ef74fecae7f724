//! The options of `encrypt` and `encryptMetadata`.

use bson::{
    raw::{RawBsonRef, RawDocument},
    spec::BinarySubtype,
};

use crate::{
    pointer::JsonPointer,
    shape::{Algorithm, FieldKey},
    types::{TypeSet, is_never_deterministic, is_never_encrypted, type_name},
};

use super::problem::SchemaProblem;

/// What an `encrypt` or `encryptMetadata` object says; `None` where it says nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    pub(super) algorithm: Option<Algorithm>,
    pub(super) key: Option<FieldKey>,
    pub(super) types: Option<TypeSet>,
}

impl Options {
    /// Reads the options of `object`, which is `encrypt` or `encryptMetadata`. Each fault is
    /// reported with the option's name.
    pub(super) fn parse(
        object: &'static str,
        document: &RawDocument,
        mut fault: impl FnMut(&str, SchemaProblem),
    ) -> Self {
        let mut options = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for element in document {
            let Ok((name, value)) = element else {
                fault("", SchemaProblem::Malformed);
                break;
            };
            let name = name.as_str();
            if seen.contains(&name) {
                fault(
                    name,
                    SchemaProblem::DuplicateKeyword { keyword: format!("{object}.{name}") },
                );
                continue;
            }
            seen.push(name);
            let result = match name {
                "algorithm" => algorithm(value).map(|found| options.algorithm = Some(found)),
                "keyId" => key(value).map(|found| options.key = Some(found)),
                "bsonType" if object == "encrypt" => {
                    types(value).map(|found| options.types = Some(found))
                }
                _ => Err(SchemaProblem::UnknownField { object, field: name.to_owned() }),
            };
            if let Err(problem) = result {
                fault(name, problem);
            }
        }
        options
    }

    /// These options, and for each one that is missing that of `outer`. Types are not inherited.
    pub(super) fn inherit(mut self, outer: &Self) -> Self {
        self.algorithm = self.algorithm.or(outer.algorithm);
        self.key = self.key.or_else(|| outer.key.clone());
        self
    }
}

/// Checks that a field's algorithm can work with its key and types.
pub(super) fn check_field(
    algorithm: Algorithm,
    key: &FieldKey,
    types: Option<TypeSet>,
) -> Result<(), SchemaProblem> {
    let is_refused = match algorithm {
        Algorithm::Deterministic => is_never_deterministic,
        Algorithm::Random => is_never_encrypted,
    };
    if let Some(kind) = types.into_iter().flat_map(TypeSet::iter).find(|kind| is_refused(*kind)) {
        let algorithm = match algorithm {
            Algorithm::Deterministic => "deterministic",
            Algorithm::Random => "randomized",
        };
        return Err(SchemaProblem::TypeNotEncryptable { kind: type_name(kind), algorithm });
    }
    if algorithm == Algorithm::Deterministic {
        if matches!(key, FieldKey::Pointer(_)) {
            return Err(SchemaProblem::DeterministicPointer);
        }
        if types.is_none_or(|types| types.len() != 1) {
            return Err(SchemaProblem::DeterministicType);
        }
    }
    Ok(())
}

/// A `bsonType`: an alias, or an array of aliases.
pub(super) fn types(value: RawBsonRef<'_>) -> Result<TypeSet, SchemaProblem> {
    aliases("bsonType", value, TypeSet::from_alias)
}

/// A `type` of standard JSON schema.
pub(super) fn json_types(value: RawBsonRef<'_>) -> Result<TypeSet, SchemaProblem> {
    aliases("type", value, TypeSet::from_json_alias)
}

fn aliases(
    keyword: &'static str,
    value: RawBsonRef<'_>,
    lookup: fn(&str) -> Option<TypeSet>,
) -> Result<TypeSet, SchemaProblem> {
    let one = |item: RawBsonRef<'_>| match item {
        RawBsonRef::String(alias) => {
            lookup(alias).ok_or_else(|| SchemaProblem::UnknownType { alias: alias.to_owned() })
        }
        other => Err(SchemaProblem::WrongType {
            keyword: keyword.to_owned(),
            expected: "a string or an array of strings",
            found: type_name(other.element_type()),
        }),
    };
    let RawBsonRef::Array(items) = value else { return one(value) };
    let mut set = TypeSet::EMPTY;
    for item in items {
        set.insert(one(item.map_err(|_| SchemaProblem::Malformed)?)?);
    }
    if set.is_empty() {
        return Err(SchemaProblem::BadValue {
            keyword: keyword.to_owned(),
            expected: "an array of at least one type",
        });
    }
    Ok(set)
}

fn algorithm(value: RawBsonRef<'_>) -> Result<Algorithm, SchemaProblem> {
    let RawBsonRef::String(name) = value else {
        return Err(SchemaProblem::WrongType {
            keyword: "algorithm".to_owned(),
            expected: "a string",
            found: type_name(value.element_type()),
        });
    };
    Algorithm::from_name(name)
        .ok_or_else(|| SchemaProblem::UnknownAlgorithm { name: name.to_owned() })
}

fn key(value: RawBsonRef<'_>) -> Result<FieldKey, SchemaProblem> {
    let ids = match value {
        RawBsonRef::String(text) => return Ok(FieldKey::Pointer(JsonPointer::parse(text)?)),
        RawBsonRef::Array(ids) => ids,
        other => {
            return Err(SchemaProblem::KeyIdType { found: type_name(other.element_type()) });
        }
    };
    let mut found = Vec::new();
    for id in ids {
        let id = id.map_err(|_| SchemaProblem::Malformed)?;
        let RawBsonRef::Binary(id) = id else {
            return Err(SchemaProblem::KeyIdElementType { found: type_name(id.element_type()) });
        };
        if id.subtype != BinarySubtype::Uuid {
            return Err(SchemaProblem::KeyIdSubtype { found: id.subtype.into() });
        }
        let bytes = <[u8; 16]>::try_from(id.bytes)
            .map_err(|_| SchemaProblem::KeyIdLength { found: id.bytes.len() })?;
        found.push(bytes);
    }
    match found.as_slice() {
        [id] => Ok(FieldKey::Id(*id)),
        _ => Err(SchemaProblem::KeyIdCount { found: found.len() }),
    }
}
