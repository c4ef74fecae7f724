//! `cargo xtask test`: the one command that says whether a change may land.

use anyhow::Result;
use clap::Args;

use crate::bench;
use crate::interop;
use crate::process::{built, cargo, step, succeeds};

#[derive(Args)]
pub(crate) struct Options {
    /// Leave out the tests that need Python.
    #[arg(long)]
    no_interop: bool,
}

/// The blocking half of the client is checked with everything else.
const FEATURES: [&str; 2] = ["--features", "fieldveil/sync"];

pub(crate) fn run(options: &Options) -> Result<()> {
    step("Formatting", &mut cargo(["fmt", "--all", "--check"]))?;
    let mut clippy = cargo(["clippy", "--workspace", "--all-targets"]);
    step("Clippy", clippy.args(FEATURES).args(["--", "--deny", "warnings"]))?;
    // A workspace of its own, which nothing else compiles before the day it is needed.
    let mut fuzz = cargo(["check", "--manifest-path", "fuzz/Cargo.toml", "--target-dir"]);
    step("Fuzz targets", fuzz.arg(built("")))?;
    // Programs and libraries first: tests that start them must find them, and they are what
    // the interop tests run.
    build()?;
    step("Rust tests", rust_tests().args(FEATURES))?;
    let mut documentation = cargo(["test", "--workspace", "--doc", "--quiet"]);
    step("Documentation tests", documentation.args(FEATURES))?;
    bench::instructions::gate()?;
    if !options.no_interop {
        interop::run(&interop::Options::default())?;
    }
    println!("\nEverything passed.");
    Ok(())
}

/// All programs and libraries, as the tests and the interop suites run them.
pub(crate) fn build() -> Result<()> {
    step("Build", cargo(["build", "--workspace"]).args(FEATURES))
}

/// nextest where it is installed, else the runner that comes with Rust.
fn rust_tests() -> std::process::Command {
    if succeeds(&mut cargo(["nextest", "--version"])) {
        cargo(["nextest", "run", "--workspace", "--no-fail-fast", "--status-level", "fail"])
    } else {
        cargo(["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast", "--quiet"])
    }
}
