//! `fieldveil keys`: the life of master keys and data keys.

mod delete;
mod rewrap;
mod settings;
mod transfer;

use std::process::ExitCode;

use anyhow::{Context, bail};
use bson::{Binary, Bson, Document};
use fieldveil::{ClientEncryption, LocalKey};

use crate::{
    args::{
        CreateArgs, GenerateArgs, KeyArgs, KeysArgs, KeysCommand, ListArgs, NameArgs, ProviderArgs,
        ShowArgs, TestArgs,
    },
    exit, json, output,
    settings::{VaultKey, VaultSettings, environment},
    shell,
};

pub(crate) async fn run(args: KeysArgs) -> anyhow::Result<ExitCode> {
    let settings = || VaultSettings::resolve(&args.vault, &environment).context(exit::Unusable);
    match args.command {
        KeysCommand::GenerateMasterKey(args) => generate_master_key(&args).await?,
        KeysCommand::Settings(args) => settings::show(&settings()?, args.json)?,
        KeysCommand::List(args) => list(&settings()?.open_vault().await?, &args).await?,
        KeysCommand::Show(args) => show(&settings()?.open_vault().await?, &args).await?,
        KeysCommand::AddAltName(args) => {
            add_alt_name(&settings()?.open_vault().await?, &args).await?;
        }
        KeysCommand::RemoveAltName(args) => {
            remove_alt_name(&settings()?.open_vault().await?, &args).await?;
        }
        KeysCommand::Delete(args) => delete::run(&settings()?.open_vault().await?, &args).await?,
        KeysCommand::Export(args) => {
            transfer::export(&settings()?.open_vault().await?, &args).await?;
        }
        KeysCommand::Import(args) => {
            transfer::import(&settings()?.open_vault().await?, &args).await?;
        }
        KeysCommand::Create(args) => create(&settings()?.open().await?, args).await?,
        KeysCommand::Test(args) => test(&settings()?.open().await?, &args).await?,
        KeysCommand::Rewrap(args) => return rewrap::run(&settings()?.open().await?, &args).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn generate_master_key(args: &GenerateArgs) -> anyhow::Result<()> {
    let place = match (&args.out, &args.into) {
        (Some(file), None) => {
            LocalKey::generate()?.write_new(file)?;
            format!("in {}, readable by you alone", file.display())
        }
        (None, Some(place)) => {
            let key = place.strip_prefix("vault:").context("--into names a place in Vault")?;
            VaultKey::parse(key, &environment)?.write(&LocalKey::generate()?).await?;
            format!("at {place}; use it with --local-key-from {place}")
        }
        _ => bail!("say where to: --out FILE or --into PLACE"),
    };
    eprintln!(
        "A new master key is {place}. Whoever has it can unwrap every data key; without it \
         everything encrypted under them is lost. Keep a copy in a safe place."
    );
    Ok(())
}

async fn create(keys: &ClientEncryption, args: CreateArgs) -> anyhow::Result<()> {
    keep_alt_names_unique(keys).await;
    let ProviderArgs { provider, master_key } = args.provider;
    let create = keys.create_data_key(provider).master_key(master_key.document()?);
    let id = create.key_alt_names(args.alt_name).await?;
    println!("{}", id.to_uuid()?);
    Ok(())
}

/// Makes the key vault's index where it is missing; a user who may not goes on without it.
async fn keep_alt_names_unique(keys: &ClientEncryption) {
    match keys.create_alt_name_index().await {
        Ok(true) => eprintln!("The key vault got an index that keeps alternate names unique."),
        Ok(false) => {}
        Err(error) => eprintln!("warning: alternate names are not kept unique: {error}"),
    }
}

async fn list(keys: &ClientEncryption, args: &ListArgs) -> anyhow::Result<()> {
    let mut documents = keys.get_keys().await?;
    documents.sort_by_key(|key| key.get_datetime("creationDate").ok().copied());
    if args.json {
        for key in documents {
            println!("{}", json::line(key));
        }
        return Ok(());
    }
    let rows: Vec<_> = documents.iter().map(row).collect();
    print!("{}", output::table(["ID", "NAMES", "PROVIDER", "CREATED"], &rows));
    Ok(())
}

async fn show(keys: &ClientEncryption, args: &ShowArgs) -> anyhow::Result<()> {
    let key = find(keys, &args.key).await?;
    if args.json {
        println!("{}", json::line(key));
    } else {
        println!("{}", shell::pretty(&key, 0));
    }
    Ok(())
}

async fn add_alt_name(keys: &ClientEncryption, args: &NameArgs) -> anyhow::Result<()> {
    let id = id(&find(keys, &args.key).await?)?;
    if let Some(other) = keys.get_key_by_alt_name(&args.name).await?
        && self::id(&other)? != id
    {
        bail!("another key has the name '{}' already: {}", args.name, self::id(&other)?.to_uuid()?);
    }
    keys.add_key_alt_name(&id, &args.name).await?;
    Ok(())
}

async fn remove_alt_name(keys: &ClientEncryption, args: &NameArgs) -> anyhow::Result<()> {
    let key = find(keys, &args.key).await?;
    if !names(&key).contains(&args.name.as_str()) {
        bail!("the key has no name '{}'; it has: {}", args.name, names(&key).join(", "));
    }
    keys.remove_key_alt_name(&id(&key)?, &args.name).await?;
    Ok(())
}

async fn test(keys: &ClientEncryption, args: &TestArgs) -> anyhow::Result<()> {
    let ProviderArgs { provider, master_key } = &args.provider;
    let check = keys.check_provider(provider, master_key.document()?).await?;
    println!("{provider} wraps a data key in {:.1?}", check.wrap);
    println!("{provider} unwraps it in {:.1?}", check.unwrap);
    Ok(())
}

/// The one key that the command line names.
async fn find(keys: &ClientEncryption, key: &KeyArgs) -> anyhow::Result<Document> {
    let (found, wanted) = match key {
        KeyArgs { alt_name: Some(name), .. } => {
            (keys.get_key_by_alt_name(name).await?, format!("alternate name '{name}'"))
        }
        KeyArgs { id: Some(id), .. } => (keys.get_key(&parse_id(id)?).await?, format!("id {id}")),
        _ => bail!("say which key: --alt-name NAME or --id UUID"),
    };
    found.with_context(|| {
        format!("the key vault has no key with {wanted}; `fieldveil keys list` shows what it has")
    })
}

fn id(key: &Document) -> anyhow::Result<Binary> {
    match key.get("_id") {
        Some(Bson::Binary(id)) => Ok(id.clone()),
        _ => bail!("a document in the key vault has no UUID as _id"),
    }
}

fn names(key: &Document) -> Vec<&str> {
    key.get_array("keyAltNames").into_iter().flatten().filter_map(Bson::as_str).collect()
}

fn provider(key: &Document) -> &str {
    key.get_document("masterKey").ok().and_then(|key| key.get_str("provider").ok()).unwrap_or("?")
}

fn row(key: &Document) -> [String; 4] {
    let id = id(key).ok().and_then(|id| id.to_uuid().ok());
    let created = key.get_datetime("creationDate").ok();
    [
        id.map(|id| id.to_string()).unwrap_or_default(),
        names(key).join(", "),
        provider(key).to_owned(),
        created.and_then(|date| date.try_to_rfc3339_string().ok()).unwrap_or_default(),
    ]
}

fn parse_id(text: &str) -> anyhow::Result<Binary> {
    let uuid = bson::Uuid::parse_str(text).with_context(|| {
        format!("'{text}' is no key id: a UUID as `fieldveil keys list` shows it is expected")
    })?;
    Ok(uuid.into())
}
