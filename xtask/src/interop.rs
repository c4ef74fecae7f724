//! `cargo xtask interop`: real clients, unmodified, against what this workspace builds.

mod rust_driver;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValue;
use clap::builder::PossibleValuesParser;

use crate::dist;
use crate::process::{built, root, side_by_side};
use crate::python;
use crate::suite;

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Which one; without it, all of them, as `cargo xtask test` runs them.
    #[arg(value_parser = names())]
    suite: Option<String>,
    /// Handed to the script; `--help` says what it takes.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<OsString>,
}

/// One script of `interop/`.
struct Suite {
    name: &'static str,
    about: &'static str,
    script: &'static str,
    /// `{}` in an argument stands for the folder of built programs and libraries.
    arguments: &'static [&'static str],
    /// Whether it waits more than it works, so that its neighbours of this kind run beside it.
    waits: bool,
    /// Builds what it needs beside the workspace's own programs.
    prepare: fn() -> Result<()>,
}

const fn suite(
    name: &'static str,
    about: &'static str,
    script: &'static str,
    arguments: &'static [&'static str],
) -> Suite {
    Suite { name, about, script, arguments, waits: false, prepare: || Ok(()) }
}

/// Run beside its neighbours of this kind.
const fn waiting(suite: Suite) -> Suite {
    Suite { waits: true, ..suite }
}

/// All of them, in the order in which they run. A new one needs a line here and nothing else.
#[rustfmt::skip]
const SUITES: &[Suite] = &[
    suite("quickstart", "PyMongo's quick start, by our server and mongocryptd", "quickstart.py", &[]),
    suite("every-type", "What PyMongo writes, Fieldveil reads, and the other way round", "every_type.py", &[]),
    suite("crypt-shared", "Our mongo_crypt_v1 inside the C library of pymongocrypt", "crypt_shared_smoke.py", &["{}/libmongo_crypt_v1.so"]),
    suite("pymongocrypt", "pymongocrypt's own tests over our libmongocrypt", "pymongocrypt_suite.py", &["--lib", "{}/libmongocrypt.so"]),
    suite("differential", "Our libmongocrypt and the C library side by side", "differential.py", &["--lib", "{}/libmongocrypt.so"]),
    suite("kms-aws", "Data keys under AWS KMS, as moto plays it", "kms/aws.py", &[]),
    suite("kms-azure-gcp", "Data keys under Azure and Google Cloud, as strict fakes play them", "kms/azure_gcp.py", &[]),
    suite("kms-kmip", "Data keys under KMIP, as PyKMIP's server speaks it", "kms/pykmip.py", &[]),
    suite("kms-vault", "A master key from HashiCorp Vault, as a strict fake plays it", "kms/vault.py", &[]),
    Suite { prepare: rust_driver::build, ..suite("rust-driver", "The official Rust driver's quick start, linked to our libmongocrypt", "rust_driver.py", &["{}/fieldveil-rust-driver", "{}/dist/lib"]) },
    suite("same-answers", "PyMongo with encryption and without it, side by side", "same_answers.py", &[]),
    waiting(suite("pymongo-daemon", "PyMongo's encryption tests, our mongocryptd", "pymongo/suite.py", &["encryption", "--mode", "mongocryptd"])),
    waiting(suite("pymongo-crypt-shared", "PyMongo's encryption tests, our mongo_crypt_v1", "pymongo/suite.py", &["encryption", "--mode", "crypt_shared"])),
    waiting(suite("pymongo-libmongocrypt", "PyMongo's encryption tests, our libmongocrypt alone", "pymongo/suite.py", &["encryption", "--mode", "libmongocrypt"])),
    Suite { prepare: || libraries().map(drop), ..suite("node", "The official Node driver and mongosh, by `fieldveil serve`", "node_suite.py", &["{}/dist/lib"]) },
    suite("server-docs", "The snippets and lists of docs/server.md", "server_docs.py", &[]),
    suite("pymongo-auth", "PyMongo's tests of authentication, and all it sends compressed by zstd", "pymongo/suite.py", &["server", "--auth", "--compressors", "zstd", "--files", "test_auth.py", "test_database.py", "test_bulk.py", "test_gridfs.py", "test_monitoring.py"]),
    suite("pymongo-tls", "PyMongo's tests of TLS, by its own certificates", "pymongo/suite.py", &["server", "--tls", "--files", "test_ssl.py", "test_collection.py"]),
    suite("pymongo-server", "PyMongo's tests of a server, by `fieldveil serve`", "pymongo/suite.py", &["server"]),
    suite("pymongo-replica-set", "The same with `--replica-set`", "pymongo/suite.py", &["server", "--replica-set"]),
];

/// One name for several suites.
const GROUPS: &[(&str, &str, &[&str])] = &[(
    "pymongo",
    "PyMongo's encryption tests, all three ways",
    &["pymongo-daemon", "pymongo-crypt-shared", "pymongo-libmongocrypt"],
)];

fn names() -> PossibleValuesParser {
    let suites = SUITES.iter().map(|suite| PossibleValue::new(suite.name).help(suite.about));
    let groups = GROUPS.iter().map(|(name, about, _)| PossibleValue::new(*name).help(*about));
    PossibleValuesParser::new(suites.chain(groups))
}

pub(crate) fn run(options: &Options) -> Result<()> {
    suite::build()?;
    let is_wanted = |suite: &&Suite| options.suite.as_deref().is_none_or(|name| suite.is_in(name));
    let wanted: Vec<&Suite> = SUITES.iter().filter(is_wanted).collect();
    for neighbours in wanted.chunk_by(|left, right| left.waits && right.waits) {
        let mut steps = Vec::new();
        for suite in neighbours {
            (suite.prepare)()?;
            let mut command = suite.command()?;
            command.args(&options.options);
            steps.push((suite.about, command));
        }
        side_by_side(&mut steps)?;
    }
    Ok(())
}

/// Makes the libraries as packages lay them out, beside the other programs; where they are.
fn libraries() -> Result<PathBuf> {
    let folder = built("debug").join("dist");
    dist::lay_out(&built("debug"), &folder)?;
    Ok(folder)
}

impl Suite {
    /// Whether `name` is its own or that of a group it belongs to.
    fn is_in(&self, name: &str) -> bool {
        let of_group = |(group, _, members): &(&str, &str, &[&str])| {
            *group == name && members.contains(&self.name)
        };
        self.name == name || GROUPS.iter().any(of_group)
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(python::interpreter()?);
        let programs = built("debug");
        let shown = programs.to_string_lossy();
        command
            .current_dir(root().join("interop"))
            .arg(self.script)
            .args(self.arguments.iter().map(|argument| argument.replace("{}", &shown)))
            .env("FIELDVEIL_BUILT", &programs)
            .env("PYTHONPATH", root().join("interop"))
            .env("PATH", search_path()?);
        Ok(command)
    }
}

/// `PATH` with our programs first, so that a driver that spawns `mongocryptd` finds ours.
fn search_path() -> Result<OsString> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(built("debug")).chain(env::split_paths(&inherited));
    Ok(env::join_paths(folders)?)
}
