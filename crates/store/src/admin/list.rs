//! Listing databases, collections and indexes.

use bson::raw::{RawDocumentBuf, cstr};
use bson::rawdoc;

use crate::catalog::{Collection, Kind};
use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::store::Store;

/// A database, as `listDatabases` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseInfo {
    /// Its name.
    pub name: String,
    /// Bytes of its documents.
    pub size_bytes: u64,
}

impl Store {
    /// All databases by name.
    ///
    /// # Errors
    /// Only of the storage.
    pub fn list_databases(&self) -> Result<Vec<DatabaseInfo>> {
        let snapshot = self.snapshot();
        let mut databases = Vec::new();
        for name in snapshot.catalog().databases() {
            let mut size_bytes = 0;
            for data in snapshot.catalog().collections(name).filter_map(|found| found.data()) {
                size_bytes += snapshot.tables().data_bytes(data.id)?;
            }
            databases.push(DatabaseInfo { name: name.to_owned(), size_bytes });
        }
        Ok(databases)
    }

    /// The collections and views of a database by name, as the documents that `listCollections`
    /// answers with.
    #[must_use]
    pub fn list_collections(&self, database: &str) -> Vec<RawDocumentBuf> {
        self.snapshot()
            .catalog()
            .collections(database)
            .map(|collection| describe(collection))
            .collect()
    }

    /// One collection or view as `listCollections` shows it.
    #[must_use]
    pub fn collection_info(&self, namespace: &Namespace) -> Option<RawDocumentBuf> {
        self.snapshot().collection(namespace).map(|collection| describe(collection))
    }

    /// The indexes of a collection, as the documents that `listIndexes` answers with.
    ///
    /// # Errors
    /// `NamespaceNotFound`, `CommandNotSupportedOnView`.
    pub fn list_indexes(&self, namespace: &Namespace) -> Result<Vec<RawDocumentBuf>> {
        let snapshot = self.snapshot();
        match snapshot.collection(namespace).map(|collection| &collection.kind) {
            Some(Kind::Data(data)) => {
                Ok(data.indexes.iter().map(|index| index.spec.document.clone()).collect())
            }
            Some(Kind::View(_)) => Err(StoreError::new(
                Code::COMMAND_NOT_SUPPORTED_ON_VIEW,
                format!("Namespace {namespace} is a view, not a collection"),
            )),
            None => Err(StoreError::new(
                Code::NAMESPACE_NOT_FOUND,
                format!("ns does not exist: {namespace}"),
            )),
        }
    }
}

fn describe(collection: &Collection) -> RawDocumentBuf {
    let name = collection.namespace.collection();
    match &collection.kind {
        Kind::Data(data) => {
            let mut document = rawdoc! {
                "name": name,
                "type": "collection",
                "options": collection.options.clone(),
                "info": {"readOnly": false, "uuid": bson::Binary::from(collection.uuid)},
            };
            if let Some(index) = data.indexes.first() {
                document.append(cstr!("idIndex"), index.spec.document.clone());
            }
            document
        }
        Kind::View(_) => rawdoc! {
            "name": name,
            "type": "view",
            "options": collection.options.clone(),
            "info": {"readOnly": true},
        },
    }
}
