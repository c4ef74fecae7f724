//! The program as a child: a server of it, and `fieldveil keys` against that.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

pub(crate) fn fieldveil() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fieldveil"))
}

/// A server as a program, ended when dropped.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) address: String,
}

impl Served {
    pub(crate) fn new(data_dir: &Path) -> Self {
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

pub(crate) struct Keys {
    pub(crate) dir: TempDir,
    pub(crate) served: Served,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let served = Served::new(&dir.path().join("data"));
        let keys = Self { dir, served };
        let out = keys.master_key();
        let generate = ["keys", "generate-master-key", "--out"];
        assert!(fieldveil().args(generate).arg(out).status().unwrap().success());
        keys
    }

    pub(crate) fn master_key(&self) -> PathBuf {
        self.dir.path().join("master-key.bin")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
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
    pub(crate) fn run(&self, args: &[&str]) -> Result<String, String> {
        let output = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}
