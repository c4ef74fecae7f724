//! Databases, collections, views and indexes: what exists, kept in memory and in one table.

use std::collections::BTreeMap;
use std::sync::Arc;

use bson::raw::{RawDocument, RawDocumentBuf};

use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::validation::Validation;

mod index;
pub(crate) mod persist;

pub(crate) use index::{Index, IndexSpec};

/// Everything that exists at one moment. Cheap to clone; entries are shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    databases: BTreeMap<Box<str>, Database>,
    /// The id that the next table gets.
    pub(crate) next_id: u64,
}

type Database = BTreeMap<Box<str>, Arc<Collection>>;

/// A collection or a view.
#[derive(Clone, Debug)]
pub(crate) struct Collection {
    pub(crate) namespace: Namespace,
    pub(crate) uuid: bson::Uuid,
    /// The options as `listCollections` shows them.
    pub(crate) options: RawDocumentBuf,
    pub(crate) kind: Kind,
}

/// What a name in a database stands for.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Documents.
    Data(Data),
    /// A pipeline over another collection or view.
    View(ViewDefinition),
}

/// The stored part of a collection.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    /// Names the record table.
    pub(crate) id: u64,
    /// The `_id` index comes first.
    pub(crate) indexes: Vec<Arc<Index>>,
    pub(crate) validation: Arc<Validation>,
    pub(crate) capped: Option<Capped>,
}

/// The bounds of a capped collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capped {
    pub(crate) max_bytes: u64,
    pub(crate) max_documents: Option<u64>,
}

/// What a view shows.
#[derive(Clone, Debug)]
pub(crate) struct ViewDefinition {
    pub(crate) view_on: String,
    pub(crate) pipeline: bson::RawArrayBuf,
}

impl Catalog {
    pub(crate) fn get(&self, namespace: &Namespace) -> Option<&Arc<Collection>> {
        self.databases.get(namespace.database())?.get(namespace.collection())
    }

    pub(crate) fn insert(&mut self, collection: Collection) {
        let database = self.databases.entry(collection.namespace.database().into()).or_default();
        database.insert(collection.namespace.collection().into(), Arc::new(collection));
    }

    pub(crate) fn remove(&mut self, namespace: &Namespace) -> Option<Arc<Collection>> {
        let database = self.databases.get_mut(namespace.database())?;
        let removed = database.remove(namespace.collection());
        if database.is_empty() {
            self.databases.remove(namespace.database());
        }
        removed
    }

    /// The databases' names, ascending.
    pub(crate) fn databases(&self) -> impl Iterator<Item = &str> {
        self.databases.keys().map(AsRef::as_ref)
    }

    /// The collections and views of a database by name, ascending.
    pub(crate) fn collections(&self, database: &str) -> impl Iterator<Item = &Arc<Collection>> {
        self.databases.get(database).into_iter().flat_map(BTreeMap::values)
    }

    pub(crate) fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}

impl Collection {
    pub(crate) fn data(&self) -> Option<&Data> {
        match &self.kind {
            Kind::Data(data) => Some(data),
            Kind::View(_) => None,
        }
    }

    /// The stored part of what was found to be no view.
    pub(crate) fn writable_data(&self) -> Result<&Data> {
        self.data().ok_or_else(|| StoreError::internal("a view was taken for a collection"))
    }
}

impl Data {
    pub(crate) fn new(
        id: u64,
        indexes: Vec<Arc<Index>>,
        validation: Validation,
        options: &RawDocument,
    ) -> Result<Self> {
        let capped = Capped::from_options(options)?;
        Ok(Self { id, indexes, validation: Arc::new(validation), capped })
    }

    pub(crate) fn index_by_name(&self, name: &str) -> Option<&Arc<Index>> {
        self.indexes.iter().find(|index| index.spec.name == name)
    }
}

impl Capped {
    /// `capped`, `size` and `max` of a collection's options.
    fn from_options(options: &RawDocument) -> Result<Option<Self>> {
        let is_capped = options.get("capped")?.and_then(|value| value.as_bool()).unwrap_or(false);
        if !is_capped {
            return Ok(None);
        }
        let number = |name| -> Result<Option<u64>> {
            Ok(options.get(name)?.and_then(whole_number).and_then(|n| u64::try_from(n).ok()))
        };
        Ok(Some(Self {
            max_bytes: number("size")?.unwrap_or(0),
            max_documents: number("max")?.filter(|max| *max > 0),
        }))
    }
}

/// The whole part of a number of any type.
pub(crate) fn whole_number(value: bson::RawBsonRef<'_>) -> Option<i64> {
    match value {
        bson::RawBsonRef::Int32(number) => Some(number.into()),
        bson::RawBsonRef::Int64(number) => Some(number),
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        bson::RawBsonRef::Double(number) if !number.is_nan() => Some(number as i64),
        bson::RawBsonRef::Decimal128(number) => {
            let number: f64 = number.to_string().parse().ok()?;
            whole_number(bson::RawBsonRef::Double(number))
        }
        _ => None,
    }
}
