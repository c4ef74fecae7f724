//! `fieldveil store`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{path::Path, process::Output};

use bson::rawdoc;
use common::{Served, fieldveil};
use fieldveil_store::{FindOptions, Namespace, Store, StoreOptions, WriteOptions};

fn store(arguments: &[&str], data: &Path) -> Output {
    fieldveil().arg("store").args(arguments).arg("--data-dir").arg(data).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn people() -> Namespace {
    Namespace::new("app", "people").unwrap()
}

fn filled(data: &Path) {
    let store = Store::open(data, StoreOptions::default()).unwrap();
    let documents = (0..300).map(|n| rawdoc! { "_id": n, "name": "x".repeat(200) }).collect();
    let outcome = store.insert(&people(), documents, &WriteOptions::default()).unwrap();
    assert_eq!(outcome.inserted, 300);
}

#[test]
fn data_are_checked_dumped_restored_and_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let (data, dump) = (dir.path().join("data"), dir.path().join("dump"));
    filled(&data);
    let checked = store(&["check"], &data);
    assert!(checked.status.success() && text(&checked.stdout).contains("agree"));

    let out = dump.to_str().unwrap();
    let dumped = store(&["dump", out], &data);
    assert!(text(&dumped.stdout).starts_with("300 documents in 1 collections"));
    assert!(
        dump.join("app/people.bson").exists() && dump.join("app/people.metadata.json").exists()
    );

    let copy = dir.path().join("copy");
    assert!(store(&["restore", out], &copy).status.success());
    let again = store(&["restore", out], &copy);
    assert_eq!(again.status.code(), Some(1), "the documents are there already");
    assert!(store(&["restore", out, "--drop"], &copy).status.success());
    let opened = Store::open(&copy, StoreOptions::default()).unwrap();
    assert_eq!(opened.find(&people(), FindOptions::default()).unwrap().count(), 300);
    drop(opened);

    let compacted = store(&["compact"], &copy);
    assert!(compacted.status.success() && text(&compacted.stdout).contains("bytes before"));
    assert!(store(&["check"], &copy).status.success());
}

#[test]
fn a_mistyped_directory_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("daat");
    for arguments in [&["check"][..], &["compact"], &["dump", "out"]] {
        let output = store(arguments, &data);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("no data directory"), "{arguments:?}");
        assert!(!data.exists());
    }
}

#[test]
fn a_directory_with_a_server_on_it_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _served = Served::new(&data);
    for arguments in [&["check"][..], &["compact"], &["dump", "out"]] {
        let output = store(arguments, &data);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("in use by another process"), "{arguments:?}");
    }
}

#[test]
fn damaged_data_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let file = dir.path().join("data.redb");
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length / 2).unwrap();
    let checked = store(&["check"], dir.path());
    assert_eq!(checked.status.code(), Some(1));
    assert!(text(&checked.stderr).contains("is damaged"), "{}", text(&checked.stderr));
}

#[test]
fn a_shell_gets_a_script() {
    let output = fieldveil().args(["completions", "bash"]).output().unwrap();
    assert!(output.status.success() && text(&output.stdout).contains("_fieldveil()"));
}
