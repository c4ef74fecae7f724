//! Running a plan: records one after the other, from a position that can be kept.

use std::collections::{HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bson::raw::{RawDocument, RawDocumentBuf};

use super::{Access, Cover, IndexScan};
use crate::cursor::Take;
use crate::entry::Entry;
use crate::error::{Result, StoreError};
use crate::tables::{CommittedView, KeyRange, LookUps, View};

/// How many rows the first look ahead takes; it doubles up to the maximum.
const AHEAD_MIN: usize = 4;
const AHEAD_MAX: usize = 256;

/// What a run has looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    pub(crate) keys_examined: u64,
    pub(crate) documents_examined: u64,
}

/// A plan in the middle of its run. It holds no borrow; each step is given the view to read.
#[derive(Debug)]
pub(crate) struct Execution {
    state: State,
    ahead: usize,
    /// An entry of an index whose document was refused; it comes first.
    refused: Option<Row>,
    /// How documents are made of keys, if they are.
    cover: Option<Arc<Cover>>,
    /// What a document made of a key is written into.
    buffer: Vec<u8>,
    statistics: Statistics,
}

/// Takes a record's document, or refuses it.
type TakeDocument<'t> = dyn FnMut(u64, &RawDocument) -> Result<Take> + 't;

/// A key and where it leads.
type Row = (Vec<u8>, Entry);

#[derive(Debug)]
enum State {
    Done,
    Id {
        index: u64,
        key: Vec<u8>,
    },
    Collection {
        descending: bool,
        position: Option<u64>,
        rows: VecDeque<(u64, RawDocumentBuf)>,
        is_last: bool,
    },
    Indexes {
        scans: VecDeque<Ranges>,
        /// Records that came already, where one can come twice.
        seen: Option<HashSet<u64>>,
        rows: VecDeque<Row>,
    },
}

/// What is left of an index scan.
#[derive(Debug)]
struct Ranges {
    index: u64,
    descending: bool,
    ranges: VecDeque<KeyRange>,
}

impl Execution {
    pub(crate) fn new(access: &Access) -> Self {
        let state = match access {
            Access::Nothing => State::Done,
            Access::Id { index, key } => State::Id { index: index.id, key: key.clone() },
            Access::Collection { descending } => State::Collection {
                descending: *descending,
                position: None,
                rows: VecDeque::new(),
                is_last: false,
            },
            Access::Index(scan) => State::Indexes {
                seen: scan.index.multikey.contains(&true).then(HashSet::new),
                scans: VecDeque::from([Ranges::new(scan)]),
                rows: VecDeque::new(),
            },
            Access::Union(scans) => State::Indexes {
                seen: Some(HashSet::new()),
                scans: scans.iter().map(Ranges::new).collect(),
                rows: VecDeque::new(),
            },
        };
        let cover = match access {
            Access::Index(scan) => scan.cover.clone(),
            _ => None,
        };
        Self { cover, ..Self::begin(state) }
    }

    fn begin(state: State) -> Self {
        Self {
            state,
            ahead: AHEAD_MIN,
            refused: None,
            cover: None,
            buffer: Vec::new(),
            statistics: Statistics::default(),
        }
    }

    /// All records after one, in the order of insertion.
    pub(crate) fn records_after(position: Option<u64>) -> Self {
        let state = State::Collection {
            descending: false,
            position,
            rows: VecDeque::new(),
            is_last: false,
        };
        Self::begin(state)
    }

    pub(crate) fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Shows one record after the other, as it lies in the storage, until one is refused or the last
    /// for now. Answers whether there are no more.
    pub(crate) fn each(
        &mut self,
        view: &CommittedView,
        mut take: impl FnMut(u64, &RawDocument) -> Result<Take>,
    ) -> Result<bool> {
        if !self.each_row_ahead(&mut take)? {
            return Ok(false);
        }
        let State::Collection { descending, position, is_last, .. } = &mut self.state else {
            return self.each_entry(view, &mut take);
        };
        if !*is_last {
            let examined = &mut self.statistics.documents_examined;
            *is_last = view.visit(*position, *descending, |record, document| {
                let taken = take(record, document)?;
                if taken != Take::Not {
                    *position = Some(record);
                    *examined += 1;
                }
                Ok(taken == Take::More)
            })?;
        }
        Ok(*is_last)
    }

