//! What is known about the encryption of a value and of everything inside it.
//!
//! A schema compiles to a [`Shape`]; an aggregation pipeline then passes shapes from stage to stage.

use std::sync::Arc;

use bson::spec::ElementType;
use indexmap::IndexMap;
use regex::Regex;

use crate::{pointer::JsonPointer, types::TypeSet};

mod assign;
mod path;

pub(crate) use path::{Ambiguity, PathState};

/// The CSFLE algorithm of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic`: equal values give equal ciphertexts.
    Deterministic,
    /// `AEAD_AES_256_CBC_HMAC_SHA_512-Random`: the ciphertext says nothing, and cannot be queried.
    Random,
}

impl Algorithm {
    /// The name as schemas spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deterministic => "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
            Self::Random => "AEAD_AES_256_CBC_HMAC_SHA_512-Random",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Deterministic, Self::Random].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// Which data key encrypts a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKey {
    /// The data key with this id.
    Id([u8; 16]),
    /// The data key whose alternate name stands in the document, at this place.
    Pointer(JsonPointer),
}

/// How the values of one field are encrypted.
#[derive(Debug, Clone)]
pub struct EncryptedField {
    pub(crate) path: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: FieldKey,
    pub(crate) types: Option<TypeSet>,
}

impl EncryptedField {
    /// Where the schema declares the field: a dotted path, in which `/regex/` stands for names by
    /// `patternProperties` and `*` for names by `additionalProperties`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The data key.
    pub fn key(&self) -> &FieldKey {
        &self.key
    }

    /// The types that values may have; `None` if the schema names none.
    pub fn types(&self) -> Option<TypeSet> {
        self.types
    }

    /// Whether both fields are encrypted alike, so that equal values give equal ciphertexts if
    /// the algorithm is deterministic.
    pub(crate) fn has_same_metadata(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.key == other.key && self.types == other.types
    }

    /// Whether the schema lets values of this type be encrypted.
    pub(crate) fn accepts(&self, kind: ElementType) -> bool {
        let by_schema = self.types.is_none_or(|types| types.contains(kind));
        let by_algorithm = match self.algorithm {
            Algorithm::Deterministic => !crate::types::is_never_deterministic(kind),
            Algorithm::Random => !crate::types::is_never_encrypted(kind),
        };
        by_schema && by_algorithm
    }
}

/// What is known about the encryption of one value.
///
/// The shape of a value without anything encrypted inside is always `Plain`.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// Surely not encrypted, nor anything inside.
    Plain,
    /// Surely encrypted, if the value exists.
    Encrypted(Arc<EncryptedField>),
    /// An object with something encrypted inside; or anything else in its place, which is plain.
    Object(Arc<ObjectShape>),
    /// An array, or anything else, with encrypted values somewhere inside.
    Array(Arc<Self>),
    /// Encrypted or not, as it turns out at run time. Names a field that may be inside.
    Unknown(Arc<str>),
}

impl Shape {
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// The shape of an object, `Plain` if nothing in it is encrypted.
    pub(crate) fn object(object: ObjectShape) -> Self {
        if object.is_plain() { Self::Plain } else { Self::Object(Arc::new(object)) }
    }

    /// The shape of an array of such elements.
    pub(crate) fn array(elements: Self) -> Self {
        if elements.is_plain() { Self::Plain } else { Self::Array(Arc::new(elements)) }
    }

    /// One encrypted path inside, relative to this value: what a message can name.
    pub(crate) fn example(&self) -> Option<String> {
        match self {
            Self::Plain => None,
            Self::Encrypted(_) => Some(String::new()),
            Self::Array(elements) => elements.example(),
            Self::Unknown(path) => Some(path.to_string()),
            Self::Object(object) => object.example(),
        }
    }

