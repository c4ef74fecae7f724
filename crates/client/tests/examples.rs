//! The programs in `examples/` do what they say, against the embedded server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
#[path = "prose/services.rs"]
mod services;

use std::{path::PathBuf, process::Stdio};

use bson::doc;
use common::{Bed, KEY_VAULT};
use fieldveil::{ClientEncryption, LocalKey};
use services::{ACCESS_KEY_ID, ARN, SECRET_ACCESS_KEY, Services};

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
    let mut program = tokio::process::Command::new(example(name));
    finish(program.arg(&bed.uri).arg(&key)).await
}

/// What a program shows, which must succeed.
async fn finish(program: &mut tokio::process::Command) -> String {
    let child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
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

#[tokio::test]
async fn keys_move_from_a_local_master_key_to_aws() {
    let bed = Bed::new().await;
    bed.plain.database("encryption").drop().await.unwrap();
    let services = Services::new().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("master-key.bin");
    let master_key = LocalKey::generate().unwrap();
    master_key.write_new(&file).unwrap();
    let local = ClientEncryption::builder(bed.plain.clone())
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(master_key.to_kms_providers())
        .build()
        .unwrap();
    for name in ["one", "two"] {
        local.create_data_key("local").key_alt_names([name]).await.unwrap();
    }
    let secret = local.encrypt("x", "one", fieldveil::Algorithm::Random).await.unwrap();

    let mut program = tokio::process::Command::new(example("rewrap_to_aws"));
    program.arg(&bed.uri).arg(&file).args(["us-east-1", ARN]);
    program.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID);
    program.env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY).env_remove("AWS_SESSION_TOKEN");
    program.env("AWS_ENDPOINT_URL_KMS", format!("https://{}", services.http.endpoint()));
    program.env("AWS_CA_BUNDLE", services.authority.file());
    assert!(finish(&mut program).await.contains("2 of 2 keys rewrapped"));

    let left = local.find_keys(doc! { "masterKey.provider": "local" }).await.unwrap();
    assert!(left.is_empty());
    let aws = ClientEncryption::builder(bed.plain.clone())
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(services.kms_providers())
        .tls_options("aws", services.tls_options())
        .build()
        .unwrap();
    assert_eq!(aws.decrypt(&secret).await.unwrap(), "x".into());
}
