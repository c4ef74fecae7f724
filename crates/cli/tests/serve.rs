//! `fieldveil serve`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::process::Command;

use common::{Served, fieldveil};

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let _first = Served::new(&data);
    let second = fieldveil()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(!second.status.success());
    let errors = String::from_utf8(second.stderr).unwrap();
    assert!(errors.contains("data"), "{errors}");
}

#[test]
fn only_loopback_is_listened_on() {
    let dir = tempfile::tempdir().unwrap();
    let open = fieldveil()
        .args(["serve", "--listen", "0.0.0.0:0", "--data-dir"])
        .arg(dir.path().join("data"))
        .output()
        .unwrap();
    assert!(!open.status.success());
    let errors = String::from_utf8(open.stderr).unwrap();
    assert!(errors.contains("loopback"), "{errors}");
}

#[cfg(unix)]
#[test]
fn sigterm_ends_the_server_and_its_data_stay() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut first = Served::new(&data);
    let ended = Command::new("kill").arg(first.child.id().to_string()).status().unwrap();
    assert!(ended.success());
    assert!(first.child.wait().unwrap().success());
    let _second = Served::new(&data);
}
