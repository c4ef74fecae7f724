//! What stands on the command line after `fieldveil keys`.

use std::path::PathBuf;

use anyhow::Context;
use bson::Document;
use clap::Subcommand;

use crate::json;

#[derive(Debug, clap::Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
    #[command(flatten)]
    pub(crate) vault: VaultArgs,
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
    /// could not be wrapped anew, else as for every command.
    Rewrap(RewrapArgs),
    /// Delete a data key; everything encrypted under it is lost for good
    Delete(DeleteArgs),
    /// Write all key documents (their keys stay wrapped) to a file, as a backup
    Export(ExportArgs),
    /// Put key documents from an export back into the key vault; those that are there already stay
    Import(ImportArgs),
    /// Check that a KMS provider wraps and unwraps, and how long it takes; stores nothing
    Test(TestArgs),
    /// Show the settings of these commands, and where each comes from; connects to nothing
    Settings(SettingsArgs),
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
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Connection string of the deployment with the key vault [env: FIELDVEIL_URI]
    ///
    /// One with a password is refused here, where every user of the machine can read it: give it in
    /// the environment or in the configuration file.
    #[arg(long, global = true, value_name = "URI")]
    pub(crate) uri: Option<String>,
    /// The collection of data keys [env: FIELDVEIL_KEY_VAULT]
    #[arg(long, global = true, value_name = "DATABASE.COLLECTION")]
    pub(crate) key_vault: Option<String>,
    /// File of the local master key [env: FIELDVEIL_MASTER_KEY]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) master_key: Option<PathBuf>,
    /// Where else the local master key is: file:PATH, env:VARIABLE, stdin,
    /// vault:kv:MOUNT/PATH#FIELD or vault:transit:MOUNT/NAME#FILE [env: FIELDVEIL_LOCAL_KEY_FROM]
    ///
    /// Vault is found and asked as by its own program: VAULT_ADDR, VAULT_CACERT, VAULT_NAMESPACE,
    /// and VAULT_TOKEN, or VAULT_ROLE_ID and VAULT_SECRET_ID for AppRole.
    #[arg(long, global = true, value_name = "PLACE", conflicts_with = "master_key")]
    pub(crate) local_key_from: Option<String>,
    /// Accept a master key file that other users can read [env: FIELDVEIL_ALLOW_SHARED_MASTER_KEY=1]
    #[arg(long, global = true)]
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

/// What wraps a data key.
#[derive(Debug, clap::Args)]
pub(crate) struct ProviderArgs {
    /// The KMS provider that wraps the key
    #[arg(long, value_name = "PROVIDER", default_value = "local")]
    pub(crate) provider: String,
    #[command(flatten)]
    pub(crate) master_key: MasterKeyArgs,
}

/// The key in a key service that wraps data keys.
#[derive(Debug, clap::Args)]
pub(crate) struct MasterKeyArgs {
    /// The provider's master key, as JSON: for aws {"region": .., "key": ..}
    #[arg(long, value_name = "JSON")]
    pub(crate) kms_key: Option<String>,
}

impl MasterKeyArgs {
    /// Its fields; none where nothing was given.
    pub(crate) fn document(&self) -> anyhow::Result<Document> {
        match &self.kms_key {
            Some(json) => json::parse(json).context("--kms-key"),
            None => Ok(Document::new()),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// An alternate name for the new key; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) alt_name: Vec<String>,
    #[command(flatten)]
    pub(crate) provider: ProviderArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Print canonical extended JSON, one document per line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Print canonical extended JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct NameArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// The name to add or to remove
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RewrapArgs {
    /// The KMS provider that wraps the keys from now on
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) master_key: MasterKeyArgs,
    /// Only keys that this provider wraps now
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) from: Option<String>,
    /// Only keys whose master key has these fields now, as JSON: for aws {"key": ..}
    #[arg(long, value_name = "JSON")]
    pub(crate) from_key: Option<String>,
    /// Only the key with this alternate name
    #[arg(long, value_name = "NAME")]
    pub(crate) alt_name: Option<String>,
    /// Also keys that are under the new master key already, for instance after the key service has
    /// rotated it
    #[arg(long)]
    pub(crate) again: bool,
    /// Do it
    #[arg(long)]
    pub(crate) apply: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The new file; without it the documents go to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// A file that `fieldveil keys export` wrote, or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) provider: ProviderArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SettingsArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
