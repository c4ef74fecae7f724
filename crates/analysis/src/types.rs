//! BSON types by the names that schemas and messages use.

use std::fmt;

use bson::spec::ElementType;

/// A set of BSON types, as the `bsonType` of an `encrypt` object names it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TypeSet(u32);

impl TypeSet {
    /// The set of no type.
    pub(crate) const EMPTY: Self = Self(0);

    /// The types that a `bsonType` alias stands for; `None` if there is no such alias.
    pub(crate) fn from_alias(alias: &str) -> Option<Self> {
        if alias == "number" {
            return Some(Self::of(&[
                ElementType::Double,
                ElementType::Int32,
                ElementType::Int64,
                ElementType::Decimal128,
            ]));
        }
        NAMES.iter().find(|(name, _)| *name == alias).map(|(_, kind)| Self::of(&[*kind]))
    }

    /// The types that a `type` alias of standard JSON schema stands for.
    pub(crate) fn from_json_alias(alias: &str) -> Option<Self> {
        match alias {
            "boolean" => Self::from_alias("bool"),
            "object" | "array" | "number" | "string" | "null" => Self::from_alias(alias),
            _ => None,
        }
    }

    pub(crate) fn of(kinds: &[ElementType]) -> Self {
        Self(kinds.iter().fold(0, |bits, kind| bits | bit(*kind)))
    }

    pub(crate) fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether values of `kind` belong to the set.
    pub fn contains(self, kind: ElementType) -> bool {
        self.0 & bit(kind) != 0
    }

    /// How many types are in the set.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether the set has no type.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The types in the set, in the order of their BSON numbers.
    pub fn iter(self) -> impl Iterator<Item = ElementType> {
        NAMES.iter().map(|(_, kind)| *kind).filter(move |kind| self.contains(*kind))
    }
}

impl fmt::Debug for TypeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(type_name)).finish()
    }
}

impl fmt::Display for TypeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, kind) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", type_name(kind))?;
        }
        Ok(())
    }
}

/// The `bsonType` alias of a type.
pub(crate) fn type_name(kind: ElementType) -> &'static str {
    NAMES.iter().find(|(_, named)| *named == kind).map_or("missing", |(name, _)| *name)
}

/// Whether no algorithm can encrypt values of this type.
pub(crate) fn is_never_encrypted(kind: ElementType) -> bool {
    matches!(
        kind,
        ElementType::Null | ElementType::Undefined | ElementType::MinKey | ElementType::MaxKey
    )
}

/// Whether the deterministic algorithm refuses values of this type.
pub(crate) fn is_never_deterministic(kind: ElementType) -> bool {
    is_never_encrypted(kind)
        || matches!(
            kind,
            ElementType::Double
                | ElementType::Decimal128
                | ElementType::Boolean
                | ElementType::JavaScriptCodeWithScope
                | ElementType::EmbeddedDocument
                | ElementType::Array
        )
}

fn bit(kind: ElementType) -> u32 {
    let number = match kind {
        ElementType::MinKey => 0,
        ElementType::MaxKey => 20,
        other => other as u32,
    };
    1 << number
}

/// Every type with its alias, in the order of the BSON type numbers.
const NAMES: [(&str, ElementType); 21] = [
    ("minKey", ElementType::MinKey),
    ("double", ElementType::Double),
    ("string", ElementType::String),
    ("object", ElementType::EmbeddedDocument),
    ("array", ElementType::Array),
    ("binData", ElementType::Binary),
    ("undefined", ElementType::Undefined),
    ("objectId", ElementType::ObjectId),
    ("bool", ElementType::Boolean),
    ("date", ElementType::DateTime),
    ("null", ElementType::Null),
    ("regex", ElementType::RegularExpression),
    ("dbPointer", ElementType::DbPointer),
    ("javascript", ElementType::JavaScriptCode),
    ("symbol", ElementType::Symbol),
    ("javascriptWithScope", ElementType::JavaScriptCodeWithScope),
    ("int", ElementType::Int32),
    ("timestamp", ElementType::Timestamp),
    ("long", ElementType::Int64),
    ("decimal", ElementType::Decimal128),
    ("maxKey", ElementType::MaxKey),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_names_one_type_and_is_found_again() {
        for (name, kind) in NAMES {
            let set = TypeSet::from_alias(name).unwrap();
            assert_eq!(set.iter().collect::<Vec<_>>(), [kind], "{name}");
            assert_eq!(type_name(kind), name);
        }
    }

    #[test]
    fn number_stands_for_the_four_numeric_types() {
        assert_eq!(
            TypeSet::from_alias("number").unwrap().to_string(),
            "double, int, long, decimal"
        );
    }
}
