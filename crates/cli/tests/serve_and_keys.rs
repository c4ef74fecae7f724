//! `fieldveil serve`, and `fieldveil keys` against it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

fn fieldveil() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fieldveil"))
}

/// A server as a program, ended when dropped.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn new(data_dir: &Path) -> Self {
        let mut child = fieldveil()
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, address }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Keys {
    dir: TempDir,
    served: Served,
}

impl Keys {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let served = Served::new(&dir.path().join("data"));
        let keys = Self { dir, served };
        let out = keys.master_key();
        let generate = ["keys", "generate-master-key", "--out"];
        assert!(fieldveil().args(generate).arg(out).status().unwrap().success());
        keys
    }

    fn master_key(&self) -> PathBuf {
        self.dir.path().join("master-key.bin")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = fieldveil();
        command
            .arg("keys")
            .args(args)
            .env(
                "FIELDVEIL_URI",
                format!("mongodb://{}/?directConnection=true", self.served.address),
            )
            .env("FIELDVEIL_MASTER_KEY", self.master_key())
            .stdin(Stdio::null());
        command
    }

    /// Runs `fieldveil keys ..` and gives standard output, or standard error if it failed.
    fn run(&self, args: &[&str]) -> Result<String, String> {
        let output = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}

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
