//! Tailable cursors: a capped collection, read on and on as documents are added.

use std::borrow::Cow;

use bson::raw::RawDocumentBuf;

use crate::code::Code;
use crate::environment::Interrupt;
use crate::error::{Result, StoreError};
use crate::find::FindOptions;
use crate::namespace::Namespace;
use crate::plan::Execution;
use crate::read::Read;
use crate::store::Store;
use crate::tables::{CommittedView, View};

/// The documents of a capped collection in the order of insertion, those to come included.
///
/// When [`Tail::next`] has nothing, it may have something later: each call looks at the newest
/// committed state. See [`Store::tail`].
pub struct Tail {
    store: Store,
    namespace: Namespace,
    /// Names the collection's table: a collection of the same name that is made later is another.
    collection: u64,
    read: Read,
    /// How many documents are still to be left out.
    skip: usize,
    /// The last record looked at.
    position: Option<u64>,
    scan: Option<(CommittedView, Execution)>,
    is_over: bool,
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Store {
    /// Starts a tailable `find`. `limit` and `hint` are not looked at, `sort` may only be natural.
    ///
    /// # Errors
    /// As [`Store::find`]; `BadValue` for a collection that is not capped, and for a sort.
    pub fn tail(&self, namespace: &Namespace, mut options: FindOptions) -> Result<Tail> {
        let snapshot = self.snapshot();
        snapshot.inherit_collation(namespace, &mut options.collation);
        let read = Read::compile(self, options)?;
        if read.sort.as_ref().is_some_and(|sort| sort.natural() != Some(1)) {
            return Err(StoreError::bad_value(
                "cannot use tailable option with a sort other than {$natural: 1}",
            ));
        }
        let found = snapshot.collection(namespace);
        let data = found.and_then(|found| found.data());
        if found.is_some() && data.is_none_or(|data| data.capped.is_none()) {
            return Err(StoreError::bad_value(format!(
                "error processing query: ns={namespace}: tailable cursor requested on non capped \
                 collection"
            )));
        }
        Ok(Tail {
            store: self.clone(),
            namespace: namespace.clone(),
            collection: data.map_or(0, |data| data.id),
            skip: read.skip,
            read,
            position: None,
            scan: None,
            is_over: data.is_none(),
        })
    }
}

impl Tail {
    /// Whether nothing can come any more: the collection is gone, or was empty when the cursor began.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Gives the rest of the results a new time limit.
    pub fn set_interrupt(&mut self, interrupt: Interrupt) {
        self.read.interrupt.set(interrupt);
    }

    fn step(&mut self) -> Result<Option<RawDocumentBuf>> {
        if self.is_over || (self.scan.is_none() && !self.resume()?) {
            return Ok(None);
        }
        while let Some((view, execution)) = &mut self.scan {
            self.read.interrupt.check()?;
            let Some((record, document)) = execution.next(view)? else {
                self.scan = None;
                // Without a position there is nothing to go on from.
                self.is_over = self.position.is_none();
                break;
            };
            self.position = Some(record);
            if !self.read.selector.matches(&document)? {
                continue;
            }
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            return self.read.project(record, Cow::Owned(document)).map(Some);
        }
        Ok(None)
    }

    /// Opens the newest state behind the position; says whether the collection is still there.
    fn resume(&mut self) -> Result<bool> {
        let snapshot = self.store.snapshot();
        let data = snapshot.collection(&self.namespace).and_then(|found| found.data());
        let Some(data) = data.filter(|data| data.id == self.collection) else {
            self.is_over = true;
            return Ok(false);
        };
        let view = snapshot.view(data)?;
        if let Some(position) = self.position
            && view.record(position)?.is_none()
        {
            return Err(StoreError::new(
                Code::CAPPED_POSITION_LOST,
                format!(
                    "CollectionScan died due to position in capped collection being deleted. Last \
                     seen record id: RecordId({position})"
                ),
            ));
        }
        self.scan = Some((view, Execution::records_after(self.position)));
        Ok(true)
    }
}

impl Iterator for Tail {
    type Item = Result<RawDocumentBuf>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;
    use crate::WriteOptions;

    fn capped() -> (Store, Namespace) {
        let store = Store::in_memory().unwrap();
        let namespace = Namespace::new("d", "c").unwrap();
        let options = rawdoc! {"capped": true, "size": 4096, "max": 3};
        store.create_collection(&namespace, &options).unwrap();
        (store, namespace)
    }

    fn add(store: &Store, namespace: &Namespace, id: i32) {
        let document = rawdoc! {"_id": id};
        store.insert(namespace, vec![document], &WriteOptions::default()).unwrap();
    }

    fn ids(tail: &mut Tail) -> Vec<i32> {
        tail.map(|it| it.unwrap().get_i32("_id").unwrap()).collect()
    }

    #[test]
    fn documents_come_as_they_are_added() {
        let (store, namespace) = capped();
        add(&store, &namespace, 1);
        let filter = Some(rawdoc! {"_id": {"$ne": 2}});
        let options = FindOptions { filter, ..FindOptions::default() };
        let mut tail = store.tail(&namespace, options).unwrap();
        assert_eq!(ids(&mut tail), [1]);
        add(&store, &namespace, 2);
        assert!(ids(&mut tail).is_empty() && !tail.is_over());
        add(&store, &namespace, 3);
        assert_eq!(ids(&mut tail), [3]);
    }

    #[test]
    fn a_lost_position_is_an_error() {
        let (store, namespace) = capped();
        add(&store, &namespace, 1);
        let mut tail = store.tail(&namespace, FindOptions::default()).unwrap();
        assert_eq!(ids(&mut tail), [1]);
        (2..6).for_each(|id| add(&store, &namespace, id));
        assert_eq!(tail.next().unwrap().unwrap_err().code(), 136);
    }

    #[test]
    fn it_ends_with_its_collection_and_needs_a_start() {
        let (store, namespace) = capped();
        let mut empty = store.tail(&namespace, FindOptions::default()).unwrap();
        assert!(empty.next().is_none() && empty.is_over());
        add(&store, &namespace, 1);
        let mut tail = store.tail(&namespace, FindOptions::default()).unwrap();
        assert_eq!(ids(&mut tail), [1]);
        store.drop_collection(&namespace).unwrap();
        store.create_collection(&namespace, &rawdoc! {"capped": true, "size": 4096}).unwrap();
        add(&store, &namespace, 2);
        assert!(tail.next().is_none() && tail.is_over());
    }

    #[test]
    fn only_capped_collections_in_their_own_order() {
        let store = Store::in_memory().unwrap();
        let namespace = Namespace::new("d", "c").unwrap();
        add(&store, &namespace, 1);
        let error = store.tail(&namespace, FindOptions::default()).unwrap_err();
        assert!(error.message().ends_with("tailable cursor requested on non capped collection"));
        let (store, namespace) = capped();
        let options = FindOptions { sort: Some(rawdoc! {"a": 1}), ..FindOptions::default() };
        assert_eq!(store.tail(&namespace, options).unwrap_err().code(), 2);
    }
}
