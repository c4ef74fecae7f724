//! The quick start, as a user runs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../client/tests/common/search.rs"]
mod search;

use std::{fs, process::Command};

fn fieldveil() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fieldveil"))
}

fn output(command: &mut Command) -> (bool, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_story_is_told_to_its_end() {
    let (success, told, errors) = output(fieldveil().arg("quickstart"));
    assert!(success, "{told}\n{errors}");
    for expected in [
        "keyAltNames: [\"example\"]",
        "\"algorithm\": \"AEAD_AES_256_CBC_HMAC_SHA_512-Random\"",
        "ssn: \"123-12-1234\"",
        "Cannot query on fields encrypted with the randomized encryption algorithm",
        "Dora Thewlis",
        "Document failed validation",
        "Every step behaved as it should",
    ] {
        assert!(told.contains(expected), "{expected} is missing in:\n{told}");
    }
    let stored = told.lines().filter(|line| line.contains("ssn: Binary(") && line.contains(", 6)"));
    assert_eq!(stored.count(), 2, "{told}");
    assert!(told.lines().count() < 90, "{told}");
    assert!(told.lines().all(|line| line.chars().count() <= 110), "{told}");
}

#[test]
fn a_directory_is_kept_and_holds_a_private_master_key() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("mine");
    let (success, told, errors) = output(fieldveil().arg("quickstart").arg("--dir").arg(&place));
    assert!(success, "{told}\n{errors}");
    let key = place.join("master-key.bin");
    assert_eq!(fs::read(&key).unwrap().len(), 96);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (success, _, errors) = output(fieldveil().arg("quickstart").arg("--dir").arg(&place));
    assert!(!success);
    assert!(errors.contains("is not empty"), "{errors}");
}

#[test]
fn the_log_of_the_story_shows_no_secret_at_any_level() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("mine");
    let mut quickstart = fieldveil();
    quickstart.arg("quickstart").arg("--dir").arg(&place).env("FIELDVEIL_LOG", "trace");
    let (success, told, log) = output(&mut quickstart);
    assert!(success, "{told}");
    assert!(log.contains("DEBUG command"), "{log:.500}");
    let key = fs::read(place.join("master-key.bin")).unwrap();
    for text in [&told, &log] {
        search::assert_absent(text, &key);
    }
    for plaintext in ["123-12-1234", "457-55-5462", "Sophia", "Dora"] {
        assert!(!log.contains(plaintext), "{plaintext} is logged");
    }
}
