//! Random schemas, and documents by them.

use std::collections::BTreeMap;

use bson::{Binary, Bson, Document, doc};

use crate::{
    choices::Choices,
    values::{Kind, NAMES, plain},
};

const DETERMINISTIC: &str = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic";
const RANDOM: &str = "AEAD_AES_256_CBC_HMAC_SHA_512-Random";

/// The alternate name of the second key.
pub(crate) const KEY_NAME: &str = "second";

/// Where documents name their key.
const KEY_FIELD: &str = "key";

/// The schema of a value.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Plain,
    Encrypted { is_deterministic: bool, kind: Kind, second_key: bool, by_pointer: bool },
    Object(Fields),
}

/// The schema of an object.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    named: BTreeMap<&'static str, Node>,
    /// For names with the prefix `s_`.
    patterned: Option<Box<Node>>,
    /// For all other names.
    additional: Option<Box<Node>>,
    /// Whether `encryptMetadata` gives what the fields leave out.
    has_metadata: bool,
}

impl Node {
    pub(crate) fn root(choices: &mut Choices) -> Self {
        let mut fields = Fields::random(choices, 2);
        if choices.one_in(12) {
            fields.named.insert("_id", Self::encrypted(choices, true));
        }
        Self::Object(fields)
    }

    fn random(choices: &mut Choices, depth: usize) -> Self {
        match choices.below(if depth > 0 { 10 } else { 6 }) {
            0 | 1 => Self::Plain,
            2..=4 => Self::encrypted(choices, true),
            5 => Self::encrypted(choices, false),
            _ => Self::Object(Fields::random(choices, depth - 1)),
        }
    }

    fn encrypted(choices: &mut Choices, is_deterministic: bool) -> Self {
        let kinds = [Kind::Text, Kind::Text, Kind::Int, Kind::Long, Kind::Date, Kind::Any];
        let count = if is_deterministic { 5 } else { 6 };
        let by_pointer = !is_deterministic && choices.one_in(4);
        Self::Encrypted {
            is_deterministic,
            kind: *choices.pick(&kinds[..count]),
            second_key: !by_pointer && choices.one_in(6),
            by_pointer,
        }
    }

    /// The schema of the field `name`.
    fn child(&self, name: &str) -> &Self {
        let Self::Object(fields) = self else { return &Self::Plain };
        let other = if name.starts_with("s_") && fields.patterned.is_some() {
            fields.patterned.as_deref()
        } else {
            fields.additional.as_deref()
        };
        fields.named.get(name).or(other).unwrap_or(&Self::Plain)
    }

    /// The schema at a path.
    pub(crate) fn at(&self, path: &str) -> &Self {
        path.split('.').fold(self, Self::child)
    }

    /// A value by the schema.
    pub(crate) fn value(&self, choices: &mut Choices) -> Bson {
        match self {
            Self::Plain => plain(choices, 2),
            Self::Encrypted { kind, .. } => kind.secret(choices),
            Self::Object(_) if choices.one_in(6) => plain(choices, 0),
            Self::Object(_) => {
                let mut document = Document::new();
                for name in NAMES {
                    if choices.one_in(2) {
                        document.insert(name, self.child(name).value(choices));
                    }
                }
                Bson::Document(document)
            }
        }
    }

    /// A whole document. `index` tells documents apart.
    pub(crate) fn document(&self, choices: &mut Choices, index: usize) -> Document {
        let mut document = Document::new();
        let id = match self.child("_id") {
            Self::Plain => Bson::Int32(i32::try_from(index).unwrap()),
            other => other.value(choices),
        };
        document.insert("_id", id);
        if !self.is_object_with_pointer() || !choices.one_in(20) {
            document.insert(KEY_FIELD, KEY_NAME);
        }
        for name in NAMES {
            if !choices.one_in(3) {
                document.insert(name, self.child(name).value(choices));
            }
        }
        document
    }

    fn is_object_with_pointer(&self) -> bool {
        match self {
            Self::Object(fields) => fields.all().any(Self::is_object_with_pointer),
            Self::Encrypted { by_pointer, .. } => *by_pointer,
            Self::Plain => false,
        }
    }

    /// The JSON schema. `keys` are the ids of the two data keys.
    pub(crate) fn json(&self, keys: &[Binary; 2], inherits: bool) -> Document {
        match self {
            Self::Plain => doc! {},
            Self::Encrypted { is_deterministic, kind, second_key, by_pointer } => {
                let mut encrypt = Document::new();
                if let Some(alias) = kind.alias() {
                    encrypt.insert("bsonType", alias);
                }
                if !inherits || *is_deterministic {
                    let name = if *is_deterministic { DETERMINISTIC } else { RANDOM };
                    encrypt.insert("algorithm", name);
                }
                if *by_pointer {
                    encrypt.insert("keyId", format!("/{KEY_FIELD}"));
                } else if !inherits || *second_key {
                    encrypt.insert("keyId", [keys[usize::from(*second_key)].clone()].to_vec());
                }
                doc! { "encrypt": encrypt }
            }
            Self::Object(fields) => fields.json(keys, inherits),
        }
    }
}

impl Fields {
    fn random(choices: &mut Choices, depth: usize) -> Self {
        let mut fields = Self { has_metadata: choices.one_in(3), ..Self::default() };
        for _ in 0..1 + choices.below(4) {
            let name = *choices.pick(&NAMES[..5]);
            fields.named.insert(name, Node::random(choices, depth));
        }
        if choices.one_in(4) {
            fields.patterned = Some(Box::new(Node::random(choices, depth)));
        }
        if choices.one_in(10) {
            fields.additional = Some(Box::new(Node::random(choices, 0)));
        }
        fields
    }

    fn all(&self) -> impl Iterator<Item = &Node> {
        let others = self.patterned.as_deref().into_iter().chain(self.additional.as_deref());
        self.named.values().chain(others)
    }

    fn json(&self, keys: &[Binary; 2], inherits: bool) -> Document {
        let inherits = inherits || self.has_metadata;
        let mut schema = doc! { "bsonType": "object" };
        if self.has_metadata {
            let key = [keys[0].clone()].to_vec();
            schema.insert("encryptMetadata", doc! { "algorithm": RANDOM, "keyId": key });
        }
        let named = self.named.iter();
        let named: Document = named
            .map(|(name, node)| ((*name).to_owned(), Bson::from(node.json(keys, inherits))))
            .collect();
        schema.insert("properties", named);
        if let Some(node) = &self.patterned {
            schema.insert("patternProperties", doc! { "^s_": node.json(keys, inherits) });
        }
        if let Some(node) = &self.additional {
            schema.insert("additionalProperties", node.json(keys, inherits));
        }
        schema
    }
}
