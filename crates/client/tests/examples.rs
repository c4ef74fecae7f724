//! The programs in `examples/` do what they say, against the embedded server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::{path::PathBuf, process::Stdio};

use common::Bed;
use fieldveil::LocalKey;

/// The built example; cargo puts it beside the tests' own folder.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().unwrap().parent().unwrap();
    built.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

/// Runs an example with the address of a new server and a new master key.
async fn run(name: &str) -> String {
    let bed = Bed::new().await;
    bed.plain.database("encryption").drop().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("master-key.bin");
    LocalKey::generate().unwrap().write_new(&key).unwrap();
    let child = tokio::process::Command::new(example(name))
        .arg(&bed.uri)
        .arg(&key)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (shown, errors) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{shown}{errors}");
    shown
}

#[tokio::test]
async fn quick_start_shows_both_sides() {
    let shown = run("quick_start").await;
    assert!(shown.contains("with the keys:    { \"_id\""), "{shown}");
    assert!(shown.contains("\"123-12-1234\""), "{shown}");
    assert!(shown.contains("without the keys:") && shown.contains("Binary(0x6"), "{shown}");
}

#[tokio::test]
async fn an_erased_person_cannot_be_read_and_others_can() {
    let shown = run("erase_a_person").await;
    assert!(shown.contains("after:  not all keys requested were satisfied"), "{shown}");
    assert!(shown.lines().last().unwrap().contains("a cold"), "{shown}");
}

#[tokio::test]
async fn explicit_encryption_finds_by_ciphertext() {
    let shown = run("explicit_encryption").await;
    assert!(shown.contains("likes cats") && shown.contains("123-12-1234"), "{shown}");
}
