//! One collection in a write transaction: documents and index entries, kept in step.

use std::borrow::Cow;
use std::sync::Arc;

use bson::raw::{RawDocument, RawDocumentBuf};
use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use crate::catalog::{Capped, Data, Index};
use crate::code::Code;
use crate::entry::Entry;
use crate::error::{Result, StoreError};
use crate::index_key::extract::{self, Keys};
use crate::index_key::forms::Forms;
use crate::namespace::Namespace;
use crate::render::render;
use crate::tables::{
    KeyRange, SIZES, View, index_name, index_table, read_entries, read_record, read_records,
    records_name, records_table,
};

/// A collection's tables, opened for writing.
pub(crate) struct CollectionWriter<'t> {
    namespace: Namespace,
    records: Table<'t, u64, &'static [u8]>,
    indexes: Vec<OpenIndex<'t>>,
    next_record: u64,
    capped: Option<Capped>,
    /// Bytes of all documents when the tables were opened; kept for capped collections only.
    opened_bytes: u64,
    books: Books,
}

struct OpenIndex<'t> {
    index: Arc<Index>,
    entries: Table<'t, &'static [u8], u64>,
}

/// What has to be noted outside the collection's own tables.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) bytes_added: i64,
    /// For each index, for each field, whether an array was met.
    pub(crate) multikey: Vec<Vec<bool>>,
    pub(crate) has_changes: bool,
    /// A document's entries were written only in part.
    pub(crate) is_half_written: bool,
}

impl<'t> CollectionWriter<'t> {
    pub(crate) fn open(
        transaction: &'t WriteTransaction,
        namespace: &Namespace,
        data: &Data,
    ) -> Result<Self> {
        let records = transaction.open_table(records_table(&records_name(data.id)))?;
        let next_record = records.last()?.map_or(1, |(id, _)| id.value() + 1);
        let mut indexes = Vec::with_capacity(data.indexes.len());
        for index in &data.indexes {
            let entries = transaction.open_table(index_table(&index_name(index.id)))?;
            indexes.push(OpenIndex { index: Arc::clone(index), entries });
        }
        let opened_bytes = match data.capped {
            Some(_) => {
                let sizes = transaction.open_table(SIZES)?;
                sizes.get(data.id)?.map_or(0, |bytes| bytes.value())
            }
            None => 0,
        };
        let books = Books {
            multikey: data.indexes.iter().map(|index| index.multikey.clone()).collect(),
            ..Books::default()
        };
        Ok(Self {
            namespace: namespace.clone(),
            records,
            indexes,
            next_record,
            capped: data.capped,
            opened_bytes,
            books,
        })
    }

    pub(crate) fn close(self) -> Books {
        self.books
    }

    pub(crate) fn books(&self) -> &Books {
        &self.books
    }

