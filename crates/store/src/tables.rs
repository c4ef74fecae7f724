//! The tables of the data file, and one way to read them inside and outside a write.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | `meta` | name | number (format version, next table id) |
//! | `catalog` | namespace | BSON, see `catalog::persist` |
//! | `sizes` | collection id | bytes of all documents |
//! | `retries` | session | number, time and results of its last retryable write, see `retry` |
//! | `c<id>` | record id | document |
//! | `i<id>` | index key; followed by the record id (8 bytes) unless unique | record id and forms, see `entry` |

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use bson::{RawDocument, RawDocumentBuf};
use redb::{
    AccessGuard, Range, ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata,
    TableDefinition, TableError, Value,
};

use crate::entry::Entry;
use crate::error::{Result, StoreError};
use crate::snapshot::Snapshot;
use forward::Forward;

mod forward;

pub(crate) const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");
pub(crate) const CATALOG: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("catalog");
pub(crate) const SIZES: TableDefinition<'static, u64, u64> = TableDefinition::new("sizes");

/// The value is the write's number, when it was last written (milliseconds since the Unix epoch),
/// and the results.
pub(crate) const RETRIES: TableDefinition<'static, &[u8], (i64, i64, &[u8])> =
    TableDefinition::new("retries");

/// Rows of `meta`.
pub(crate) const FORMAT_VERSION_ROW: &str = "format version";
pub(crate) const NEXT_ID_ROW: &str = "next table id";

/// A scan does not read further ahead than this.
const READ_AHEAD_MAX_BYTES: usize = 1024 * 1024;

pub(crate) fn records_name(collection: u64) -> String {
    format!("c{collection}")
}

pub(crate) fn index_name(index: u64) -> String {
    format!("i{index}")
}

pub(crate) fn records_table(name: &str) -> TableDefinition<'_, u64, &'static [u8]> {
    TableDefinition::new(name)
}

pub(crate) fn index_table(name: &str) -> TableDefinition<'_, &'static [u8], u64> {
    TableDefinition::new(name)
}

/// Where a scan of an index begins and ends.
#[derive(Clone, Debug)]
pub(crate) struct KeyRange {
    pub(crate) lower: Bound<Vec<u8>>,
    pub(crate) upper: Bound<Vec<u8>>,
}

/// What a plan reads: one collection's records and indexes, committed or in the middle of a write.
///
/// Scans come in pieces, so that whoever scans keeps only a position and no borrowed iterator.
pub(crate) trait View {
    /// The document of one record.
    fn record(&self, id: u64) -> Result<Option<RawDocumentBuf>>;

    /// Up to `max` records after `after` in the given direction; at least one if there is one.
    fn records(
        &self,
        after: Option<u64>,
        descending: bool,
        max: usize,
        out: &mut Vec<(u64, RawDocumentBuf)>,
    ) -> Result<()>;

    /// Up to `max` entries of an index within `range` in the given direction.
    fn entries(
        &self,
        index: u64,
        range: &KeyRange,
        descending: bool,
        max: usize,
        out: &mut Vec<(Vec<u8>, Entry)>,
    ) -> Result<()>;

    /// The entry of an index with this key in the table.
    fn entry(&self, index: u64, key: &[u8]) -> Result<Option<Entry>>;

    /// How many records there are.
    fn record_count(&self) -> Result<u64>;
}

pub(crate) fn read_record(
    table: &impl ReadableTable<u64, &'static [u8]>,
    id: u64,
) -> Result<Option<RawDocumentBuf>> {
    match table.get(id)? {
        Some(guard) => Ok(Some(stored_document(guard.value())?.to_owned())),
        None => Ok(None),
    }
}

pub(crate) fn read_records(
    table: &impl ReadableTable<u64, &'static [u8]>,
    after: Option<u64>,
    descending: bool,
    max: usize,
    out: &mut Vec<(u64, RawDocumentBuf)>,
) -> Result<()> {
    match descending {
        false => take_rows(rows_after(table, after)?, max, out),
        true => take_rows(rows_before(table, after)?.rev(), max, out),
    }
}

