//! A write transaction: what the writes of one group commit work on.

use std::sync::Arc;

use bson::oid::ObjectId;
use fieldveil_query::collation::ORDER_VERSION;
use fieldveil_query::pipeline::Pipeline;
use redb::{ReadableTable, WriteTransaction};

use crate::catalog::{Catalog, Collection, Data, Index, Kind, ViewDefinition, persist};
use crate::code::Code;
use crate::environment::{Environment, ObjectIds};
use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::tables::{CATALOG, META, NEXT_ID_ROW, RETRIES, SIZES, index_name, index_table};
use crate::tables::{records_name, records_table};
use crate::validation::Validation;

mod collection;

pub(crate) use collection::{CollectionWriter, entry_key, keys_of};

/// How many views may stand on each other (MongoDB's limit).
pub(crate) const VIEW_DEPTH_MAX: usize = 20;

/// The state that the writes of one commit share.
pub(crate) struct Transaction<'t> {
    redb: &'t WriteTransaction,
    catalog: Arc<Catalog>,
    environment: &'t dyn Environment,
    object_ids: &'t ObjectIds,
    /// The collection that was written last. Its tables stay open, because the next write of the
    /// same commit is often for the same collection.
    open: Option<Open<'t>>,
    has_changes: bool,
    failure: Option<StoreError>,
}

/// A collection whose tables are open.
struct Open<'t> {
    collection: Arc<Collection>,
    writer: CollectionWriter<'t>,
}

/// How a transaction ended.
pub(crate) enum Outcome {
    /// Nothing was written.
    Unchanged,
    /// To be committed; the catalog is then this one.
    Changed(Arc<Catalog>),
    /// A document was left half written; nothing may be committed.
    Failed(StoreError),
}

impl<'t> Transaction<'t> {
    pub(crate) fn new(
        redb: &'t WriteTransaction,
        catalog: Arc<Catalog>,
        environment: &'t dyn Environment,
        object_ids: &'t ObjectIds,
    ) -> Self {
        Self {
            redb,
            catalog,
            environment,
            object_ids,
            open: None,
            has_changes: false,
            failure: None,
        }
    }

    pub(crate) fn outcome(mut self) -> Outcome {
        if let Err(error) = self.close() {
            self.fail(error);
        }
        match (self.failure, self.has_changes) {
            (Some(error), _) => Outcome::Failed(error),
            (None, true) => Outcome::Changed(self.catalog),
            (None, false) => Outcome::Unchanged,
        }
    }

    /// Keeps all of the transaction from being committed.
    pub(crate) fn fail(&mut self, error: StoreError) {
        self.failure = Some(error);
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.environment.now_ms()
    }

    pub(crate) fn new_object_id(&self) -> ObjectId {
        self.object_ids.next(self.environment)
    }

    pub(crate) fn new_uuid(&self) -> bson::Uuid {
        let mut bytes = [0; 16];
        self.environment.random(&mut bytes);
        // The version and variant bits of a random UUID (RFC 9562, section 5.4).
        bytes[6] = bytes[6] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        bson::Uuid::from_bytes(bytes)
    }

