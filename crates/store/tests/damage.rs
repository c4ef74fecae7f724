//! A data file with damaged bytes is refused when it is opened, or everything in it is there.
//!
//! `FIELDVEIL_DAMAGE_ROUNDS` sets the number of rounds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_store::{
    FindOptions, Interrupt, Namespace, OpenError, Store, StoreOptions, WriteOptions,
};

const DATA: &str = "data.redb";
const BLOCK: usize = 256;

fn things() -> Namespace {
    Namespace::new("app", "things").unwrap()
}

fn open(directory: &Path) -> Result<Store, OpenError> {
    Store::open(directory, StoreOptions::default())
}

/// Several commits, so that the file holds states that were given up.
fn fill(directory: &Path) {
    let store = open(directory).unwrap();
    let index = rawdoc! {"key": {"a": 1}, "name": "a"};
    store.create_indexes(&things(), &[index], &Interrupt::never()).unwrap();
    for id in 0..40 {
        let document = rawdoc! {"_id": id, "a": [id, -id], "text": "x".repeat(200)};
        store.insert(&things(), vec![document], &WriteOptions::default()).unwrap();
    }
}

fn all(store: &Store) -> Vec<RawDocumentBuf> {
    store.find(&things(), FindOptions::default()).unwrap().map(Result::unwrap).collect()
}

#[test]
fn damage_is_refused_or_harmless() {
    let rounds = std::env::var("FIELDVEIL_DAMAGE_ROUNDS");
    let rounds: u64 = rounds.map_or(60, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let data = directory.path().join(DATA);
    let sound = std::fs::read(&data).unwrap();
    let expected = all(&open(directory.path()).unwrap());
    // Damage where nothing is written would find nothing out.
    let used: Vec<usize> = (0..sound.len() / BLOCK)
        .filter(|block| sound[block * BLOCK..][..BLOCK].iter().any(|byte| *byte != 0))
        .collect();
    let mut random = 1_u64;
    let mut next = |below: usize| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % below
    };
    let mut refused = 0;
    for round in 0..rounds {
        let mut bytes = sound.clone();
        let mut places = Vec::new();
        for _ in 0..=next(3) {
            // The header decides about everything else.
            let place =
                if next(4) == 0 { next(320) } else { used[next(used.len())] * BLOCK + next(BLOCK) };
            bytes[place] ^= u8::try_from(1 + next(255)).unwrap();
            places.push(place);
        }
        if next(8) == 0 {
            bytes.truncate(next(sound.len()));
        }
        std::fs::write(&data, &bytes).unwrap();
        match open(directory.path()) {
            Err(OpenError::Damaged { .. } | OpenError::NewerFormat { .. }) => refused += 1,
            Err(error) => panic!("round {round}, damage at {places:?}: {error}"),
            Ok(store) => {
                assert_eq!(all(&store), expected, "round {round}, damage at {places:?}");
                assert_eq!(store.check(&Interrupt::never()).unwrap(), [], "round {round}");
            }
        }
    }
    assert!(refused > rounds / 4, "{refused} of {rounds} were refused");
}
