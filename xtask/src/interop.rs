//! `cargo xtask interop`: real clients, unmodified, against what this workspace builds.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::process::{built, cargo, root, step};
use crate::python;

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Which one; without it, all that `cargo xtask test` runs.
    suite: Option<Suite>,
    /// Handed to the script; `--help` says what it takes.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<OsString>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// The quick start's story by PyMongo, against `fieldveil serve` and our `mongocryptd`.
    Quickstart,
    /// What PyMongo writes, Fieldveil reads, and the other way round, for every type.
    EveryType,
    /// Our `mongo_crypt_v1` inside the C library that pymongocrypt ships.
    CryptShared,
    /// pymongocrypt's own tests over our `libmongocrypt`.
    Pymongocrypt,
    /// Our `libmongocrypt` and the C library side by side: equal bytes, equal messages.
    Differential,
    /// PyMongo's encryption tests with our `mongocryptd`.
    PymongoDaemon,
    /// PyMongo's encryption tests with our `mongo_crypt_v1`.
    PymongoCryptShared,
    /// PyMongo's encryption tests with our `libmongocrypt` alone.
    PymongoLibmongocrypt,
    /// PyMongo's tests of a server, against `fieldveil serve`.
    PymongoServer,
    /// The same with `--replica-set`.
    PymongoReplicaSet,
}

/// Suites that `cargo xtask test` runs, in this order.
///
/// Not PyMongo's own tests: part of them needs what the server or its fakes do not have yet
/// (`CHANGELOG.md`); they are run by name.
const IN_TEST: [Suite; 5] = [
    Suite::Quickstart,
    Suite::EveryType,
    Suite::CryptShared,
    Suite::Pymongocrypt,
    Suite::Differential,
];

pub(crate) fn run(options: &Options) -> Result<()> {
    step("Programs for interop", &mut cargo(["build", "--workspace"]))?;
    let chosen = options.suite.as_ref().map_or(&IN_TEST[..], std::slice::from_ref);
    chosen.iter().try_for_each(|suite| {
        let (title, mut command) = suite.command()?;
        step(title, command.args(&options.options))
    })
}

impl Suite {
    /// What it is called, the script under `interop/`, and its arguments.
    fn script(self) -> (&'static str, &'static str, Vec<OsString>) {
        let library = |name: &str| built("debug").join(name).into_os_string();
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let pymongo = |mode| words(&["encryption", "--mode", mode]);
        let ours = || vec!["--lib".into(), library("libmongocrypt.so")];
        match self {
            Self::Quickstart => ("PyMongo's quick start", "quickstart.py", vec![]),
            Self::EveryType => ("Every type, exchanged", "every_type.py", vec![]),
            Self::CryptShared => (
                "The C library with our mongo_crypt_v1",
                "crypt_shared_smoke.py",
                vec![library("libmongo_crypt_v1.so")],
            ),
            Self::Pymongocrypt => ("pymongocrypt's tests", "pymongocrypt_suite.py", ours()),
            Self::Differential => ("Both libmongocrypts compared", "differential.py", ours()),
            Self::PymongoDaemon => {
                ("PyMongo's encryption tests, daemon", "pymongo_suite.py", pymongo("mongocryptd"))
            }
            Self::PymongoCryptShared => (
                "PyMongo's encryption tests, mongo_crypt_v1",
                "pymongo_suite.py",
                pymongo("crypt_shared"),
            ),
            Self::PymongoLibmongocrypt => (
                "PyMongo's encryption tests, libmongocrypt",
                "pymongo_suite.py",
                pymongo("libmongocrypt"),
            ),
            Self::PymongoServer => ("PyMongo's tests", "pymongo_suite.py", words(&["server"])),
            Self::PymongoReplicaSet => (
                "PyMongo's tests, replica set",
                "pymongo_suite.py",
                words(&["server", "--replica-set"]),
            ),
        }
    }

    fn command(self) -> Result<(&'static str, Command)> {
        let (title, file, arguments) = self.script();
        let mut command = Command::new(python::interpreter()?);
        command.current_dir(root().join("interop")).arg(file).args(arguments);
        command.env("FIELDVEIL_BUILT", built("debug")).env("PATH", search_path()?);
        Ok((title, command))
    }
}

/// `PATH` with our programs first, so that a driver that spawns `mongocryptd` finds ours.
fn search_path() -> Result<OsString> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(built("debug")).chain(env::split_paths(&inherited));
    Ok(env::join_paths(folders)?)
}