    /// Whether both shapes say the same.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain, Self::Plain) => true,
            (Self::Encrypted(a), Self::Encrypted(b)) => a.has_same_metadata(b),
            (Self::Array(a), Self::Array(b)) => a.agrees(b),
            (Self::Object(a), Self::Object(b)) => Arc::ptr_eq(a, b) || a.agrees(b),
            _ => false,
        }
    }

    /// The shape of a value to which two subschemas apply. `None` if they contradict each other.
    pub(crate) fn both(a: Self, b: Self) -> Option<Self> {
        match (a, b) {
            (Self::Plain, other) | (other, Self::Plain) => Some(other),
            (Self::Object(a), Self::Object(b)) => {
                if Arc::ptr_eq(&a, &b) {
                    return Some(Self::Object(a));
                }
                ObjectShape::both(&a, &b).map(Self::object)
            }
            (a, b) => a.agrees(&b).then_some(a),
        }
    }
}

/// An object's shape: what a field's name says about its value.
#[derive(Debug, Clone, Default)]
pub(crate) struct ObjectShape {
    /// By name. An entry is final: patterns that match the name are already merged in.
    pub(crate) properties: IndexMap<Box<str>, Shape>,
    /// By pattern, for names without an entry in `properties`.
    pub(crate) patterns: Vec<(Regex, Shape)>,
    /// For all other names; `None` is plain.
    pub(crate) additional: Option<Shape>,
}

impl ObjectShape {
    /// The shape of the field `name`. `None` if the subschemas that apply contradict each other.
    pub(crate) fn child(&self, name: &str) -> Option<Shape> {
        if let Some(shape) = self.properties.get(name) {
            return Some(shape.clone());
        }
        let mut matching = self
            .patterns
            .iter()
            .filter(|(pattern, _)| pattern.is_match(name))
            .map(|(_, shape)| shape.clone());
        match matching.next() {
            Some(first) => matching.try_fold(first, Shape::both),
            None => Some(self.additional.clone().unwrap_or(Shape::Plain)),
        }
    }

    /// Replaces what is known about one field.
    pub(crate) fn set(&mut self, name: &str, shape: Shape) {
        self.properties.insert(name.into(), shape);
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.inner_shapes().all(Shape::is_plain)
    }

    /// The shapes of what may be inside.
    pub(crate) fn inner_shapes(&self) -> impl Iterator<Item = &Shape> {
        let patterns = self.patterns.iter().map(|(_, shape)| shape);
        self.properties.values().chain(patterns).chain(&self.additional)
    }

    fn example(&self) -> Option<String> {
        let named = self.properties.iter().map(|(name, shape)| (name.to_string(), shape));
        let matched =
            self.patterns.iter().map(|(pattern, shape)| (format!("/{}/", pattern.as_str()), shape));
        let rest = self.additional.iter().map(|shape| ("*".to_owned(), shape));
        named.chain(matched).chain(rest).find_map(|(name, shape)| {
            let below = shape.example()?;
            Some(if below.is_empty() { name } else { format!("{name}.{below}") })
        })
    }

    fn agrees(&self, other: &Self) -> bool {
        let additional = match (&self.additional, &other.additional) {
            (None, None) => true,
            (Some(a), Some(b)) => a.agrees(b),
            (Some(shape), None) | (None, Some(shape)) => shape.is_plain(),
        };
        // Entries that one side lacks must say what the other side says by other means.
        let covers = |from: &Self, to: &Self| {
            from.properties
                .iter()
                .all(|(name, shape)| to.child(name).is_some_and(|there| shape.agrees(&there)))
        };
        let same_patterns = self.patterns.len() == other.patterns.len()
            && self
                .patterns
                .iter()
                .zip(&other.patterns)
                .all(|((p, a), (q, b))| p.as_str() == q.as_str() && a.agrees(b));
        additional && same_patterns && covers(self, other) && covers(other, self)
    }

    /// See [`Shape::both`]. Two shapes of which one speaks about all other names are not merged.
    fn both(a: &Self, b: &Self) -> Option<Self> {
        if a.agrees(b) {
            return Some(a.clone());
        }
        if a.additional.iter().chain(&b.additional).any(|shape| !shape.is_plain()) {
            return None;
        }
        let mut merged = Self::default();
        for name in a.properties.keys().chain(b.properties.keys()) {
            let shape = Shape::both(a.child(name)?, b.child(name)?)?;
            merged.properties.insert(name.clone(), shape);
        }
        merged.patterns = a.patterns.iter().chain(&b.patterns).cloned().collect();
        Some(merged)
    }
}
