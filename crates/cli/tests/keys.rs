//! `fieldveil keys` against a server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Keys, fieldveil};

#[test]
fn keys_are_created_listed_and_shown() {
    let keys = Keys::new();
    let id = keys.run(&["create", "--alt-name", "one", "--alt-name", "uno"]).unwrap();
    let id = id.trim();

    let list = keys.run(&["list"]).unwrap();
    assert!(list.starts_with("ID"), "{list}");
    assert!(list.contains(id) && list.contains("one") && list.contains("local"), "{list}");
    let json = keys.run(&["list", "--json"]).unwrap();
    assert!(json.contains("\"$binary\""), "{json}");

    let shown = keys.run(&["show", "--alt-name", "uno"]).unwrap();
    assert!(shown.contains(&format!("_id: UUID(\"{id}\")")), "{shown}");
    assert_eq!(keys.run(&["show", "--id", id]).unwrap(), shown);

    let error = keys.run(&["show", "--alt-name", "absent"]).unwrap_err();
    assert!(error.contains("no key with alternate name 'absent'"), "{error}");
    let error = keys.run(&["show", "--id", "nonsense"]).unwrap_err();
    assert!(error.contains("a UUID as `fieldveil keys list` shows it"), "{error}");
}

#[test]
fn keys_are_named_tested_rewrapped_exported_deleted_and_imported() {
    let keys = Keys::new();
    keys.run(&["create", "--alt-name", "one"]).unwrap();
    keys.run(&["create", "--alt-name", "two"]).unwrap();
    keys.run(&["add-alt-name", "--alt-name", "one", "uno"]).unwrap();
    let error = keys.run(&["add-alt-name", "--alt-name", "two", "uno"]).unwrap_err();
    assert!(error.contains("another key has the name 'uno'"), "{error}");
    keys.run(&["remove-alt-name", "--alt-name", "uno", "one"]).unwrap();
    let error = keys.run(&["remove-alt-name", "--alt-name", "uno", "one"]).unwrap_err();
    assert!(error.contains("it has: uno"), "{error}");

    let tested = keys.run(&["test"]).unwrap();
    assert!(tested.contains("local wraps a data key in"), "{tested}");

    // The configuration file knows a second local key, which becomes the new master key.
    let new = keys.dir.path().join("new.bin");
    let generate = ["keys", "generate-master-key", "--out"];
    assert!(fieldveil().args(generate).arg(&new).status().unwrap().success());
    let config = keys.dir.path().join("fieldveil.toml");
    let text = format!("[providers.\"local:new\"]\nkey.file = '{}'\n", new.display());
    std::fs::write(&config, text).unwrap();
    let rewrap = ["rewrap", "--to", "local:new", "--config", config.to_str().unwrap()];
    let dry_run = keys.command(&rewrap).output().unwrap();
    assert_eq!(dry_run.status.code(), Some(10));
    assert!(String::from_utf8(dry_run.stdout).unwrap().contains("uno"));
    keys.run(&[&rewrap[..], &["--apply"]].concat()).unwrap();
    assert_eq!(keys.command(&rewrap).output().unwrap().status.code(), Some(0));
    let list = keys.run(&["list"]).unwrap();
    assert_eq!(list.matches("local:new").count(), 2, "{list}");

    let backup = keys.dir.path().join("keys.json");
    let backup = backup.to_str().unwrap();
    keys.run(&["export", "--out", backup]).unwrap();
    let error = keys.run(&["delete", "--alt-name", "uno"]).unwrap_err();
    assert!(error.contains("lost for good") && error.contains("--yes"), "{error}");
    keys.run(&["delete", "--alt-name", "uno", "--yes"]).unwrap();
    assert!(!keys.run(&["list"]).unwrap().contains("uno"));
    keys.run(&["import", backup]).unwrap();
    assert_eq!(keys.run(&["list"]).unwrap(), list);
}

#[test]
fn a_master_key_of_the_wrong_length_or_open_to_others_is_refused() {
    let keys = Keys::new();
    let error = keys.run(&["create", "--master-key", "/nonexistent/key"]).unwrap_err();
    assert!(error.contains("/nonexistent/key"), "{error}");

    let short = keys.dir.path().join("short.bin");
    std::fs::write(&short, [0; 95]).unwrap();
    let short = short.to_str().unwrap();
    let private = ["create", "--allow-shared-master-key", "--master-key", short];
    let error = keys.run(&private).unwrap_err();
    assert!(error.contains("holds 95 bytes: a local master key is 96 bytes"), "{error}");

    let out = keys.master_key();
    let generate = ["keys", "generate-master-key", "--out"];
    let again = fieldveil().args(generate).arg(out).output().unwrap();
    assert!(!again.status.success());
    assert!(String::from_utf8(again.stderr).unwrap().contains("exists already"));
}

/// A configuration file with a second local master key, `local:new`.
fn with_new_provider(keys: &Keys) -> String {
    let new = keys.dir.path().join("new.bin");
    let generate = ["keys", "generate-master-key", "--out"];
    assert!(fieldveil().args(generate).arg(&new).status().unwrap().success());
    let config = keys.dir.path().join("fieldveil.toml");
    let text = format!("[providers.\"local:new\"]\nkey.file = '{}'\n", new.display());
    std::fs::write(&config, text).unwrap();
    config.to_str().unwrap().to_owned()
}

