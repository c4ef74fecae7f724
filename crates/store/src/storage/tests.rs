//! Every acknowledged write is there, whenever the disk fails.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bson::{RawDocumentBuf, rawdoc};

use super::faults::{self, Disk, Fault};
use crate::{
    Code, DeleteStatement, FindOptions, Interrupt, Namespace, Result, RetryKey, StatementIds,
    Store, StoreOptions, UpdateStatement, WriteOptions,
};

fn things() -> Namespace {
    Namespace::new("app", "things").unwrap()
}

/// What a run of the workload knows: for each `_id`, what may be there.
#[derive(Default)]
struct Known {
    /// Acknowledged: exactly this.
    sure: BTreeMap<i32, i32>,
    /// The write that failed, if one did: the value before is possible, and this one.
    unsure: Option<(i32, Option<i32>)>,
}

/// Inserts, updates and deletes one document after the other; stops at the first failure.
fn work(store: &Store, known: &mut Known) -> Result<()> {
    let options = WriteOptions::default();
    for id in 0..6 {
        known.unsure = Some((id, Some(1)));
        let document = rawdoc! {"_id": id, "a": 1, "text": "x".repeat(700)};
        first_error(store.insert(&things(), vec![document], &options)?.errors)?;
        known.sure.insert(id, 1);
        if id % 2 == 0 {
            known.unsure = Some((id, Some(2)));
            let update = UpdateStatement::one(rawdoc! {"_id": id}, rawdoc! {"$set": {"a": 2}});
            first_error(store.update(&things(), vec![update], &options)?.errors)?;
            known.sure.insert(id, 2);
        }
        if id % 3 == 2 {
            known.unsure = Some((id, None));
            let filter = rawdoc! {"_id": id};
            let delete = DeleteStatement { filter, only_one: true, hint: None, collation: None };
            first_error(store.delete(&things(), vec![delete], &options)?.errors)?;
            known.sure.remove(&id);
        }
        known.unsure = None;
    }
    Ok(())
}

fn first_error(errors: Vec<crate::WriteError>) -> Result<()> {
    errors.into_iter().next().map_or(Ok(()), |failed| Err(failed.error))
}

fn verify(store: &Store, known: &Known, context: &str) {
    let found: BTreeMap<i32, i32> = store
        .find(&things(), FindOptions::default())
        .unwrap()
        .map(|document| {
            let document: RawDocumentBuf = document.unwrap();
            assert_eq!(document.get_str("text").unwrap().len(), 700, "{context}");
            (document.get_i32("_id").unwrap(), document.get_i32("a").unwrap())
        })
        .collect();
    let mut with_unsure = known.sure.clone();
    match known.unsure {
        Some((id, Some(value))) => drop(with_unsure.insert(id, value)),
        Some((id, None)) => drop(with_unsure.remove(&id)),
        None => {}
    }
    assert!(found == known.sure || found == with_unsure, "{context}: {found:?} {:?}", known.sure);
    assert_eq!(store.check(&Interrupt::never()).unwrap(), [], "{context}");
}

fn prepared() -> (Arc<Mutex<Disk>>, Store) {
    let disk = Arc::default();
    let store = Store::on(faults::medium(&disk), StoreOptions::default()).unwrap();
    let index = rawdoc! {"key": {"a": 1}, "name": "a_1"};
    store.create_indexes(&things(), &[index], &Interrupt::never()).unwrap();
    (disk, store)
}

fn operations_of_a_run() -> u64 {
    let (disk, store) = prepared();
    disk.lock().unwrap().fail_at(u64::MAX, Fault::Full);
    work(&store, &mut Known::default()).unwrap();
    let operations = disk.lock().unwrap().operations();
    assert!(operations > 20);
    operations
}

#[test]
fn full_disk_is_an_error_and_the_store_goes_on() {
    for n in 1..=operations_of_a_run() {
        let (disk, store) = prepared();
        disk.lock().unwrap().fail_at(n, Fault::Full);
        let mut known = Known::default();
        let context = format!("full at {n}");
        if let Err(error) = work(&store, &mut known) {
            assert!(error.is(Code::OUT_OF_DISK_SPACE), "{context}: {error:?}");
        }
        verify(&store, &known, &context);
        // The same store takes writes again.
        let more = vec![rawdoc! {"_id": 100, "a": 1, "text": "x".repeat(700)}];
        let outcome = store.insert(&things(), more, &WriteOptions::default()).unwrap();
        assert_eq!(outcome.inserted, 1, "{context}");
        known.sure.insert(100, 1);
        if let Some((id, value)) = known.unsure {
            // Whatever became of the failed write is settled now.
            let is_there = store
                .find(
                    &things(),
                    FindOptions { filter: Some(rawdoc! {"_id": id}), ..FindOptions::default() },
                )
                .unwrap()
                .next()
                .map(|found| found.unwrap().get_i32("a").unwrap());
            assert!(is_there == value || is_there == known.sure.get(&id).copied());
        }
        verify(&store, &known, &context);
    }
}

#[test]
fn power_cut_loses_nothing_that_was_acknowledged() {
    for n in 1..=operations_of_a_run() {
        for pattern in [0_u64, u64::MAX, 0x5A5A_F00F_1234_8765] {
            let (disk, store) = prepared();
            disk.lock().unwrap().fail_at(n, Fault::PowerCut);
            let mut known = Known::default();
            let result = work(&store, &mut known);
            drop(store);
            let mut bits = pattern.rotate_left(u32::try_from(n % 64).unwrap());
            disk.lock().unwrap().restart(|| {
                bits = bits.rotate_left(1);
                bits & 1 == 1
            });
            let context = format!("power cut at {n}, pattern {pattern:x}, {result:?}");
            let store = Store::on(faults::medium(&disk), StoreOptions::default())
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            verify(&store, &known, &context);
        }
    }
}

/// The `number`th of a client's writes, which counts a document up.
fn count_up(store: &Store, number: i64) -> Result<()> {
    let mut update = UpdateStatement::one(rawdoc! {"_id": 0}, rawdoc! {"$inc": {"n": 1_i64}});
    update.upsert = true;
    let retry = RetryKey { session: [1; 32], number, statements: StatementIds::From(0) };
    let options = WriteOptions { retry: Some(retry), ..WriteOptions::default() };
    first_error(store.update(&things(), vec![update], &options)?.errors)
}

#[test]
fn a_write_that_is_repeated_after_a_power_cut_is_done_once() {
    let (disk, store) = prepared();
    disk.lock().unwrap().fail_at(u64::MAX, Fault::PowerCut);
    (1..=4).try_for_each(|number| count_up(&store, number)).unwrap();
    let operations = disk.lock().unwrap().operations();
    for n in 1..=operations {
        for keep_all in [false, true] {
            let (disk, store) = prepared();
            disk.lock().unwrap().fail_at(n, Fault::PowerCut);
            let failed = (1..=4).find(|number| count_up(&store, *number).is_err());
            drop(store);
            disk.lock().unwrap().restart(|| keep_all);
            let store = Store::on(faults::medium(&disk), StoreOptions::default()).unwrap();
            // As a driver does: what was not acknowledged is sent again.
            for number in failed.unwrap_or(5)..=4 {
                count_up(&store, number).unwrap();
            }
            let found: Vec<_> = store.find(&things(), FindOptions::default()).unwrap().collect();
            let [Ok(document)] = found.as_slice() else { panic!("{n}: {found:?}") };
            assert_eq!(document.get_i64("n").unwrap(), 4, "power cut at {n}");
        }
    }
}
