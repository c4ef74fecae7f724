//! What stands on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use fieldveil_server::serve::ServeArgs;

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
    /// Make and manage keys
    Keys(KeysArgs),
    /// Show what encryption does to a command: each encrypted value with its field, algorithm and
    /// key, or why the command is refused and what to write instead
    ///
    /// Exit code: 0 if the command passes, 12 if it is refused, 1 for any other error.
    Explain(ExplainArgs),
    /// Work with encryption schemas
    Schema(SchemaArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct QuickstartArgs {
    /// Keep the database and the master key in this new or empty directory [default: a temporary
    /// directory that is removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Write a new local master key to a file that only you can read, or into Vault
    GenerateMasterKey(GenerateArgs),
    /// Make a data key and store it in the key vault
    Create(CreateArgs),
    /// List the data keys in the key vault
    List(ListArgs),
    /// Show the document of one data key
    Show(ShowArgs),
    /// Give a data key another alternate name
    AddAltName(NameArgs),
    /// Take an alternate name from a data key
    RemoveAltName(NameArgs),
    /// Wrap data keys anew, with another master key or provider
    ///
    /// Without --apply it only shows what would be done. Each new wrapping is unwrapped and compared
    /// before it replaces the old one. A run that was interrupted is simply started again: keys that
    /// are under the new master key already are left alone.
    ///
    /// Exit code: 0 if nothing is left to do, 10 if a dry run found something to do, 11 if some keys
    /// could not be wrapped anew, 1 for any other error.
    Rewrap(RewrapArgs),
    /// Delete a data key; everything encrypted under it is lost for good
    Delete(DeleteArgs),
    /// Write all key documents (their keys stay wrapped) to a file, as a backup
    Export(ExportArgs),
    /// Put key documents from an export back into the key vault; those that are there already stay
    Import(ImportArgs),
    /// Check that a KMS provider wraps and unwraps, and how long it takes; stores nothing
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct GenerateArgs {
    /// The new file; an existing one is never overwritten
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// HashiCorp Vault instead: vault:kv:MOUNT/PATH#FIELD stores the key there;
    /// vault:transit:MOUNT/NAME#FILE writes it to the new FILE, encrypted by Vault
    #[arg(long, value_name = "PLACE")]
    pub(crate) into: Option<String>,
}

/// Where the key vault is, and what unwraps its keys. Flags come before environment variables,
/// these before the configuration file.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Key vault")]
pub(crate) struct VaultArgs {
    /// Configuration file (TOML) [env: FIELDVEIL_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Connection string of the deployment with the key vault [env: FIELDVEIL_URI]
    #[arg(long, value_name = "URI")]
    pub(crate) uri: Option<String>,
    /// The collection of data keys [env: FIELDVEIL_KEY_VAULT]
    #[arg(long, value_name = "DATABASE.COLLECTION")]
    pub(crate) key_vault: Option<String>,
    /// File of the local master key [env: FIELDVEIL_MASTER_KEY]
    #[arg(long, value_name = "FILE")]
    pub(crate) master_key: Option<PathBuf>,
    /// Where else the local master key is: file:PATH, env:VARIABLE, stdin,
    /// vault:kv:MOUNT/PATH#FIELD or vault:transit:MOUNT/NAME#FILE [env: FIELDVEIL_LOCAL_KEY_FROM]
    ///
    /// Vault is found and asked as by its own program: VAULT_ADDR, VAULT_CACERT, VAULT_NAMESPACE,
    /// and VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID for AppRole.
    #[arg(long, value_name = "PLACE", conflicts_with = "master_key")]
    pub(crate) local_key_from: Option<String>,
    /// Accept a master key file that other users can read
    #[arg(long)]
    pub(crate) allow_shared_master_key: bool,
}

/// Which data key.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct KeyArgs {
    /// The key's alternate name
    #[arg(long, value_name = "NAME")]
    pub(crate) alt_name: Option<String>,
    /// The key's id
    #[arg(long, value_name = "UUID")]
    pub(crate) id: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// An alternate name for the new key; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) alt_name: Vec<String>,
    /// The KMS provider that wraps the key
    #[arg(long, value_name = "PROVIDER", default_value = "local")]
    pub(crate) provider: String,
    /// The provider's master key, as JSON: for aws {"region": .., "key": ..}
    #[arg(long, value_name = "JSON")]
    pub(crate) kms_key: Option<String>,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Print canonical extended JSON, one document per line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Print canonical extended JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct NameArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// The name to add or to remove
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RewrapArgs {
    /// The KMS provider that wraps the keys from now on
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) to: String,
    /// The provider's master key, as JSON: for aws {"region": .., "key": ..}
    #[arg(long, value_name = "JSON")]
    pub(crate) kms_key: Option<String>,
    /// Only keys that this provider wraps now
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) from: Option<String>,
    /// Only the key with this alternate name
    #[arg(long, value_name = "NAME")]
    pub(crate) alt_name: Option<String>,
    /// Do it
    #[arg(long)]
    pub(crate) apply: bool,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The new file; without it the documents go to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// A file that `fieldveil keys export` wrote, or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// The KMS provider
    #[arg(long, value_name = "PROVIDER", default_value = "local")]
    pub(crate) provider: String,
    /// The provider's master key, as JSON: for aws {"region": .., "key": ..}
    #[arg(long, value_name = "JSON")]
    pub(crate) kms_key: Option<String>,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
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