    /// Whether an index has met an array for the first time.
    pub(crate) fn has_new_multikey(&self) -> bool {
        let is_new = |(open, seen): (&OpenIndex<'_>, &Vec<bool>)| open.index.multikey != *seen;
        self.indexes.iter().zip(&self.books.multikey).any(is_new)
    }

    /// Adds a document after checking unique indexes.
    ///
    /// # Errors
    /// `DuplicateKey`, `CannotIndexParallelArrays`; nothing is written then.
    pub(crate) fn insert(&mut self, document: &RawDocument) -> Result<u64> {
        let keys = self.keys(document)?;
        self.check_unique(&keys, None, document)?;
        let record = self.next_record;
        self.begin();
        self.records.insert(record, document.as_bytes())?;
        for (open, keys) in self.indexes.iter_mut().zip(&keys) {
            for (key, forms) in &keys.keys {
                open.insert(key, record, *forms)?;
            }
        }
        self.next_record += 1;
        self.note_multikey(&keys);
        self.end(length(document));
        self.trim_capped(record)?;
        Ok(record)
    }

    /// Removes the oldest documents of a capped collection until it is within its bounds; the one
    /// just written stays.
    fn trim_capped(&mut self, newest: u64) -> Result<()> {
        let Some(capped) = self.capped else { return Ok(()) };
        loop {
            let bytes = self.opened_bytes.saturating_add_signed(self.books.bytes_added);
            let is_full = bytes > capped.max_bytes
                || capped
                    .max_documents
                    .is_some_and(|max| self.records.len().is_ok_and(|n| n > max));
            if !is_full {
                return Ok(());
            }
            let oldest = match self.records.first()? {
                Some((record, document)) if record.value() != newest => {
                    (record.value(), RawDocumentBuf::from_bytes(document.value().to_vec())?)
                }
                _ => return Ok(()),
            };
            self.remove(oldest.0, &oldest.1)?;
        }
    }

    /// Puts `new` in the place of `old`.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub(crate) fn replace(
        &mut self,
        record: u64,
        old: &RawDocument,
        new: &RawDocument,
    ) -> Result<()> {
        let old_keys = self.keys(old)?;
        let new_keys = self.keys(new)?;
        self.check_unique(&new_keys, Some(record), new)?;
        self.begin();
        self.records.insert(record, new.as_bytes())?;
        for ((open, old), new) in self.indexes.iter_mut().zip(&old_keys).zip(&new_keys) {
            for key in old.keys.keys().filter(|key| !new.keys.contains_key(*key)) {
                open.remove(key, record)?;
            }
            // A value may have become an equal one of another type.
            for (key, forms) in
                new.keys.iter().filter(|(key, forms)| old.keys.get(*key) != Some(forms))
            {
                open.insert(key, record, *forms)?;
            }
        }
        self.note_multikey(&new_keys);
        self.end(length(new) - length(old));
        Ok(())
    }

    /// Removes a document.
    pub(crate) fn remove(&mut self, record: u64, document: &RawDocument) -> Result<()> {
        let keys = self.keys(document)?;
        self.begin();
        self.records.remove(record)?;
        for (open, keys) in self.indexes.iter_mut().zip(&keys) {
            for key in keys.keys.keys() {
                open.remove(key, record)?;
            }
        }
        self.end(-length(document));
        Ok(())
    }

    /// Adds the entries of a document that is stored already, in the last index only.
    pub(crate) fn index_existing(&mut self, record: u64, document: &RawDocument) -> Result<()> {
        let Some(open) = self.indexes.last_mut() else { return Ok(()) };
        let keys = keys_of(&open.index, document)?;
        check_unique(&self.namespace, open, &keys, Some(record), document)?;
        for (key, forms) in &keys.keys {
            open.insert(key, record, *forms)?;
        }
        if let Some(seen) = self.books.multikey.last_mut() {
            note(seen, &keys);
        }
        self.books.has_changes = true;
        Ok(())
    }

    fn keys(&self, document: &RawDocument) -> Result<Vec<Keys>> {
        self.indexes.iter().map(|open| keys_of(&open.index, document)).collect()
    }