    /// As [`Self::each`], for records that were read for [`Self::next`]; says whether all were taken
    /// and more are wanted.
    fn each_row_ahead(&mut self, take: &mut TakeDocument<'_>) -> Result<bool> {
        let State::Collection { rows, .. } = &mut self.state else { return Ok(true) };
        while let Some((record, document)) = rows.front() {
            let taken = take(*record, document)?;
            if taken != Take::Not {
                self.statistics.documents_examined += 1;
                rows.pop_front();
            }
            if taken != Take::More {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// As [`Self::each`], for documents that an index leads to. Like the one before not generic, so
    /// that the loop over all records stays the only one that `take` is built into.
    fn each_entry(&mut self, view: &CommittedView, take: &mut TakeDocument<'_>) -> Result<bool> {
        let mut look_ups = view.look_ups();
        // Entries that were read for [`Self::next`] come first.
        while let Some(row) = self.entry_ahead(view)? {
            let taken = self.show_entry(&row.0, row.1, &mut look_ups, take)?;
            if taken == Take::Not {
                self.refused = Some(row);
            }
            if taken != Take::More {
                return Ok(false);
            }
        }
        while let Some((index, descending, range)) = self.take_range() {
            let mut rest = None;
            view.visit_entries(index, &range, descending, |key, entry| {
                if self.has_seen(entry.record) {
                    self.statistics.keys_examined += 1;
                    return Ok(true);
                }
                let taken = self.show_entry(key, entry, &mut look_ups, take)?;
                if taken != Take::Not {
                    self.statistics.keys_examined += 1;
                    self.note_seen(entry.record);
                }
                if taken != Take::More {
                    rest = Some(range.rest(key, taken == Take::Not, descending));
                }
                Ok(taken == Take::More)
            })?;
            if let Some(rest) = rest {
                self.put_back(rest);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Shows the document of an entry: what its key gives, or the record.
    fn show_entry(
        &mut self,
        key: &[u8],
        entry: Entry,
        look_ups: &mut LookUps<'_>,
        take: &mut TakeDocument<'_>,
    ) -> Result<Take> {
        let record = entry.record;
        if let Some(document) = self.covered(key, entry) {
            return take(record, document);
        }
        let taken = look_ups.show(record, |document| take(record, document))?;
        let taken = taken.ok_or_else(|| dangling(record))?;
        self.statistics.documents_examined += u64::from(taken != Take::Not);
        Ok(taken)
    }

    /// Takes the range that is to be read next.
    fn take_range(&mut self) -> Option<(u64, bool, KeyRange)> {
        let State::Indexes { scans, .. } = &mut self.state else { return None };
        loop {
            let scan = scans.front_mut()?;
            if let Some(range) = scan.ranges.pop_front() {
                return Some((scan.index, scan.descending, range));
            }
            scans.pop_front();
        }
    }

    /// Leaves what is left of the range that was taken.
    fn put_back(&mut self, rest: KeyRange) {
        if let State::Indexes { scans, .. } = &mut self.state
            && let Some(scan) = scans.front_mut()
        {
            scan.ranges.push_front(rest);
        }
    }

    /// Whether a record came already that may come twice.
    fn has_seen(&self, record: u64) -> bool {
        matches!(&self.state, State::Indexes { seen: Some(seen), .. } if seen.contains(&record))
    }

    fn note_seen(&mut self, record: u64) {
        if let State::Indexes { seen: Some(seen), .. } = &mut self.state {
            seen.insert(record);
        }
    }

    /// The document of a key, if it needs no other.
    fn covered(&mut self, key: &[u8], entry: Entry) -> Option<&RawDocument> {
        self.cover.as_ref()?.document(key, entry, &mut self.buffer)
    }

    /// The next entry that is there without reading a range: that of an `_id`, or one that was read
    /// ahead.
    fn entry_ahead(&mut self, view: &dyn View) -> Result<Option<Row>> {
        match &mut self.state {
            State::Indexes { rows, seen, .. } if self.refused.is_none() => {
                let mut is_new =
                    |row: &Row| seen.as_mut().is_none_or(|seen| seen.insert(row.1.record));
                Ok(std::iter::from_fn(|| rows.pop_front()).find(|row| is_new(row)))
            }
            _ => self.next_entry(view),
        }
    }

    /// The next record.
    pub(crate) fn next(&mut self, view: &dyn View) -> Result<Option<(u64, RawDocumentBuf)>> {
        if let State::Collection { .. } = self.state {
            return self.next_row(view);
        }
        let Some(row) = self.next_entry(view)? else { return Ok(None) };
        let record = row.1.record;
        if let Some(document) = self.covered(&row.0, row.1) {
            return Ok(Some((record, document.to_owned())));
        }
        self.statistics.documents_examined += 1;
        match view.record(record)? {
            Some(document) => Ok(Some((record, document))),
            None => Err(dangling(record)),
        }
    }

    /// The next entry of an index.
    fn next_entry(&mut self, view: &dyn View) -> Result<Option<Row>> {
        if let Some(refused) = self.refused.take() {
            return Ok(Some(refused));
        }
        match &mut self.state {
            State::Done | State::Collection { .. } => Ok(None),
            State::Id { index, key } => {
                self.statistics.keys_examined += 1;
                let entry = view.entry(*index, key)?;
                self.state = State::Done;
                Ok(entry.map(|entry| (Vec::new(), entry)))
            }
            State::Indexes { .. } => self.next_in_range(view),
        }
    }

    fn next_row(&mut self, view: &dyn View) -> Result<Option<(u64, RawDocumentBuf)>> {
        let State::Collection { descending, position, rows, is_last } = &mut self.state else {
            return Ok(None);
        };
        if rows.is_empty() && !*is_last {
            let mut chunk = Vec::new();
            view.records(*position, *descending, self.ahead, &mut chunk)?;
            self.ahead = (self.ahead * 2).min(AHEAD_MAX);
            *is_last = chunk.is_empty();
            *position = chunk.last().map(|(id, _)| *id).or(*position);
            rows.extend(chunk);
        }
        let row = rows.pop_front();
        self.statistics.documents_examined += u64::from(row.is_some());
        Ok(row)
    }

    fn next_in_range(&mut self, view: &dyn View) -> Result<Option<Row>> {
        let State::Indexes { scans, seen, rows } = &mut self.state else { return Ok(None) };
        loop {
            while let Some(row) = rows.pop_front() {
                if seen.as_mut().is_none_or(|seen| seen.insert(row.1.record)) {
                    return Ok(Some(row));
                }
            }
            let Some(scan) = scans.front_mut() else { return Ok(None) };
            let Some(range) = scan.current() else {
                scans.pop_front();
                continue;
            };
            let mut chunk = Vec::new();
            view.entries(scan.index, range, scan.descending, self.ahead, &mut chunk)?;
            self.statistics.keys_examined += u64::try_from(chunk.len()).unwrap_or(0);
            let is_whole = chunk.len() < self.ahead;
            scan.advance(is_whole, chunk.last().map(|(key, _)| key.clone()));
            *rows = chunk.into();
            self.ahead = (self.ahead * 2).min(AHEAD_MAX);
        }
    }
}

fn dangling(record: u64) -> StoreError {
    StoreError::damaged(format_args!("an index leads to record {record}, which is not there"))
}

impl KeyRange {
    /// What is left after a key, or from it on.
    fn rest(&self, key: &[u8], with_key: bool, descending: bool) -> Self {
        let key = key.to_vec();
        let bound = if with_key { Bound::Included(key) } else { Bound::Excluded(key) };
        match descending {
            false => Self { lower: bound, upper: self.upper.clone() },
            true => Self { lower: self.lower.clone(), upper: bound },
        }
    }
}

impl Ranges {
    fn new(scan: &IndexScan) -> Self {
        let ranges = match scan.descending {
            false => scan.ranges.iter().cloned().collect(),
            true => scan.ranges.iter().rev().cloned().collect(),
        };
        Self { index: scan.index.id, descending: scan.descending, ranges }
    }

    fn current(&self) -> Option<&KeyRange> {
        self.ranges.front()
    }

    /// Goes on after `last`, or with the next range if this one is read.
    fn advance(&mut self, is_whole: bool, last: Option<Vec<u8>>) {
        match (last, self.ranges.front_mut()) {
            (Some(last), Some(range)) if !is_whole => match self.descending {
                false => range.lower = Bound::Excluded(last),
                true => range.upper = Bound::Excluded(last),
            },
            _ => {
                self.ranges.pop_front();
            }
        }
    }
}
