//! `masterKey`: which key of which service wraps a data key.

use bson::raw::{CStr, cstr};
use bson::{RawDocument, RawDocumentBuf};

use crate::document::Options;
use crate::{ConfigError, Endpoint, KmsId, ProviderKind};

/// A key of a key service, by which data keys are wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterKey {
    id: KmsId,
    key: ServiceKey,
}

/// The part of a master key that only its kind of service knows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceKey {
    /// AWS KMS.
    Aws(AwsKey),
    /// Azure Key Vault.
    Azure(AzureKey),
    /// Google Cloud KMS.
    Gcp(GcpKey),
    /// A KMIP server.
    Kmip(KmipKey),
    /// The key is part of the provider's options.
    Local,
}

/// A key of AWS KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsKey {
    /// Region of the service.
    pub region: String,
    /// ARN of the key or of an alias.
    pub key: String,
    /// Where to ask, instead of `kms.<region>.amazonaws.com`.
    pub endpoint: Option<Endpoint>,
}

/// A key of Azure Key Vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureKey {
    /// The vault.
    pub key_vault_endpoint: Endpoint,
    /// The key.
    pub key_name: String,
    /// Its version; the current one if absent.
    pub key_version: Option<String>,
}

/// A key of Google Cloud KMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcpKey {
    /// The project.
    pub project_id: String,
    /// Where the key ring is.
    pub location: String,
    /// The key ring.
    pub key_ring: String,
    /// The key.
    pub key_name: String,
    /// Its version, for encryption only.
    pub key_version: Option<String>,
    /// Where to ask, instead of `cloudkms.googleapis.com`.
    pub endpoint: Option<Endpoint>,
}

/// A secret or a key that a KMIP server keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmipKey {
    /// Where to ask, instead of the provider's endpoint.
    pub endpoint: Option<Endpoint>,
    /// Whether the server itself wraps and unwraps.
    pub delegated: bool,
    /// Unique identifier; made by the server for a new data key if absent.
    pub key_id: Option<String>,
}

impl MasterKey {
    /// Reads a `masterKey` document, whose `provider` is a KMS id.
    ///
    /// # Errors
    /// An unknown provider; missing, mistyped and unknown fields.
    pub fn parse(document: &RawDocument) -> Result<Self, ConfigError> {
        let options = Options::new(document);
        let id = KmsId::parse(options.text("provider")?)?;
        let key = ServiceKey::parse(id.kind(), &options)?;
        Ok(Self { id, key })
    }

    /// A master key of the given provider; `None` if provider and key are of different kinds.
    pub fn new(id: KmsId, key: ServiceKey) -> Option<Self> {
        (key.kind() == id.kind()).then_some(Self { id, key })
    }

    /// The master key of the unnamed local provider.
    pub fn local() -> Self {
        Self { id: KmsId::unnamed(ProviderKind::Local), key: ServiceKey::Local }
    }

    /// The provider.
    pub fn id(&self) -> &KmsId {
        &self.id
    }

    /// What the provider knows the key by.
    pub fn key(&self) -> &ServiceKey {
        &self.key
    }

    /// Sets the identifier that a KMIP server gave to a new key; others keep what they have.
    pub(crate) fn set_kmip_key_id(&mut self, key_id: String) {
        if let ServiceKey::Kmip(key) = &mut self.key {
            key.key_id = Some(key_id);
        }
    }

    /// Checks that it can stand in a stored key document.
    ///
    /// # Errors
    /// `KmipKeyIdMissing`.
    pub fn check_stored(&self) -> Result<(), ConfigError> {
        match &self.key {
            ServiceKey::Kmip(KmipKey { key_id: None, .. }) => Err(ConfigError::KmipKeyIdMissing),
            _ => Ok(()),
        }
    }

    /// Writes the document for a key vault.
    ///
    /// # Errors
    /// `KmipKeyIdMissing`.
    pub fn to_raw(&self) -> Result<RawDocumentBuf, ConfigError> {
        self.check_stored()?;
        Ok(self.to_document())
    }