    fn check_unique(&self, keys: &[Keys], own: Option<u64>, document: &RawDocument) -> Result<()> {
        for (open, keys) in self.indexes.iter().zip(keys) {
            check_unique(&self.namespace, open, keys, own, document)?;
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.books.has_changes = true;
        self.books.is_half_written = true;
    }

    fn end(&mut self, bytes_added: i64) {
        self.books.bytes_added += bytes_added;
        self.books.is_half_written = false;
    }

    fn note_multikey(&mut self, keys: &[Keys]) {
        for (seen, keys) in self.books.multikey.iter_mut().zip(keys) {
            note(seen, keys);
        }
    }
}

fn note(seen: &mut [bool], keys: &Keys) {
    for (seen, now) in seen.iter_mut().zip(&keys.multikey) {
        *seen |= now;
    }
}

/// The keys of a document in an index; none if the index does not cover it.
pub(crate) fn keys_of(index: &Index, document: &RawDocument) -> Result<Keys> {
    let spec = &index.spec;
    if let Some(partial) = &spec.partial
        && !partial.matches(document)?
    {
        return Ok(Keys::default());
    }
    let mut keys = extract::keys(&spec.fields, spec.sparse, spec.collation.as_deref(), document)?;
    if spec.is_id_index() {
        // An `_id` is one value, whatever is in it.
        keys.multikey.fill(false);
    }
    Ok(keys)
}

fn check_unique(
    namespace: &Namespace,
    open: &OpenIndex<'_>,
    keys: &Keys,
    own: Option<u64>,
    document: &RawDocument,
) -> Result<()> {
    if !open.index.spec.unique {
        return Ok(());
    }
    for key in keys.keys.keys() {
        let holder =
            open.entries.get(key.as_slice())?.map(|entry| Entry::unpack(entry.value()).record);
        if holder.is_some() && holder != own {
            return Err(duplicate_key(namespace, &open.index, key, document)?);
        }
    }
    Ok(())
}

/// `E11000`, with the key that is there already.
fn duplicate_key(
    namespace: &Namespace,
    index: &Index,
    key: &[u8],
    document: &RawDocument,
) -> Result<StoreError> {
    let spec = &index.spec;
    let values = extract::values_of_key(&spec.fields, spec.collation.as_deref(), document, key)?;
    let mut key_value = RawDocumentBuf::new();
    for (field, value) in spec.key.iter().zip(values) {
        key_value.append(field?.0, value);
    }
    let message = format!(
        "E11000 duplicate key error collection: {namespace} index: {} dup key: {}",
        spec.name,
        render(&key_value)
    );
    Ok(StoreError::new(Code::DUPLICATE_KEY, message)
        .with_extra(bson::rawdoc! {"keyPattern": spec.key.clone(), "keyValue": key_value}))
}

impl OpenIndex<'_> {
    fn insert(&mut self, key: &[u8], record: u64, forms: Forms) -> Result<()> {
        let entry = Entry { record, forms };
        self.entries.insert(&*entry_key(&self.index, key, record), entry.pack()?)?;
        Ok(())
    }

    fn remove(&mut self, key: &[u8], record: u64) -> Result<()> {
        self.entries.remove(&*entry_key(&self.index, key, record))?;
        Ok(())
    }
}

/// The key in the table: entries of an index that is not unique are told apart by the record.
pub(crate) fn entry_key<'k>(index: &Index, key: &'k [u8], record: u64) -> Cow<'k, [u8]> {
    if index.spec.unique {
        return Cow::Borrowed(key);
    }
    Cow::Owned([key, &record.to_be_bytes()].concat())
}

fn length(document: &RawDocument) -> i64 {
    i64::try_from(document.as_bytes().len()).unwrap_or(i64::MAX)
}

impl CollectionWriter<'_> {
    fn index(&self, index: u64) -> Result<&OpenIndex<'_>> {
        self.indexes
            .iter()
            .find(|open| open.index.id == index)
            .ok_or_else(|| StoreError::internal("an index that is not open was asked for"))
    }
}

impl View for CollectionWriter<'_> {
    fn record(&self, id: u64) -> Result<Option<RawDocumentBuf>> {
        read_record(&self.records, id)
    }

    fn records(
        &self,
        after: Option<u64>,
        descending: bool,
        max: usize,
        out: &mut Vec<(u64, RawDocumentBuf)>,
    ) -> Result<()> {
        read_records(&self.records, after, descending, max, out)
    }

    fn entries(
        &self,
        index: u64,
        range: &KeyRange,
        descending: bool,
        max: usize,
        out: &mut Vec<(Vec<u8>, Entry)>,
    ) -> Result<()> {
        read_entries(&self.index(index)?.entries, range, descending, max, out)
    }

    fn entry(&self, index: u64, key: &[u8]) -> Result<Option<Entry>> {
        Ok(self.index(index)?.entries.get(key)?.map(|entry| Entry::unpack(entry.value())))
    }

    fn record_count(&self) -> Result<u64> {
        Ok(self.records.len()?)
    }
}