    /// Opens a table that is none of a collection's, and is made if it is not there.
    pub(crate) fn open_plain<K: redb::Key + 'static, V: redb::Value + 'static>(
        &self,
        table: redb::TableDefinition<'_, K, V>,
    ) -> Result<redb::Table<'t, K, V>> {
        Ok(self.redb.open_table(table)?)
    }

    /// Writes what is known of a session's last retryable write.
    pub(crate) fn put_retries(&mut self, session: &[u8; 32], row: (i64, i64, &[u8])) -> Result<()> {
        self.all_or_nothing(|this| {
            this.redb.open_table(RETRIES)?.insert(session.as_slice(), row)?;
            Ok(())
        })
    }

    /// Removes the rows of those of `sessions` that wrote for the last time at `until_ms` or earlier.
    pub(crate) fn forget_retries(&mut self, sessions: &[Vec<u8>], until_ms: i64) -> Result<usize> {
        self.all_or_nothing(|this| {
            let mut table = this.redb.open_table(RETRIES)?;
            let mut count = 0;
            for session in sessions {
                let is_old =
                    |row: redb::AccessGuard<'_, (i64, i64, &[u8])>| row.value().1 <= until_ms;
                if table.get(session.as_slice())?.is_some_and(is_old) {
                    table.remove(session.as_slice())?;
                    count += 1;
                }
            }
            Ok(count)
        })
    }

    /// Runs `work` so that a failure in the middle of it keeps all of the transaction from being
    /// committed.
    fn all_or_nothing<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.has_changes = true;
        let result = work(self);
        if let Err(error) = &result {
            self.fail(error.clone());
        }
        result
    }

    /// Adds a collection or view, or writes a changed one.
    pub(crate) fn save(&mut self, collection: Collection) -> Result<()> {
        self.all_or_nothing(|this| {
            let row = persist::to_row(&collection);
            let mut table = this.redb.open_table(CATALOG)?;
            table.insert(collection.namespace.as_str(), row.as_bytes())?;
            Arc::make_mut(&mut this.catalog).insert(collection);
            Ok(())
        })
    }

    /// Removes a collection or view and all that belongs to it.
    pub(crate) fn drop_collection(&mut self, collection: &Collection) -> Result<()> {
        self.close()?;
        self.all_or_nothing(|this| {
            this.forget(&collection.namespace)?;
            this.discard(collection)
        })
    }

    /// Removes what belongs to a collection that has no name.
    pub(crate) fn discard(&mut self, collection: &Collection) -> Result<()> {
        self.all_or_nothing(|this| {
            if let Some(data) = collection.data() {
                this.redb.delete_table(records_table(&records_name(data.id)))?;
                this.redb.open_table(SIZES)?.remove(data.id)?;
                for index in &data.indexes {
                    this.redb.delete_table(index_table(&index_name(index.id)))?;
                }
            }
            Ok(())
        })
    }

    /// Takes the name away and leaves the data.
    pub(crate) fn forget(&mut self, namespace: &Namespace) -> Result<()> {
        self.all_or_nothing(|this| {
            this.redb.open_table(CATALOG)?.remove(namespace.as_str())?;
            Arc::make_mut(&mut this.catalog).remove(namespace);
            Ok(())
        })
    }

    /// Makes the tables of a new collection with only an `_id` index.
    pub(crate) fn new_data(&mut self, options: &bson::RawDocument) -> Result<Data> {
        let validation = Validation::parse(options)?;
        let id = self.take_id()?;
        let collation = options.get_document("collation").ok();
        let id_index = self.new_index(crate::catalog::IndexSpec::id_index(collation)?)?;
        let data = Data::new(id, vec![Arc::new(id_index)], validation, options)?;
        self.all_or_nothing(|this| {
            this.redb.open_table(records_table(&records_name(id)))?;
            Ok(data)
        })
    }

    /// Makes the table of a new index, empty.
    pub(crate) fn new_index(&mut self, spec: crate::catalog::IndexSpec) -> Result<Index> {
        let id = self.take_id()?;
        self.all_or_nothing(|this| {
            this.redb.open_table(index_table(&index_name(id)))?;
            let multikey = vec![false; spec.fields.len()];
            Ok(Index { id, spec, multikey, order: ORDER_VERSION })
        })
    }

    /// Removes the table of an index.
    pub(crate) fn delete_index(&mut self, index: &Index) -> Result<()> {
        self.close()?;
        self.all_or_nothing(|this| {
            this.redb.delete_table(index_table(&index_name(index.id)))?;
            Ok(())
        })
    }

    fn take_id(&mut self) -> Result<u64> {
        self.all_or_nothing(|this| {
            let id = Arc::make_mut(&mut this.catalog).take_id();
            this.redb.open_table(META)?.insert(NEXT_ID_ROW, id + 1)?;
            Ok(id)
        })
    }

    /// Opens a collection's tables for `work`. Afterwards, or when other tables are wanted, the
    /// books are kept: sizes, and which indexes have met arrays.
    pub(crate) fn with_collection<T>(
        &mut self,
        collection: &Arc<Collection>,
        work: impl FnOnce(&mut Self, &mut CollectionWriter<'t>) -> Result<T>,
    ) -> Result<T> {
        let mut open = self.open(collection)?;
        let result = work(self, &mut open.writer);
        let books = open.writer.books();
        self.has_changes |= books.has_changes;
        if books.is_half_written {
            let error = match &result {
                Err(error) => error.clone(),
                Ok(_) => StoreError::internal("a document was left half written"),
            };
            self.fail(error);
        }
        // What `work` itself has opened.
        self.close()?;
        let stays = !open.writer.has_new_multikey();
        self.open = Some(open);
        if !stays {
            // The plans of the writes that follow have to know.
            self.close()?;
        }
        result
    }

    /// Takes the open collection, if it is this one, or opens it.
    fn open(&mut self, collection: &Arc<Collection>) -> Result<Open<'t>> {
        if let Some(open) = self.open.take_if(|open| Arc::ptr_eq(&open.collection, collection)) {
            return Ok(open);
        }
        self.close()?;
        let data = data_of(collection)?;
        let writer = CollectionWriter::open(self.redb, &collection.namespace, data)?;
        Ok(Open { collection: Arc::clone(collection), writer })
    }

    /// Closes the open collection and keeps its books.
    fn close(&mut self) -> Result<()> {
        let Some(Open { collection, writer }) = self.open.take() else { return Ok(()) };
        let books = writer.close();
        if books.has_changes {
            let data = data_of(&collection)?;
            self.all_or_nothing(|this| this.keep_books(&collection, data, &books))?;
        }
        Ok(())
    }

    fn keep_books(
        &mut self,
        collection: &Collection,
        data: &Data,
        books: &collection::Books,
    ) -> Result<()> {
        if books.bytes_added != 0 {
            let mut sizes = self.redb.open_table(SIZES)?;
            let bytes = sizes.get(data.id)?.map_or(0, |bytes| bytes.value());
            sizes.insert(data.id, bytes.saturating_add_signed(books.bytes_added))?;
        }
        let is_new = |(index, seen): (&Arc<Index>, &Vec<bool>)| index.multikey != *seen;
        if data.indexes.iter().zip(&books.multikey).any(is_new) {
            let mut data = data.clone();
            for (index, seen) in data.indexes.iter_mut().zip(&books.multikey) {
                Arc::make_mut(index).multikey.clone_from(seen);
            }
            self.save(Collection { kind: Kind::Data(data), ..collection.clone() })?;
        }
        Ok(())
    }

    /// Whether a view may be defined so: its pipeline is one, and it does not lead back to itself.
    pub(crate) fn check_view(
        &self,
        namespace: &Namespace,
        definition: &ViewDefinition,
    ) -> Result<()> {
        Pipeline::parse(&definition.pipeline)?;
        let mut next = definition.view_on.clone();
        for _ in 0..VIEW_DEPTH_MAX {
            let on = Namespace::new(namespace.database(), &next)?;
            if on == *namespace {
                return Err(StoreError::new(
                    Code::GRAPH_CONTAINS_CYCLE,
                    format!("View cycle detected: {namespace} is defined on itself"),
                ));
            }
            match self.catalog.get(&on).map(|found| &found.kind) {
                Some(Kind::View(inner)) => next.clone_from(&inner.view_on),
                _ => return Ok(()),
            }
        }
        Err(StoreError::new(
            Code::VIEW_DEPTH_LIMIT_EXCEEDED,
            format!("View depth limit exceeded; maximum depth is {VIEW_DEPTH_MAX}"),
        ))
    }
}

fn data_of(collection: &Collection) -> Result<&Data> {
    collection.data().ok_or_else(|| StoreError::internal("a view was opened as a collection"))
}