    /// Writes the document, with the fields in the order that other clients write. Without the
    /// identifier of a KMIP key that is still to be made it reads back, but cannot be stored.
    pub fn to_document(&self) -> RawDocumentBuf {
        let mut writer = Writer(RawDocumentBuf::new());
        writer.text(cstr!("provider"), self.id.as_str());
        match &self.key {
            ServiceKey::Aws(key) => {
                writer.text(cstr!("region"), &key.region);
                writer.text(cstr!("key"), &key.key);
                writer.endpoint(cstr!("endpoint"), key.endpoint.as_ref());
            }
            ServiceKey::Azure(key) => {
                writer.endpoint(cstr!("keyVaultEndpoint"), Some(&key.key_vault_endpoint));
                writer.text(cstr!("keyName"), &key.key_name);
                writer.optional(cstr!("keyVersion"), key.key_version.as_deref());
            }
            ServiceKey::Gcp(key) => {
                writer.text(cstr!("projectId"), &key.project_id);
                writer.text(cstr!("location"), &key.location);
                writer.text(cstr!("keyRing"), &key.key_ring);
                writer.text(cstr!("keyName"), &key.key_name);
                writer.optional(cstr!("keyVersion"), key.key_version.as_deref());
                writer.endpoint(cstr!("endpoint"), key.endpoint.as_ref());
            }
            ServiceKey::Kmip(key) => {
                writer.endpoint(cstr!("endpoint"), key.endpoint.as_ref());
                if key.delegated {
                    writer.0.append(cstr!("delegated"), true);
                }
                writer.optional(cstr!("keyId"), key.key_id.as_deref());
            }
            ServiceKey::Local => {}
        }
        writer.0
    }
}

impl ServiceKey {
    /// The kind of service that has such keys.
    pub fn kind(&self) -> ProviderKind {
        match self {
            Self::Aws(_) => ProviderKind::Aws,
            Self::Azure(_) => ProviderKind::Azure,
            Self::Gcp(_) => ProviderKind::Gcp,
            Self::Kmip(_) => ProviderKind::Kmip,
            Self::Local => ProviderKind::Local,
        }
    }

    fn parse(kind: ProviderKind, options: &Options<'_>) -> Result<Self, ConfigError> {
        let text = |field| options.text(field).map(str::to_owned);
        let optional = |field| Ok(options.optional_text(field)?.map(str::to_owned));
        Ok(match kind {
            ProviderKind::Aws => {
                let key = AwsKey {
                    key: text("key")?,
                    region: text("region")?,
                    endpoint: options.optional_endpoint("endpoint")?,
                };
                options.allow_only(&["provider", "key", "region", "endpoint"])?;
                Self::Aws(key)
            }
            ProviderKind::Azure => {
                let key = AzureKey {
                    key_vault_endpoint: options.endpoint("keyVaultEndpoint")?,
                    key_name: text("keyName")?,
                    key_version: optional("keyVersion")?,
                };
                options.allow_only(&["provider", "keyVaultEndpoint", "keyName", "keyVersion"])?;
                Self::Azure(key)
            }
            ProviderKind::Gcp => {
                let key = GcpKey {
                    endpoint: options.optional_endpoint("endpoint")?,
                    project_id: text("projectId")?,
                    location: text("location")?,
                    key_ring: text("keyRing")?,
                    key_name: text("keyName")?,
                    key_version: optional("keyVersion")?,
                };
                options.allow_only(&[
                    "provider",
                    "endpoint",
                    "projectId",
                    "location",
                    "keyRing",
                    "keyName",
                    "keyVersion",
                ])?;
                Self::Gcp(key)
            }
            ProviderKind::Kmip => {
                let endpoint =
                    options.optional_text("endpoint")?.map(Endpoint::parse_any_host).transpose()?;
                let key = KmipKey {
                    endpoint,
                    key_id: optional("keyId")?,
                    delegated: options.optional_bool("delegated")?,
                };
                options.allow_only(&["provider", "endpoint", "keyId", "delegated"])?;
                Self::Kmip(key)
            }
            ProviderKind::Local => {
                options.allow_only(&["provider"])?;
                Self::Local
            }
        })
    }
}

/// Appends fields in the order of the calls.
struct Writer(RawDocumentBuf);

impl Writer {
    fn text(&mut self, name: &CStr, value: &str) {
        self.0.append(name, value);
    }

    fn optional(&mut self, name: &CStr, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn endpoint(&mut self, name: &CStr, value: Option<&Endpoint>) {
        if let Some(value) = value {
            self.text(name, &value.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
