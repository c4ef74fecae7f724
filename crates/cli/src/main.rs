//! The `fieldveil` program: argument parsing and output; the work is done by the libraries.
#![forbid(unsafe_code)]

mod args;
mod exit;
mod explain;
mod json;
mod keys;
mod output;
mod quickstart;
mod schema;
mod serve;
mod settings;
mod shell;
mod store;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use crate::args::{Args, Command, SchemaCommand};

/// How long threads may take to end once the work is done.
const LEAVE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_env("FIELDVEIL_LOG").unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();

    let runtime = match fieldveil_server::serve::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no threads can be started: {error}");
            return ExitCode::from(exit::FAILURE);
        }
    };
    let result = runtime.block_on(run(args));
    // A command of a server that has ended may still be at work; whatever it has not said to be
    // done may be left undone.
    runtime.shutdown_timeout(LEAVE);
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", output::chain(&error));
            if let Some(advice) = exit::fieldveil_error(&error).and_then(fieldveil::Error::advice) {
                eprintln!("  help: {advice}");
            }
            ExitCode::from(exit::code(&error))
        }
    }
}

async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Quickstart(args) => quickstart::run(&args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Store(args) => store::run(&args),
        Command::Keys(args) => keys::run(args).await,
        Command::Explain(args) => explain::run(&args),
        Command::Schema(args) => match args.command {
            SchemaCommand::Check(args) => schema::check(&args),
        },
        Command::Completions(args) => {
            let mut command = Args::command();
            clap_complete::generate(args.shell, &mut command, "fieldveil", &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}
