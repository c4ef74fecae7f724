//! What stands on the command line after `fieldveil store`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, clap::Args)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Read all documents and index entries, and show where they disagree
    ///
    /// Exit code: 0 if everything agrees, 14 if something does not, 1 if the directory cannot be
    /// opened.
    Check(DataArgs),
    /// Give back the room of what was deleted
    Compact(DataArgs),
    /// Copy all collections into a new directory, in the layout of mongodump
    Dump {
        #[command(flatten)]
        data: DataArgs,
        /// A directory that is empty or does not exist
        #[arg(value_name = "OUT")]
        out: PathBuf,
    },
    /// Read what `fieldveil store dump` or mongodump wrote; the data directory may be new
    Restore {
        #[command(flatten)]
        data: DataArgs,
        /// The directory of the dump
        #[arg(value_name = "FROM")]
        from: PathBuf,
        /// Drop collections of the dump that exist; else a document that is there is an error
        #[arg(long)]
        drop: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct DataArgs {
    /// The data directory of `fieldveil serve`; no server may have it open
    #[arg(long = "data-dir", value_name = "DIR")]
    pub(crate) directory: PathBuf,
}