fn rows_after<V: Value + 'static>(
    table: &impl ReadableTable<u64, V>,
    after: Option<u64>,
) -> Result<Range<'_, u64, V>> {
    let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
    Ok(table.range::<u64>((lower, Bound::Unbounded))?)
}

fn rows_before(
    table: &impl ReadableTable<u64, &'static [u8]>,
    before: Option<u64>,
) -> Result<Range<'_, u64, &'static [u8]>> {
    let upper = before.map_or(Bound::Unbounded, Bound::Excluded);
    Ok(table.range::<u64>((Bound::Unbounded, upper))?)
}

/// Copies up to `max` of the rows; at least one if there is one.
fn take_rows<'a, V: Bytes>(
    rows: impl Iterator<Item = redb::Result<Row<'a, V>>>,
    max: usize,
    out: &mut Vec<(u64, RawDocumentBuf)>,
) -> Result<()> {
    let mut bytes = 0;
    if max == 0 {
        return Ok(());
    }
    show_rows(rows, |id, document| {
        bytes += document.as_bytes().len();
        out.push((id, document.to_owned()));
        Ok(out.len() < max && bytes < READ_AHEAD_MAX_BYTES)
    })?;
    Ok(())
}

/// Shows rows as they lie in the storage, until `see` says to stop. Answers whether all were shown
/// and none made it stop. One loop for each use, so that nothing is called through a pointer for a
/// record.
#[inline]
fn show_rows<'a, V: Bytes>(
    rows: impl Iterator<Item = redb::Result<Row<'a, V>>>,
    mut see: impl FnMut(u64, &RawDocument) -> Result<bool>,
) -> Result<bool> {
    for row in rows {
        let (id, document) = row?;
        if !see(id.value(), stored_document(document.value())?)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) fn read_entries(
    table: &impl ReadableTable<&'static [u8], u64>,
    range: &KeyRange,
    descending: bool,
    max: usize,
    out: &mut Vec<(Vec<u8>, Entry)>,
) -> Result<()> {
    let Some(rows) = entries_in(table, range)? else { return Ok(()) };
    match descending {
        false => take_entries(rows, max, out),
        true => take_entries(rows.rev(), max, out),
    }
}

/// The entries within `range`, if there can be any.
fn entries_in<'t>(
    table: &'t impl ReadableTable<&'static [u8], u64>,
    range: &KeyRange,
) -> Result<Option<Range<'t, &'static [u8], u64>>> {
    let bounds = (range.lower.as_ref().map(Vec::as_slice), range.upper.as_ref().map(Vec::as_slice));
    if is_empty(&bounds) {
        return Ok(None);
    }
    Ok(Some(table.range::<&[u8]>(bounds)?))
}

/// Copies up to `max` of the entries.
fn take_entries<'a>(
    rows: impl Iterator<Item = redb::Result<EntryRow<'a>>>,
    max: usize,
    out: &mut Vec<(Vec<u8>, Entry)>,
) -> Result<()> {
    for row in rows.take(max) {
        let (key, entry) = row?;
        out.push((key.value().to_vec(), Entry::unpack(entry.value())));
    }
    Ok(())
}

