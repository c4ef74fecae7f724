//! A data file with damaged bytes: it is refused when it is opened, or everything in it is there.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::{Once, OnceLock};

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_store::{
    FindOptions, Interrupt, Namespace, OpenError, Store, StoreOptions, WriteOptions,
};
use libfuzzer_sys::fuzz_target;

/// Damage is counted in bytes of the blocks that hold something.
const BLOCK: usize = 64;

fuzz_target!(|data: (Vec<(u16, u8)>, Option<u16>)| {
    let (damage, cut) = data;
    allow_caught_panics();
    let sample = sample();
    let mut bytes = sample.bytes.clone();
    for (place, change) in damage.iter().take(16) {
        let place = usize::from(*place);
        let block = sample.used[place / BLOCK % sample.used.len()];
        bytes[block * BLOCK + place % BLOCK] ^= change;
    }
    if let Some(cut) = cut {
        bytes.truncate(sample.used[usize::from(cut) % sample.used.len()] * BLOCK);
    }
    std::fs::write(sample.directory.join("data.redb"), bytes).expect("a file can be written");
    let result = std::panic::catch_unwind(|| look(&sample.directory, &sample.documents));
    if result.is_err() {
        std::process::abort();
    }
});

fn look(directory: &Path, expected: &[RawDocumentBuf]) {
    match Store::open(directory, StoreOptions::default()) {
        Err(OpenError::Damaged { .. } | OpenError::NewerFormat { .. }) => {}
        Err(error) => panic!("{error}"),
        Ok(store) => {
            let found = all(&store);
            // An empty file is a new one.
            assert!(found == expected || found.is_empty(), "{found:?}");
            assert!(store.check(&Interrupt::never()).expect("it can be read").is_empty());
        }
    }
}

/// A sound data file.
struct Sample {
    directory: PathBuf,
    bytes: Vec<u8>,
    used: Vec<usize>,
    documents: Vec<RawDocumentBuf>,
}

fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let name = format!("fieldveil-fuzz-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&directory);
        let store = Store::open(&directory, StoreOptions::default()).expect("a new store");
        let index = rawdoc! { "key": { "a": 1 }, "name": "a" };
        store.create_indexes(&things(), &[index], &Interrupt::never()).expect("an index");
        for id in 0..20 {
            let document = rawdoc! { "_id": id, "a": [id, -id], "text": "x".repeat(100) };
            store.insert(&things(), vec![document], &WriteOptions::default()).expect("a document");
        }
        let documents = all(&store);
        drop(store);
        let bytes = std::fs::read(directory.join("data.redb")).expect("the data");
        let used = (0..bytes.len() / BLOCK)
            .filter(|block| bytes[block * BLOCK..][..BLOCK].iter().any(|byte| *byte != 0))
            .collect();
        Sample { directory, bytes, used, documents }
    })
}

fn things() -> Namespace {
    Namespace::new("app", "things").expect("a name")
}

fn all(store: &Store) -> Vec<RawDocumentBuf> {
    let cursor = store.find(&things(), FindOptions::default()).expect("a cursor");
    cursor.map(|document| document.expect("a document")).collect()
}

/// The store catches panics of the storage engine; libFuzzer would end at each.
fn allow_caught_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
}
