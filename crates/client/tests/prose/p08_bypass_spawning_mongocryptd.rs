//! 8. Bypass Spawning mongocryptd.
//!
//! Analysis is inside the client, so there is nothing to bypass: whatever its options, it starts no
//! program. A program with `mongocryptd` first on its `PATH`, one that leaves a trace, shows it.

use std::{fs, path::PathBuf, process::Stdio};

use bson::{Document, doc};
use fieldveil::{EncryptedClientBuilder, LocalKey};

use crate::setup::Deployment;

async fn inserts(builder: EncryptedClientBuilder) {
    let client = builder.build().await.unwrap();
    let coll = client.collection::<Document>("db", "coll");
    coll.insert_one(doc! { "unencrypted": "test" }).await.unwrap();
}

#[tokio::test]
async fn without_analysis_commands_go_as_they_are() {
    let deployment = Deployment::new().await;
    inserts(deployment.encrypted().bypass_auto_encryption(true)).await;
    inserts(deployment.encrypted().bypass_query_analysis(true)).await;
    assert_eq!(deployment.coll().count_documents(doc! {}).await.unwrap(), 2);
}

/// The example program; cargo puts it beside the tests' own folder.
fn quick_start() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().unwrap().parent().unwrap();
    built.join("examples").join("quick_start").with_extension(std::env::consts::EXE_EXTENSION)
}

#[cfg(unix)]
#[tokio::test]
async fn no_program_is_started() {
    use std::os::unix::fs::PermissionsExt;

    let deployment = Deployment::new().await;
    let dir = tempfile::tempdir().unwrap();
    let (spy, trace) = (dir.path().join("mongocryptd"), dir.path().join("trace"));
    fs::write(&spy, format!("#!/bin/sh\n: > '{}'\n", trace.display())).unwrap();
    fs::set_permissions(&spy, fs::Permissions::from_mode(0o755)).unwrap();
    let key = dir.path().join("master-key.bin");
    LocalKey::generate().unwrap().write_new(&key).unwrap();

    let mut program = tokio::process::Command::new(quick_start());
    program.env("PATH", dir.path()).arg(&deployment.uri).arg(&key);
    let status = program.stdout(Stdio::null()).status().await.unwrap();
    assert!(status.success());
    assert!(!trace.exists(), "a mongocryptd was started");
}