/// As [`show_rows`].
#[inline]
fn show_entries<'a>(
    rows: impl Iterator<Item = redb::Result<EntryRow<'a>>>,
    mut see: impl FnMut(&[u8], Entry) -> Result<bool>,
) -> Result<bool> {
    for row in rows {
        let (key, entry) = row?;
        if !see(key.value(), Entry::unpack(entry.value()))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether nothing can lie between the bounds; the storage may not be asked then.
fn is_empty(bounds: &(Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match bounds {
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (
            Bound::Included(lower) | Bound::Excluded(lower),
            Bound::Included(upper) | Bound::Excluded(upper),
        ) => lower >= upper,
        _ => false,
    }
}

/// Documents were checked before they were written; the frame is checked again.
#[inline]
fn stored_document(bytes: &[u8]) -> Result<&RawDocument> {
    RawDocument::from_bytes(bytes).map_err(|error| not_bson(&error))
}

#[cold]
fn not_bson(error: &bson::error::Error) -> StoreError {
    StoreError::damaged(format_args!("a record is not BSON ({error})"))
}

/// Documents, however their table is read.
trait Bytes: for<'v> Value<SelfType<'v> = &'v [u8]> + 'static {}

impl<V: for<'v> Value<SelfType<'v> = &'v [u8]> + 'static> Bytes for V {}

type Row<'a, V> = (AccessGuard<'a, u64>, AccessGuard<'a, V>);
type EntryRow<'a> = (AccessGuard<'a, &'static [u8]>, AccessGuard<'a, u64>);
pub(crate) type RecordTable = ReadOnlyTable<u64, &'static [u8]>;
pub(crate) type IndexTable = ReadOnlyTable<&'static [u8], u64>;

/// The committed tables at one moment. Opened tables are kept, as opening costs a look-up.
pub(crate) struct Tables {
    transaction: ReadTransaction,
    records: Opened<RecordTable>,
    indexes: Opened<IndexTable>,
    forward_records: Opened<ReadOnlyTable<u64, Forward<&'static [u8]>>>,
}

/// Tables by the ids of what is in them.
type Opened<T> = Mutex<HashMap<u64, Arc<T>>>;

impl Tables {
    pub(crate) fn new(transaction: ReadTransaction) -> Self {
        Self {
            transaction,
            records: Mutex::default(),
            indexes: Mutex::default(),
            forward_records: Mutex::default(),
        }
    }

    pub(crate) fn records(&self, collection: u64) -> Result<Arc<RecordTable>> {
        self.kept(&self.records, collection, records_name)
    }

    pub(crate) fn index(&self, index: u64) -> Result<Arc<IndexTable>> {
        self.kept(&self.indexes, index, index_name)
    }

    /// The table of an id among those that are open; it is opened if it is not.
    fn kept<K: redb::Key + 'static, V: Value + 'static>(
        &self,
        opened: &Opened<ReadOnlyTable<K, V>>,
        id: u64,
        name: fn(u64) -> String,
    ) -> Result<Arc<ReadOnlyTable<K, V>>> {
        let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = opened.get(&id) {
            return Ok(Arc::clone(table));
        }
        let name = name(id);
        let table = self.transaction.open_table(TableDefinition::new(&name)).map_err(missing)?;
        let table = Arc::new(table);
        opened.insert(id, Arc::clone(&table));
        Ok(table)
    }

    /// Looks at up to `max` sessions after `after`, and adds those to `out` that wrote for the last
    /// time at `until_ms` or earlier. Answers the last one looked at, if there are more.
    pub(crate) fn retries_until(
        &self,
        until_ms: i64,
        after: Option<&[u8]>,
        max: usize,
        out: &mut Vec<Vec<u8>>,
    ) -> Result<Option<Vec<u8>>> {
        let table = match self.transaction.open_table(RETRIES) {
            // Made by the first retryable write.
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            other => other?,
        };
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut last, mut count) = (None, 0);
        for row in table.range::<&[u8]>((lower, Bound::Unbounded))? {
            if count == max {
                return Ok(last);
            }
            let (session, row) = row?;
            if row.value().1 <= until_ms {
                out.push(session.value().to_vec());
            }
            count += 1;
            if count == max {
                last = Some(session.value().to_vec());
            }
        }
        Ok(None)
    }

    /// The bytes of all documents of a collection.
    pub(crate) fn data_bytes(&self, collection: u64) -> Result<u64> {
        let table = self.transaction.open_table(SIZES)?;
        Ok(table.get(collection)?.map_or(0, |bytes| bytes.value()))
    }
}

/// The catalog names a table that is not there.
pub(crate) fn missing(error: TableError) -> StoreError {
    match error {
        TableError::TableDoesNotExist(name) => {
            StoreError::damaged(format_args!("table {name} is missing"))
        }
        other => other.into(),
    }
}

/// One collection as it was committed last.
pub(crate) struct CommittedView {
    snapshot: Arc<Snapshot>,
    collection: u64,
    records: Arc<RecordTable>,
}

impl CommittedView {
    pub(crate) fn new(snapshot: Arc<Snapshot>, collection: u64) -> Result<Self> {
        let records = snapshot.tables().records(collection)?;
        Ok(Self { snapshot, collection, records })
    }

    /// Shows the records after `after` in the given direction, as they lie in the storage, until
    /// `see` says to stop. Answers whether all were shown and none made it stop.
    pub(crate) fn visit(
        &self,
        after: Option<u64>,
        descending: bool,
        see: impl FnMut(u64, &RawDocument) -> Result<bool>,
    ) -> Result<bool> {
        if descending {
            return show_rows(rows_before(&*self.records, after)?.rev(), see);
        }
        let tables = self.snapshot.tables();
        let table = tables.kept(&tables.forward_records, self.collection, records_name)?;
        show_rows(rows_after(&*table, after)?, see)
    }

    /// Shows the entries of an index within `range` in the given direction, as they lie in the
    /// storage, until `see` says to stop. Answers whether all were shown and none made it stop.
    pub(crate) fn visit_entries(
        &self,
        index: u64,
        range: &KeyRange,
        descending: bool,
        see: impl FnMut(&[u8], Entry) -> Result<bool>,
    ) -> Result<bool> {
        let table = self.snapshot.tables().index(index)?;
        match entries_in(&*table, range)? {
            None => Ok(true),
            Some(rows) if descending => show_entries(rows.rev(), see),
            Some(rows) => show_entries(rows, see),
        }
    }

    /// Looks up records one after the other.
    pub(crate) fn look_ups(&self) -> LookUps<'_> {
        LookUps { table: &self.records, last: 0, rows: None }
    }
}

