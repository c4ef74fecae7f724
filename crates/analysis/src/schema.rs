//! Encryption schemas, compiled once and shared.

use std::{collections::HashMap, sync::Arc};

use bson::raw::RawDocument;

use crate::shape::{EncryptedField, Shape};

mod check;
mod keyword;
mod options;
mod parse;
mod problem;

pub use check::{SchemaReport, SchemaWarning, check_schema};
pub use problem::{SchemaError, SchemaProblem};

use parse::Compiler;

/// Where a schema comes from, which decides what it may contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaOrigin {
    /// From the client's schema map: it may only say what is encrypted.
    Local,
    /// From the collection's validator: it may hold any keyword of MongoDB's schema language.
    Remote,
}

/// A compiled JSON schema with `encrypt` keywords.
#[derive(Debug, Clone)]
pub struct EncryptionSchema {
    pub(crate) root: Shape,
    fields: Vec<Arc<EncryptedField>>,
}

impl EncryptionSchema {
    /// Compiles a schema. An empty document is the schema of a collection without encryption.
    ///
    /// # Errors
    /// The first fault of the schema; [`check_schema`] tells all of them.
    pub fn parse(schema: &RawDocument, origin: SchemaOrigin) -> Result<Self, SchemaError> {
        let mut compiler = Compiler::new(origin);
        let root = compiler.root(schema);
        match compiler.faults.into_iter().next() {
            Some(fault) => Err(fault),
            None => Ok(Self { root, fields: compiler.fields }),
        }
    }

    /// The schema of a collection without encryption.
    pub fn empty() -> Self {
        Self { root: Shape::Plain, fields: Vec::new() }
    }

    /// Whether the schema has an encrypted field.
    pub fn requires_encryption(&self) -> bool {
        !self.root.is_plain()
    }

    /// The encrypted fields, in the order of the schema.
    pub fn fields(&self) -> impl Iterator<Item = &EncryptedField> {
        self.fields.iter().map(Arc::as_ref)
    }
}

/// The schemas of all collections that a command may touch, by namespace (`database.collection`).
#[derive(Debug, Clone, Default)]
pub struct SchemaSet {
    by_namespace: HashMap<String, Arc<EncryptionSchema>>,
}

impl SchemaSet {
    /// A set without any schema.
    pub fn new() -> Self {
        Self::default()
    }

    /// A set of one.
    pub fn single(namespace: impl Into<String>, schema: Arc<EncryptionSchema>) -> Self {
        let mut set = Self::new();
        set.insert(namespace, schema);
        set
    }

    /// Adds the schema of a collection, or replaces it.
    pub fn insert(&mut self, namespace: impl Into<String>, schema: Arc<EncryptionSchema>) {
        self.by_namespace.insert(namespace.into(), schema);
    }

    /// The schema of a collection.
    pub fn find(&self, namespace: &str) -> Option<&Arc<EncryptionSchema>> {
        self.by_namespace.get(namespace)
    }

    /// Whether any schema has an encrypted field.
    pub fn requires_encryption(&self) -> bool {
        self.by_namespace.values().any(|schema| schema.requires_encryption())
    }
}

#[cfg(test)]
mod tests;
