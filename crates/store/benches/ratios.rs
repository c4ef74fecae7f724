//! The store's speed as ratios within one run, which say more than times on somebody's machine.
//!
//! ```text
//! cargo bench -p fieldveil-store --bench ratios [-- NAME..]
//! ```
//!
//! Names: `insert`, `read`, `index`, `commit`; all without.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_store::{
    Cursor, FindOptions, Interrupt, Namespace, Store, StoreOptions, Take, UpdateStatement,
    WriteOptions,
};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

const DOCUMENTS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("documents");

/// How often a measurement is repeated; the best counts.
const ROUNDS: usize = 5;

fn main() {
    let names: Vec<String> =
        std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let benches: [(&str, fn()); 4] =
        [("read", read), ("index", index), ("insert", insert), ("commit", commit)];
    for (name, bench) in benches {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            bench();
        }
    }
}

fn things() -> Namespace {
    Namespace::new("bench", "things").unwrap()
}

fn document(number: i32) -> RawDocumentBuf {
    rawdoc! {"_id": number, "name": format!("person {number:07}"), "n": number / 10, "f": true}
}

fn filled(store: &Store, count: i32) {
    let specs = [rawdoc! {"key": {"n": 1}, "name": "n_1"}];
    store.create_indexes(&things(), &specs, &Interrupt::never()).unwrap();
    for batch in 0..=count / 10_000 {
        let numbers = batch * 10_000..count.min((batch + 1) * 10_000);
        let documents: Vec<_> = numbers.map(document).collect();
        if documents.is_empty() {
            break;
        }
        let outcome = store.insert(&things(), documents, &WriteOptions::default()).unwrap();
        assert!(outcome.errors.is_empty());
    }
}

/// The shortest of several runs.
fn best(mut run: impl FnMut()) -> Duration {
    let times = (0..ROUNDS).map(|_| {
        let begun = Instant::now();
        run();
        begun.elapsed()
    });
    times.min().unwrap()
}

/// Takes all documents as a server does that puts them into a reply.
fn consumed(mut cursor: Cursor) -> usize {
    let (mut count, mut reply) = (0, Vec::with_capacity(1 << 20));
    let is_over = cursor.each(|document| {
        reply.extend_from_slice(document.as_bytes());
        count += 1;
        Take::More
    });
    assert!(is_over.unwrap());
    black_box(reply);
    count
}

fn rate(count: f64, time: Duration) -> f64 {
    count / time.as_secs_f64()
}

/// A find of 100 000 small documents against reading them from redb.
fn read() {
    const COUNT: i32 = 100_000;
    let directory = tempfile::tempdir().unwrap();
    let database = Database::create(directory.path().join("plain.redb")).unwrap();
    let writing = database.begin_write().unwrap();
    {
        let mut table = writing.open_table(DOCUMENTS).unwrap();
        for number in 0..COUNT {
            let id = u64::try_from(number).unwrap();
            table.insert(id, document(number).as_bytes()).unwrap();
        }
    }
    writing.commit().unwrap();
    let plain = best(|| {
        let table = database.begin_read().unwrap().open_table(DOCUMENTS).unwrap();
        let mut count = 0;
        for row in table.iter().unwrap() {
            black_box(row.unwrap().1.value().to_vec());
            count += 1;
        }
        assert_eq!(count, COUNT);
    });
    let store = Store::open(directory.path().join("store"), StoreOptions::default()).unwrap();
    filled(&store, COUNT);
    let find = |filter: RawDocumentBuf| {
        best(|| {
            let options = FindOptions { filter: Some(filter.clone()), ..FindOptions::default() };
            let found = store.find(&things(), options).unwrap();
            assert_eq!(consumed(found), 100_000);
        })
    };
    let (all, filtered, indexed) =
        (find(rawdoc! {}), find(rawdoc! {"f": true}), find(rawdoc! {"n": {"$gte": 0}}));
    let count = f64::from(COUNT);
    println!("read: redb {:.0}/s", rate(count, plain));
    for (name, time) in [("find all", all), ("find by scan", filtered), ("find by index", indexed)]
    {
        let ratio = plain.as_secs_f64() / time.as_secs_f64();
        println!("read: {name} {:.0}/s, {ratio:.2} of redb", rate(count, time));
    }
}

/// An indexed query on 1 000 000 documents against one on 1 000.
fn index() {
    let times = [1_000, 1_000_000].map(|count| {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
        filled(&store, count);
        let query = |filter: &dyn Fn(i32) -> RawDocumentBuf, wanted: usize| {
            const QUERIES: i32 = 5_000;
            let time = best(|| {
                for number in 0..QUERIES {
                    // All over the collection.
                    let number = number.wrapping_mul(48_271).rem_euclid(count);
                    let filter = Some(filter(number));
                    let options = FindOptions { filter, ..FindOptions::default() };
                    let found = store.find(&things(), options).unwrap();
                    assert_eq!(consumed(found), wanted);
                }
            });
            time / u32::try_from(QUERIES).unwrap()
        };
        [
            query(&|number| rawdoc! {"_id": number}, 1),
            query(&|number| rawdoc! {"n": number / 10}, 10),
        ]
    });
    for (name, column) in [("by _id", 0), ("by an index", 1)] {
        let (small, large) = (times[0][column], times[1][column]);
        let ratio = large.as_secs_f64() / small.as_secs_f64();
        println!("index: {name} {small:?} of 1 000, {large:?} of 1 000 000, {ratio:.2} times");
    }
}

/// Durable single inserts from 64 threads against one.
fn insert() {
    let rate_of = |threads: i32| {
        const TIME: Duration = Duration::from_secs(3);
        let directory = tempfile::tempdir_in(".").unwrap();
        let store = Store::open(directory.path(), StoreOptions::default()).unwrap();
        filled(&store, 1);
        let begun = Instant::now();
        let counts: Vec<i32> = std::thread::scope(|scope| {
            let workers: Vec<_> = (1..=threads)
                .map(|thread| {
                    let store = &store;
                    scope.spawn(move || {
                        let mut count = 0;
                        while begun.elapsed() < TIME {
                            let document = document(thread * 1_000_000 + count);
                            let options = WriteOptions::default();
                            store.insert(&things(), vec![document], &options).unwrap();
                            count += 1;
                        }
                        count
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        rate(f64::from(counts.into_iter().sum::<i32>()), begun.elapsed())
    };
    let (one, many) = (rate_of(1), rate_of(64));
    println!("insert: {one:.0}/s by one thread, {many:.0}/s by 64, {:.1} times", many / one);
}

/// What a commit costs besides the flush, in memory.
fn commit() {
    let store = Store::in_memory().unwrap();
    filled(&store, 10_000);
    let time = best(|| {
        for number in 0..1_000 {
            let update = UpdateStatement::one(rawdoc! {"_id": number}, rawdoc! {"$inc": {"n": 1}});
            store.update(&things(), vec![update], &WriteOptions::default()).unwrap();
        }
    });
    println!("commit: {:.0} updates/s in memory", rate(1_000.0, time));
}
