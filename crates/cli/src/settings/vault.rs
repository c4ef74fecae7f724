//! A local master key that HashiCorp Vault keeps (KV v2) or guards (Transit).

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use fieldveil::{
    LocalKey,
    vault::{KvSecret, TransitKey, Vault, VaultAuth},
};
use mongodb::options::TlsOptions;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Environment, providers::Source};

/// A ciphertext of Transit for 96 bytes has some 180 characters.
const MAX_CIPHERTEXT: u64 = 4096;

/// The table `key.vault` of a local provider. What it does not say comes from the environment
/// variables that Vault's own program knows.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VaultTable {
    /// `MOUNT/PATH#FIELD`.
    kv: Option<String>,
    /// `MOUNT/NAME`.
    transit: Option<String>,
    ciphertext: Option<String>,
    ciphertext_file: Option<PathBuf>,
    address: Option<String>,
    namespace: Option<String>,
    token: Option<Source>,
    role_id: Option<String>,
    secret_id: Option<Source>,
    ca_file: Option<PathBuf>,
}

/// A server, and what it has for us.
#[derive(Debug)]
pub(crate) struct VaultKey {
    vault: Vault,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Kv(KvSecret),
    Transit(TransitKey, Ciphertext),
}

#[derive(Debug)]
enum Ciphertext {
    Given(String),
    File(PathBuf),
}

impl VaultTable {
    pub(super) fn key(self, env: Environment<'_>) -> anyhow::Result<VaultKey> {
        let place = match (&self.kv, &self.transit, &self.ciphertext, &self.ciphertext_file) {
            (Some(kv), None, None, None) => Place::Kv(kv_secret(kv)?),
            (None, Some(name), Some(text), None) => {
                Place::Transit(transit_key(name)?, Ciphertext::Given(text.clone()))
            }
            (None, Some(name), None, Some(file)) => {
                Place::Transit(transit_key(name)?, Ciphertext::File(file.clone()))
            }
            _ => bail!(
                "say where Vault has the key: kv = \"MOUNT/PATH#FIELD\", or transit = \"MOUNT/NAME\" \
                 with ciphertext_file = \"..\" (or ciphertext = \"vault:v1:..\")"
            ),
        };
        Ok(VaultKey { vault: self.server(env)?, place })
    }

    fn server(self, env: Environment<'_>) -> anyhow::Result<Vault> {
        let address = self.address.or_else(|| env("VAULT_ADDR"));
        let address =
            address.context("no address of Vault: set VAULT_ADDR, or key.vault.address")?;
        let mut builder = Vault::builder(address);
        if let Some(auth) = auth(self.token, self.role_id, self.secret_id, env)? {
            builder = builder.auth(auth);
        }
        if let Some(namespace) = self.namespace.or_else(|| env("VAULT_NAMESPACE")) {
            builder = builder.namespace(namespace);
        }
        if let Some(file) = self.ca_file.or_else(|| env("VAULT_CACERT").map(PathBuf::from)) {
            let mut tls = TlsOptions::default();
            tls.ca_file_path = Some(file);
            builder = builder.tls_options(tls);
        }
        Ok(builder.build()?)
    }
}

impl VaultKey {
    /// Reads `kv:MOUNT/PATH#FIELD` or `transit:MOUNT/NAME#FILE`, where FILE holds the ciphertext.
    pub(crate) fn parse(text: &str, env: Environment<'_>) -> anyhow::Result<Self> {
        let place = match text.split_once(':') {
            Some(("kv", place)) => Place::Kv(kv_secret(place)?),
            Some(("transit", place)) => {
                let (name, file) = place.rsplit_once('#').with_context(|| {
                    format!("'{place}' is not MOUNT/NAME#FILE, where FILE holds the ciphertext")
                })?;
                Place::Transit(transit_key(name)?, Ciphertext::File(file.into()))
            }
            _ => bail!(
                "'vault:{text}' is neither vault:kv:MOUNT/PATH#FIELD nor vault:transit:MOUNT/NAME#FILE"
            ),
        };
        Ok(Self { vault: VaultTable::default().server(env)?, place })
    }

    pub(crate) async fn read(&self) -> anyhow::Result<LocalKey> {
        Ok(match &self.place {
            Place::Kv(secret) => self.vault.read_local_key(secret).await?,
            Place::Transit(key, Ciphertext::Given(text)) => {
                self.vault.unwrap_local_key(key, text).await?
            }
            Place::Transit(key, Ciphertext::File(file)) => {
                self.vault.unwrap_local_key(key, &ciphertext(file)?).await?
            }
        })
    }

