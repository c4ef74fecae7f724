//! `cargo xtask bench`: how fast we are, as ratios against a peer in the same run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::process::{built, cargo, root, step};

mod core;
pub(crate) mod instructions;
mod pymongo;

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Our `libmongocrypt` against the C library, through the C ABI (`bench/abi_bench.c`).
    Core(core::Options),
    /// Instructions and allocations of each operation, against those in `bench/instructions.txt`.
    Instructions(instructions::Options),
    /// Rates of the server over the wire, each as a ratio to another in the same run.
    Server(Handed),
    /// The server under many connections for a long time: `--seconds 1800 --connections 200`.
    Soak(Handed),
    /// pymongocrypt's own benchmark: the library in its wheel against ours.
    Pymongo(pymongo::Options),
}

#[derive(Args)]
struct Handed {
    /// Handed to the benchmark.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// Runs the server's benchmark program.
fn server(what: &str, handed: &Handed) -> Result<()> {
    let mut command = cargo(["bench", "--package", "fieldveil-server", "--bench", "server", "--"]);
    step("The server", command.arg(what).args(&handed.options))
}

pub(crate) fn run(options: &Options) -> Result<()> {
    match &options.what {
        What::Core(options) => core::run(options),
        What::Instructions(options) => instructions::run(options),
        What::Server(options) => server("ratios", options),
        What::Soak(options) => server("soak", options),
        What::Pymongo(options) => pymongo::run(options),
    }
}

/// Builds our library; where it is.
fn library() -> Result<PathBuf> {
    step(
        "Our library",
        &mut cargo(["build", "--profile", "dist", "--package", "fieldveil-mongocrypt"]),
    )?;
    Ok(built("dist").join("libmongocrypt.so"))
}

/// Builds the benchmark program; where it is.
pub(crate) fn program() -> Result<PathBuf> {
    fs::create_dir_all(built("dist"))?;
    let program = built("dist").join("abi_bench");
    step(
        "Benchmark program",
        Command::new("cc")
            .args(["-O2", "-std=c11", "-Wall", "-Wextra", "-o"])
            .arg(&program)
            .arg(root().join("bench/abi_bench.c"))
            .args(["-ldl", "-lpthread"]),
    )?;
    Ok(program)
}
