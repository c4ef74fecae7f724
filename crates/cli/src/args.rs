//! What stands on the command line.

mod keys;
mod store;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use fieldveil_server::serve::ServeArgs;

pub(crate) use keys::*;
pub(crate) use store::*;

/// Encrypts chosen fields of documents in the client, so that the database never sees them.
#[derive(Debug, Parser)]
#[command(name = "fieldveil", version, about, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the whole story once: keys, a schema, an encrypted document, and what the database sees
    Quickstart(QuickstartArgs),
    /// Run the embedded database server
    Serve(ServeArgs),
    /// Check, compact, copy and restore the data of a server that is not running
    Store(StoreArgs),
    /// Make and manage keys
    Keys(KeysArgs),
    /// Show what encryption does to a command: each encrypted value with its field, algorithm and
    /// key, or why the command is refused and what to write instead
    ///
    /// Exit code: 0 if the command passes, 12 if it is refused, 1 for any other error.
    Explain(ExplainArgs),
    /// Work with encryption schemas
    Schema(SchemaArgs),
    /// Print a script that completes these commands in a shell
    ///
    /// For bash: fieldveil completions bash > /etc/bash_completion.d/fieldveil
    Completions(CompletionsArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
pub(crate) struct QuickstartArgs {
    /// Keep the database and the master key in this new or empty directory [default: a temporary
    /// directory that is removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The schema in extended JSON: that of the command's collection, or a map from
    /// "database.collection" to schemas
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: PathBuf,
    /// The command in extended JSON, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) command: PathBuf,
    /// The command's database [default: its $db, else test]
    #[arg(long, value_name = "NAME")]
    pub(crate) db: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArgs {
    #[command(subcommand)]
    pub(crate) command: SchemaCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Show every fault of a schema at once, and what is legal but weak
    ///
    /// Exit code: 0 if the schema can be used, 13 if it has faults, 1 for any other error.
    Check(SchemaCheckArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct SchemaCheckArgs {
    /// The schema in extended JSON, a validator with $jsonSchema, or a map from
    /// "database.collection" to these; - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