/// Look-ups of records. Index entries often lead to records that lie beside each other, as documents
/// with ascending values do; the next one of those need not be looked for from the root.
pub(crate) struct LookUps<'v> {
    table: &'v RecordTable,
    /// The record that was shown last.
    last: u64,
    /// The records after that one, if it was the neighbour of the one before.
    rows: Option<Range<'static, u64, &'static [u8]>>,
}

impl LookUps<'_> {
    /// Shows one record as it lies in the storage, if it is there.
    pub(crate) fn show<R>(
        &mut self,
        id: u64,
        see: impl FnOnce(&RawDocument) -> Result<R>,
    ) -> Result<Option<R>> {
        let is_neighbour = id == self.last + 1;
        self.last = id;
        if !is_neighbour {
            self.rows = None;
            let found = self.table.get(id)?;
            return found.map(|guard| see(stored_document(guard.value())?)).transpose();
        }
        let rows = match &mut self.rows {
            Some(rows) => rows,
            None => self.rows.insert(self.table.range::<u64>(id..)?),
        };
        match rows.next().transpose()? {
            Some((found, document)) if found.value() == id => {
                see(stored_document(document.value())?).map(Some)
            }
            // There is none, and the rows are further on.
            _ => {
                self.rows = None;
                Ok(None)
            }
        }
    }
}

impl View for CommittedView {
    fn record(&self, id: u64) -> Result<Option<RawDocumentBuf>> {
        read_record(&*self.records, id)
    }

    fn records(
        &self,
        after: Option<u64>,
        descending: bool,
        max: usize,
        out: &mut Vec<(u64, RawDocumentBuf)>,
    ) -> Result<()> {
        read_records(&*self.records, after, descending, max, out)
    }

    fn entries(
        &self,
        index: u64,
        range: &KeyRange,
        descending: bool,
        max: usize,
        out: &mut Vec<(Vec<u8>, Entry)>,
    ) -> Result<()> {
        read_entries(&*self.snapshot.tables().index(index)?, range, descending, max, out)
    }

    fn entry(&self, index: u64, key: &[u8]) -> Result<Option<Entry>> {
        let found = self.snapshot.tables().index(index)?.get(key)?;
        Ok(found.map(|entry| Entry::unpack(entry.value())))
    }

    fn record_count(&self) -> Result<u64> {
        Ok(self.records.len()?)
    }
}