    /// Puts a new key there; one that is there already is never overwritten.
    pub(crate) async fn write(&self, key: &LocalKey) -> anyhow::Result<()> {
        match &self.place {
            Place::Kv(secret) => Ok(self.vault.write_local_key(secret, key).await?),
            Place::Transit(name, Ciphertext::File(file)) => {
                let text = self.vault.wrap_local_key(name, key).await?;
                write_new(file, &text).with_context(|| format!("the file {}", file.display()))
            }
            Place::Transit(_, Ciphertext::Given(_)) => bail!("a file is needed for the ciphertext"),
        }
    }
}

fn auth(
    token: Option<Source>,
    role_id: Option<String>,
    secret_id: Option<Source>,
    env: Environment<'_>,
) -> anyhow::Result<Option<VaultAuth>> {
    if let Some(token) = token {
        return Ok(Some(VaultAuth::token(token.read(env)?.as_str())));
    }
    let role = role_id.or_else(|| env("VAULT_ROLE_ID"));
    let secret = match secret_id {
        Some(source) => Some(source.read(env)?),
        None => env("VAULT_SECRET_ID").map(Zeroizing::new),
    };
    match (role, secret) {
        (Some(role), Some(secret)) => Ok(Some(VaultAuth::app_role(role, secret.as_str()))),
        (None, None) => Ok(env("VAULT_TOKEN").map(VaultAuth::token)),
        _ => bail!("a role id and a secret id of Vault go together (AppRole)"),
    }
}

fn kv_secret(text: &str) -> anyhow::Result<KvSecret> {
    let parts = text.split_once('#').and_then(|(place, field)| {
        let (mount, path) = place.split_once('/')?;
        Some((mount, path, field)).filter(|(_, _, field)| !field.is_empty())
    });
    let (mount, path, field) =
        parts.with_context(|| format!("'{text}' is not MOUNT/PATH#FIELD"))?;
    Ok(KvSecret::new(mount, path, field))
}

fn transit_key(text: &str) -> anyhow::Result<TransitKey> {
    let (mount, name) =
        text.rsplit_once('/').with_context(|| format!("'{text}' is not MOUNT/NAME"))?;
    Ok(TransitKey::new(mount, name))
}

fn ciphertext(file: &Path) -> anyhow::Result<String> {
    let context = || format!("the file {} with the ciphertext", file.display());
    let length = fs::metadata(file).with_context(context)?.len();
    if length > MAX_CIPHERTEXT {
        bail!("{} is too long for a ciphertext of a master key", file.display());
    }
    fs::read_to_string(file).with_context(context)
}

fn write_new(file: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create_new(file)?;
    // Without a line end, so that `vault write ciphertext=@FILE` takes it as it is.
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        let value = match name {
            "VAULT_ADDR" => "https://vault.example.internal",
            "VAULT_TOKEN" => "hvs.T",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn error(result: anyhow::Result<VaultKey>) -> String {
        format!("{:#}", result.err().unwrap())
    }

    fn table(toml: &str, env: Environment<'_>) -> anyhow::Result<VaultKey> {
        let table: toml::Table = toml.parse().unwrap();
        VaultTable::deserialize(table)?.key(env)
    }

    #[test]
    fn places_are_read_from_text() {
        for text in ["kv:secret/fieldveil#key", "kv:secret/a/b#k", "transit:transit/k#m.vault"] {
            assert!(VaultKey::parse(text, &env).is_ok(), "{text}");
        }
        for text in ["kv:secret#key", "kv:secret/a", "kv:secret/a#", "transit:transit/k", "x"] {
            assert!(VaultKey::parse(text, &env).is_err(), "{text}");
        }
    }

    #[test]
    fn server_and_token_come_from_the_table_or_the_environment() {
        assert!(table("kv = 'secret/a#k'", &env).is_ok());
        let none = |_: &str| None;
        assert!(error(table("kv = 'secret/a#k'", &none)).contains("VAULT_ADDR"));
        let with_address = "kv = 'secret/a#k'\naddress = 'https://v'";
        assert!(error(table(with_address, &none)).contains("token"));
        let app_role = format!("{with_address}\nrole_id = 'r'\nsecret_id.env = 'VAULT_TOKEN'");
        assert!(table(&app_role, &env).is_ok());
        assert!(error(table(&format!("{with_address}\nrole_id = 'r'"), &env)).contains("AppRole"));
    }

    #[test]
    fn halves_and_both_places_are_errors() {
        for toml in [
            "",
            "kv = 'secret/a#k'\ntransit = 'transit/k'",
            "transit = 'transit/k'",
            "transit = 'transit/k'\nciphertext = 'x'\nciphertext_file = 'y'",
            "kv = 'secret/a#k'\nunknown = 1",
        ] {
            assert!(table(toml, &env).is_err(), "{toml}");
        }
        assert!(table("transit = 'transit/k'\nciphertext = 'vault:v1:x'", &env).is_ok());
    }
}
