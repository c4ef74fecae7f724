//! Development commands: `cargo xtask <command>`.
#![forbid(unsafe_code)]

mod bench;
mod dist;
mod fuzz;
mod guided;
mod interop;
mod process;
mod python;
mod suite;
mod unicode_tables;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Development commands of Fieldveil")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must pass before a change lands: formatting, clippy, Rust tests, interop.
    Test(suite::Options),
    /// Real clients, unmodified, against our programs and libraries.
    Interop(interop::Options),
    /// Speed, as ratios against a peer in the same run.
    Bench(bench::Options),
    /// Feeds the parsers random bytes: libFuzzer over `fuzz/`.
    Fuzz(fuzz::Options),
    /// Lays out the shared and static libraries with header and pkg-config file.
    Dist(dist::Options),
    /// Writes the folding tables of text indexes anew.
    UnicodeTables,
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Test(options) => suite::run(&options),
        Command::Interop(options) => interop::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Dist(options) => dist::run(&options),
        Command::UnicodeTables => unicode_tables::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
