//! What the program runs with: flags, then the environment, then the configuration file, then
//! defaults. Each value remembers where it came from.

mod file;
mod providers;
mod report;
mod uri;
mod vault;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use bson::Document;
use fieldveil::{
    ClientEncryption, ClientEncryptionBuilder, LocalKey, LocalKeyError,
    kms::{Connect, HttpProxy},
};

use crate::args::VaultArgs;
use file::{ConfigFile, Kms};
use providers::Provider;
use uri::ConnectionString;
pub(crate) use vault::VaultKey;

/// A value and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag(&'static str),
    Environment(&'static str),
    File(PathBuf),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "from {name}"),
            Self::Environment(name) => write!(f, "from the environment variable {name}"),
            Self::File(path) => write!(f, "from {}", path.display()),
            Self::Default => f.write_str("by default"),
        }
    }
}

/// Where environment variables come from; tests replace it.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variables of the process.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where the key vault is, and what unwraps its keys.
#[derive(Debug)]
pub(crate) struct VaultSettings {
    pub(crate) uri: ConnectionString,
    pub(crate) key_vault: Setting<String>,
    pub(crate) master_key: Option<Setting<PathBuf>>,
    pub(crate) local_key_from: Option<Setting<String>>,
    pub(crate) allow_shared_master_key: Setting<bool>,
    providers: BTreeMap<String, toml::Table>,
    kms: Kms,
    file: Option<PathBuf>,
}

const URI: &str = "mongodb://localhost:27017";
const KEY_VAULT: &str = "encryption.__keyVault";

impl VaultSettings {
    pub(crate) fn resolve(args: &VaultArgs, env: Environment<'_>) -> anyhow::Result<Self> {
        let path = args.config.clone().or_else(|| env("FIELDVEIL_CONFIG").map(PathBuf::from));
        let file = match &path {
            Some(path) => ConfigFile::read(path)?,
            None => ConfigFile::default(),
        };
        let layers = Layers { env, path: path.as_deref() };
        Ok(Self {
            uri: ConnectionString::new(
                layers
                    .pick(args.uri.clone(), "--uri", "FIELDVEIL_URI", file.uri)
                    .unwrap_or_else(|| default(URI)),
            )?,
            key_vault: layers
                .pick(args.key_vault.clone(), "--key-vault", "FIELDVEIL_KEY_VAULT", file.key_vault)
                .unwrap_or_else(|| default(KEY_VAULT)),
            master_key: layers.pick(
                args.master_key.clone(),
                "--master-key",
                "FIELDVEIL_MASTER_KEY",
                file.master_key,
            ),
            local_key_from: layers.pick(
                args.local_key_from.clone(),
                "--local-key-from",
                "FIELDVEIL_LOCAL_KEY_FROM",
                file.local_key_from,
            ),
            allow_shared_master_key: layers
                .pick_as(
                    args.allow_shared_master_key.then_some(true),
                    "--allow-shared-master-key",
                    "FIELDVEIL_ALLOW_SHARED_MASTER_KEY",
                    |value| value == "1",
                    file.allow_shared_master_key,
                )
                .unwrap_or(Setting { value: false, origin: Origin::Default }),
            providers: file.providers,
            kms: file.kms,
            file: path,
        })
    }

    /// The key vault with everything that wraps and unwraps its keys.
    pub(crate) async fn open(&self) -> anyhow::Result<ClientEncryption> {
        let mut read = BTreeMap::new();
        for (name, table) in &self.providers {
            read.insert(name.as_str(), providers::read(name, table, &environment)?);
        }
        let mut builder = self.builder(self.fields(&read).await?).await?;
        for (name, provider) in read {
            if let Some(tls) = provider.tls {
                builder = builder.tls_options(name, tls);
            }
        }
        Ok(builder.build()?)
    }

    /// The key vault alone, for what leaves keys wrapped. No master key is read.
    pub(crate) async fn open_vault(&self) -> anyhow::Result<ClientEncryption> {
        // The client wants a provider; this one has wrapped nothing.
        let providers = LocalKey::generate()?.to_kms_providers();
        Ok(self.builder(providers).await?.build()?)
    }

    async fn builder(&self, providers: Document) -> anyhow::Result<ClientEncryptionBuilder> {
        let mut builder = ClientEncryption::builder(self.uri.connect().await?)
            .key_vault_namespace(&self.key_vault.value)
            .kms_providers(providers);
        if let Some(proxy) = &self.kms.proxy {
            let (host, port) = proxy
                .rsplit_once(':')
                .and_then(|(host, port)| Some((host, port.parse().ok()?)))
                .with_context(|| format!("[kms] proxy = \"{proxy}\" is not HOST:PORT"))?;
            builder = builder.kms_connect(Connect::HttpProxy(HttpProxy::new(host, port)));
        }
        if let Some(seconds) = self.kms.timeout_secs {
            builder = builder.kms_timeout(Duration::from_secs(seconds));
        }
        Ok(builder)
    }

    /// The providers of the file, and the local master key of flags and environment.
    async fn fields(&self, read: &BTreeMap<&str, Provider>) -> anyhow::Result<Document> {
        let mut providers = Document::new();
        for (name, provider) in read {
            let fields = match &provider.vault {
                Some(vault) => {
                    let key = vault.read().await.with_context(|| format!("[providers.{name}]"))?;
                    key.to_provider()
                }
                None => provider.fields.clone(),
            };
            providers.insert(*name, fields);
        }
        if let Some(path) = &self.master_key {
            let key = key_file(&path.value, self.allow_shared_master_key.value);
            let key = key.with_context(|| format!("the master key ({})", path.origin))?;
            providers.insert("local", key.to_provider());
        } else if let Some(source) = &self.local_key_from {
            let key = local_key_from(&source.value, self.allow_shared_master_key.value).await;
            let key = key.with_context(|| format!("the master key ({})", source.origin))?;
            providers.insert("local", key.to_provider());
        }
        if providers.is_empty() {
            bail!(
                "no master key: give its file with --master-key FILE (make one with `fieldveil \
                 keys generate-master-key --out FILE`), or name a key service in the \
                 configuration file"
            );
        }
        Ok(providers)
    }
}

