//! `cargo xtask interop`: real clients, unmodified, against what this workspace builds.

use std::env;
use std::process::Command;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::process::{built, cargo, root, step};
use crate::python;

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Which one; without it, all that `cargo xtask test` runs.
    suite: Option<Suite>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// The quick start's story by PyMongo, against `fieldveil serve` and our `mongocryptd`.
    Quickstart,
    /// What PyMongo writes, Fieldveil reads, and the other way round, for every type.
    Types,
}

/// Suites that `cargo xtask test` runs, in this order.
const IN_TEST: [Suite; 2] = [Suite::Quickstart, Suite::Types];

pub(crate) fn run(options: &Options) -> Result<()> {
    step("Programs for interop", &mut cargo(["build", "--workspace"]))?;
    let chosen = options.suite.as_ref().map_or(&IN_TEST[..], std::slice::from_ref);
    chosen.iter().try_for_each(|suite| {
        let (title, mut command) = script(*suite)?;
        step(title, &mut command)
    })
}

/// What the suite is called, and the command that runs it.
fn script(suite: Suite) -> Result<(&'static str, Command)> {
    let (title, file) = match suite {
        Suite::Quickstart => ("PyMongo quick start", "quickstart.py"),
        Suite::Types => ("PyMongo and Fieldveil exchange every type", "every_type.py"),
    };
    let mut command = Command::new(python::interpreter()?);
    command.current_dir(root().join("interop")).arg(file);
    command.env("FIELDVEIL_BUILT", built("debug")).env("PATH", search_path()?);
    Ok((title, command))
}

/// `PATH` with our programs first, so that a driver that spawns `mongocryptd` finds ours.
fn search_path() -> Result<std::ffi::OsString> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(built("debug")).chain(env::split_paths(&inherited));
    Ok(env::join_paths(folders)?)
}