#[test]
fn a_rewrap_goes_on_where_another_ended() {
    let keys = Keys::new();
    for name in ["one", "two", "three"] {
        keys.run(&["create", "--alt-name", name]).unwrap();
    }
    let config = with_new_provider(&keys);
    let rewrap = |more: &[&str]| {
        let args = [&["rewrap", "--to", "local:new", "--config", &config], more].concat();
        let output = keys.command(&args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // One key of three is done when the first run ends.
    assert_eq!(rewrap(&["--alt-name", "two", "--apply"]).0, Some(0));
    let (code, errors) = rewrap(&[]);
    assert_eq!(code, Some(10));
    assert!(errors.contains("1 keys are under local:new already, 2 are"), "{errors}");
    let (code, errors) = rewrap(&["--from", "local", "--apply"]);
    assert_eq!(code, Some(0));
    assert!(errors.contains("2 keys wrapped anew, 0 failed"), "{errors}");
    assert_eq!(rewrap(&["--apply"]).0, Some(0));

    // After the key service has rotated the key behind the same name.
    let (code, errors) = rewrap(&["--again", "--from-key", r#"{"provider": "local:new"}"#]);
    assert_eq!(code, Some(10));
    assert!(errors.contains("3 are to be wrapped anew"), "{errors}");
    assert_eq!(rewrap(&["--again", "--apply"]).0, Some(0));
}

#[test]
fn a_key_that_cannot_be_rewrapped_does_not_keep_the_others() {
    let keys = Keys::new();
    let config = with_new_provider(&keys);
    keys.run(&["create", "--alt-name", "one", "--provider", "local:new", "--config", &config])
        .unwrap();
    keys.run(&["create", "--alt-name", "two"]).unwrap();
    // Without the configuration file nothing can unwrap the first.
    let rewrap = ["rewrap", "--to", "local", "--again", "--apply"];
    let output = keys.command(&rewrap).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(11), "{errors}");
    assert!(errors.contains("1 keys wrapped anew, 1 failed"), "{errors}");
    assert!(errors.contains("local:new"), "{errors}");
}

#[test]
fn settings_say_where_they_come_from_and_show_no_secret() {
    let keys = Keys::new();
    let config = keys.dir.path().join("fieldveil.toml");
    let text = "key_vault = 'a.b'\n[providers.aws]\naccess_key_id = 'AKIA'\n\
                secret_access_key = 'hidden-in-the-wrong-place'\n[kms]\ntimeout_secs = 3\n";
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let output = keys
        .command(&["settings", "--config", config, "--master-key", "key.bin"])
        .env("FIELDVEIL_URI", "mongodb://user:hidden@host/?tls=true")
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(!shown.contains("hidden"), "{shown}");
    let line = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        line("uri"),
        "uri mongodb://user:[redacted]@host/?tls=true from the environment variable FIELDVEIL_URI"
    );
    assert_eq!(line("key_vault"), format!("key_vault a.b from {config}"));
    assert_eq!(line("master_key"), "master_key key.bin from --master-key");
    assert_eq!(line("allow"), "allow_shared_master_key false by default");
    assert_eq!(line("kms.timeout_secs"), format!("kms.timeout_secs 3 from {config}"));

    let json = keys.run(&["settings", "--json"]).unwrap();
    assert!(
        json.contains(r#""key_vault":{"value":"encryption.__keyVault","origin":"by default"}"#)
    );
}

#[test]
fn no_secret_is_taken_from_the_command_line_or_shown_in_an_error() {
    let keys = Keys::new();
    let uri = "mongodb://user:hidden@127.0.0.1:1/";
    let refused = keys.command(&["list", "--uri", uri]).output().unwrap();
    let errors = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(20));
    assert!(errors.contains("FIELDVEIL_URI") && !errors.contains("hidden"), "{errors}");

    let wrong = keys.command(&["list"]).env("FIELDVEIL_URI", "mongodb://u:hid/den@h").output();
    let errors = String::from_utf8(wrong.unwrap().stderr).unwrap();
    assert!(!errors.contains("hid") && !errors.contains("den"), "{errors}");

    // The master key in a place for its file's name.
    let key = "A".repeat(128);
    let mut wrong = keys.command(&["create"]);
    wrong.env("FIELDVEIL_LOCAL_KEY_FROM", &key).env_remove("FIELDVEIL_MASTER_KEY");
    let wrong = wrong.output().unwrap();
    let errors = String::from_utf8(wrong.stderr).unwrap();
    assert!(!errors.contains("AAAAAAAA"), "{errors}");
}

#[test]
fn exit_codes_tell_the_failed_part() {
    let keys = Keys::new();
    let code = |args: &[&str]| keys.command(args).output().unwrap().status.code();
    assert_eq!(code(&["create", "--provider", "local", "--master-key", "/no/such"]), Some(20));
    assert_eq!(code(&["create", "--provider", "nonsense"]), Some(20));
    assert_eq!(code(&["show"]), Some(2), "clap's code for a wrong command line");
    let closed = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50";
    let output = keys.command(&["list", "--uri", closed]).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(21), "{errors}");
    assert!(errors.contains("  help: no server could be reached"), "{errors}");
}

#[test]
fn what_leaves_keys_wrapped_needs_no_master_key() {
    let keys = Keys::new();
    keys.run(&["create", "--alt-name", "one"]).unwrap();
    for args in [&["list"][..], &["show", "--alt-name", "one"], &["export"]] {
        let output = keys.command(args).env_remove("FIELDVEIL_MASTER_KEY").output().unwrap();
        assert!(output.status.success(), "{args:?}");
    }
}