/// The master key in a file, which other users may read only where that was allowed.
fn key_file(path: &Path, allow_shared: bool) -> Result<LocalKey, LocalKeyError> {
    if allow_shared { LocalKey::from_shared_file(path) } else { LocalKey::from_file(path) }
}

/// The local master key from a place that `--local-key-from` names.
async fn local_key_from(place: &str, allow_shared: bool) -> anyhow::Result<LocalKey> {
    match place.split_once(':').unwrap_or((place, "")) {
        ("file", path) => Ok(key_file(Path::new(path), allow_shared)?),
        ("env", variable) => Ok(LocalKey::from_env(variable)?),
        ("stdin", "") => Ok(LocalKey::from_stdin()?),
        ("vault", place) => VaultKey::parse(place, &environment)?.read().await,
        _ => bail!(
            "the place is none of file:PATH, env:VARIABLE, stdin, vault:kv:MOUNT/PATH#FIELD and \
             vault:transit:MOUNT/NAME#FILE"
        ),
    }
}

/// The places of a value, from strong to weak.
struct Layers<'a> {
    env: Environment<'a>,
    path: Option<&'a Path>,
}

impl Layers<'_> {
    fn pick<T: From<String>>(
        &self,
        flag: Option<T>,
        flag_name: &'static str,
        variable: &'static str,
        file: Option<T>,
    ) -> Option<Setting<T>> {
        self.pick_as(flag, flag_name, variable, T::from, file)
    }

    /// As [`pick`](Self::pick), with `read` for the text of the variable.
    fn pick_as<T>(
        &self,
        flag: Option<T>,
        flag_name: &'static str,
        variable: &'static str,
        read: impl FnOnce(String) -> T,
        file: Option<T>,
    ) -> Option<Setting<T>> {
        if let Some(value) = flag {
            return Some(Setting { value, origin: Origin::Flag(flag_name) });
        }
        if let Some(value) = (self.env)(variable) {
            return Some(Setting { value: read(value), origin: Origin::Environment(variable) });
        }
        let path = self.path.map(Path::to_owned)?;
        file.map(|value| Setting { value, origin: Origin::File(path) })
    }
}

fn default<T: From<String>>(value: &str) -> Setting<T> {
    Setting { value: value.to_owned().into(), origin: Origin::Default }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn args() -> VaultArgs {
        VaultArgs {
            config: None,
            uri: None,
            key_vault: None,
            master_key: None,
            local_key_from: None,
            allow_shared_master_key: false,
        }
    }

    #[test]
    fn flags_come_before_the_environment_and_this_before_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fieldveil.toml");
        fs::write(&path, "uri = 'file'\nkey_vault = 'file.k'\nmaster_key = 'file.bin'\n").unwrap();
        let env = |name: &str| match name {
            "FIELDVEIL_URI" | "FIELDVEIL_KEY_VAULT" => Some(format!("env of {name}")),
            _ => None,
        };
        let args = VaultArgs {
            config: Some(path.clone()),
            uri: Some("mongodb://flag".to_owned()),
            ..args()
        };
        let settings = VaultSettings::resolve(&args, &env).unwrap();
        assert_eq!(settings.uri.shown(), "mongodb://flag");
        assert_eq!(*settings.uri.origin(), Origin::Flag("--uri"));
        assert_eq!(settings.key_vault.value, "env of FIELDVEIL_KEY_VAULT");
        assert_eq!(settings.key_vault.origin, Origin::Environment("FIELDVEIL_KEY_VAULT"));
        let master_key = settings.master_key.unwrap();
        assert_eq!(master_key.value, Path::new("file.bin"));
        assert_eq!(master_key.origin, Origin::File(path));
    }

    #[tokio::test]
    async fn without_anything_there_are_defaults() {
        let settings = VaultSettings::resolve(&args(), &|_| None).unwrap();
        assert_eq!(*settings.uri.origin(), Origin::Default);
        assert_eq!(settings.key_vault.value, KEY_VAULT);
        let error = settings.fields(&BTreeMap::new()).await.unwrap_err();
        assert!(error.to_string().contains("--master-key FILE"), "{error}");
    }

    #[tokio::test]
    async fn a_local_key_comes_from_where_the_flag_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        LocalKey::generate().unwrap().write_new(&path).unwrap();
        let from = async |place: String| {
            let args = VaultArgs { local_key_from: Some(place), ..args() };
            VaultSettings::resolve(&args, &|_| None).unwrap().fields(&BTreeMap::new()).await
        };
        assert!(from(format!("file:{}", path.display())).await.unwrap().contains_key("local"));
        for (place, expected) in [
            ("env:FIELDVEIL_NO_SUCH_KEY", "is not set"),
            ("vault:kv:secret", "MOUNT/PATH#FIELD"),
            ("master-key.bin", "is none of"),
            ("stdin:x", "is none of"),
        ] {
            let error = format!("{:#}", from(place.to_owned()).await.unwrap_err());
            assert!(error.contains(expected) && error.contains("--local-key-from"), "{error}");
        }
    }
}
