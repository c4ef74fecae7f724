//! Operations on a small store, one for each field of a document: none panics, indexes agree with
//! the documents afterwards, and with and without an index the same is found.
#![no_main]

use bson::{RawArray, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};
use fieldveil_store::{
    AggregateOptions, Change, DeleteStatement, DistinctOptions, FindAndModify, FindOptions,
    Interrupt, Namespace, Store, StoreOptions, UpdateStatement, WriteOptions,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(operations) = RawDocument::from_bytes(bytes) else { return };
    if fieldveil_query::document::validate(operations, 100).is_err() {
        return;
    }
    let store = prepared();
    for operation in operations.iter().take(20) {
        let Ok((name, argument)) = operation else { return };
        run(&store, name.as_str(), argument);
    }
    let faults = store.check(&Interrupt::never()).expect("memory can be read");
    assert!(faults.is_empty(), "{faults:?}");
});

fn things() -> Namespace {
    Namespace::new("app", "things").expect("a name")
}

fn prepared() -> Store {
    let options = StoreOptions { cache_bytes: 1 << 20, ..StoreOptions::default() };
    let store = Store::in_memory_with(options).expect("memory is there");
    let indexes = [
        rawdoc! { "key": { "a": 1 }, "name": "a" },
        rawdoc! { "key": { "b": -1, "c.d": 1 }, "name": "b" },
    ];
    store.create_indexes(&things(), &indexes, &Interrupt::never()).expect("indexes");
    let documents = vec![
        rawdoc! { "_id": 1, "a": 1, "b": "x", "c": { "d": [1, 2] } },
        rawdoc! { "_id": 2, "a": [1, 2.5, "x"], "b": null },
        rawdoc! { "_id": 3, "c": [{ "d": 1 }, { "d": { "e": 2 } }] },
    ];
    store.insert(&things(), documents, &WriteOptions::default()).expect("documents");
    store
}

fn run(store: &Store, name: &str, argument: RawBsonRef<'_>) {
    let options = WriteOptions::default();
    match (name, argument) {
        ("insert", RawBsonRef::Document(document)) => {
            let _ = store.insert(&things(), vec![document.to_owned()], &options);
        }
        ("find", RawBsonRef::Document(find)) => compare(store, find),
        ("update", RawBsonRef::Document(update)) => {
            let Some((filter, change)) = statement(update) else { return };
            let mut statement = UpdateStatement::many(filter, change);
            statement.upsert = update.get_bool("upsert").unwrap_or(false);
            statement.multi = update.get_bool("multi").unwrap_or(true);
            let _ = store.update(&things(), vec![statement], &options);
        }
        ("delete", RawBsonRef::Document(filter)) => {
            let filter = filter.to_owned();
            let statement = DeleteStatement { filter, only_one: true, hint: None, collation: None };
            let _ = store.delete(&things(), vec![statement], &options);
        }
        ("findAndModify", RawBsonRef::Document(command)) => {
            let Some((filter, update)) = statement(command) else { return };
            let change = Change::Update {
                update,
                upsert: true,
                return_new: true,
                array_filters: Vec::new(),
            };
            let command = FindAndModify {
                filter,
                sort: part(command, "sort"),
                change,
                projection: part(command, "fields"),
                hint: None,
                collation: None,
            };
            let _ = store.find_and_modify(&things(), command, &options);
        }
        ("aggregate", RawBsonRef::Array(pipeline)) => aggregate(store, pipeline),
        ("distinct", RawBsonRef::String(path)) => {
            let _ = store.distinct(&things(), path, DistinctOptions::default());
        }
        ("index", RawBsonRef::Document(spec)) => {
            let _ = store.create_indexes(&things(), &[spec.to_owned()], &Interrupt::never());
        }
        _ => {}
    }
}

fn part(document: &RawDocument, name: &str) -> Option<RawDocumentBuf> {
    document.get_document(name).ok().map(ToOwned::to_owned)
}

/// `q` and `u`.
fn statement(document: &RawDocument) -> Option<(RawDocumentBuf, RawBson)> {
    Some((part(document, "q")?, document.get("u").ok()??.into()))
}

fn aggregate(store: &Store, pipeline: &RawArray) {
    let options = AggregateOptions::default();
    if let Ok(cursor) = store.aggregate("app", Some("things"), pipeline, options) {
        cursor.take(1000).take_while(Result::is_ok).for_each(drop);
    }
}

/// Reads by the plan that is chosen, and without indexes.
fn compare(store: &Store, find: &RawDocument) {
    let read = |hint: Option<RawBson>| {
        let options = FindOptions {
            filter: part(find, "filter"),
            sort: part(find, "sort"),
            projection: part(find, "projection"),
            collation: part(find, "collation"),
            hint,
            ..FindOptions::default()
        };
        let cursor = store.find(&things(), options).ok()?;
        let mut found: Vec<Vec<u8>> = Vec::new();
        for document in cursor {
            found.push(document.ok()?.as_bytes().to_vec());
        }
        found.sort();
        Some(found)
    };
    let natural = RawBson::Document(rawdoc! { "$natural": 1 });
    if let (Some(chosen), Some(all)) = (read(None), read(Some(natural))) {
        assert_eq!(chosen, all);
    }
}
