//! `cargo xtask test`: the one command that says whether a change may land.

use anyhow::Result;
use clap::Args;

use crate::interop;
use crate::process::{cargo, step, succeeds};

#[derive(Args)]
pub(crate) struct Options {
    /// Leave out the tests that need Python.
    #[arg(long)]
    no_interop: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    step("Formatting", &mut cargo(["fmt", "--all", "--check"]))?;
    step(
        "Clippy",
        &mut cargo(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]),
    )?;
    // Programs and libraries first: tests that start them must find them, and they are what
    // the interop tests run.
    step("Build", &mut cargo(["build", "--workspace"]))?;
    step("Rust tests", &mut rust_tests())?;
    step("Documentation tests", &mut cargo(["test", "--workspace", "--doc", "--quiet"]))?;
    if !options.no_interop {
        interop::run(&interop::Options::default())?;
    }
    println!("\nEverything passed.");
    Ok(())
}

/// nextest where it is installed, else the runner that comes with Rust.
fn rust_tests() -> std::process::Command {
    if succeeds(&mut cargo(["nextest", "--version"])) {
        cargo(["nextest", "run", "--workspace", "--no-fail-fast", "--status-level", "fail"])
    } else {
        cargo(["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast", "--quiet"])
    }
}
