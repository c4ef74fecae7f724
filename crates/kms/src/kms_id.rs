//! Names of KMS providers: `aws`, or named, `aws:eu`.

use std::fmt;
use std::sync::Arc;

use crate::ConfigError;

/// The five kinds of key services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// AWS KMS.
    Aws,
    /// Azure Key Vault.
    Azure,
    /// Google Cloud KMS.
    Gcp,
    /// A KMIP server.
    Kmip,
    /// A 96-byte key that the application itself holds.
    Local,
}

impl ProviderKind {
    const ALL: [Self; 5] = [Self::Aws, Self::Azure, Self::Gcp, Self::Kmip, Self::Local];

    /// The type as it is written in a `kmsProviders` document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
            Self::Kmip => "kmip",
            Self::Local => "local",
        }
    }
}

/// `<type>` or `<type>:<name>`, where the name is one or more of `[a-zA-Z0-9_]`.
///
/// It is the key in a `kmsProviders` document and the value of `masterKey.provider`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KmsId {
    kind: ProviderKind,
    text: Arc<str>,
}

impl KmsId {
    /// Reads `text`.
    ///
    /// # Errors
    /// `UnknownType`, `EmptyName` or `UnsupportedCharacter`.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let (kind_text, name) = match text.split_once(':') {
            Some((kind, name)) => (kind, Some(name)),
            None => (text, None),
        };
        let Some(kind) = ProviderKind::ALL.into_iter().find(|kind| kind.name() == kind_text) else {
            return Err(ConfigError::UnknownType(text.to_owned()));
        };
        if let Some(name) = name {
            if name.is_empty() {
                return Err(ConfigError::EmptyName(text.to_owned()));
            }
            if let Some(character) = name.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '_')
            {
                return Err(ConfigError::UnsupportedCharacter {
                    kmsid: text.to_owned(),
                    character,
                });
            }
        }
        Ok(Self { kind, text: text.into() })
    }

    /// The unnamed provider of a kind.
    pub fn unnamed(kind: ProviderKind) -> Self {
        Self { kind, text: kind.name().into() }
    }

    /// The kind of service.
    pub fn kind(&self) -> ProviderKind {
        self.kind
    }

    /// The whole id, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it has a `:<name>`; such a provider has no on-demand credentials.
    pub fn is_named(&self) -> bool {
        self.text.len() != self.kind.name().len()
    }
}

impl fmt::Display for KmsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        KmsId::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn names_are_kept_whole() {
        let id = KmsId::parse("aws:eu_1").unwrap();
        assert_eq!((id.kind(), id.as_str(), id.is_named()), (ProviderKind::Aws, "aws:eu_1", true));
        assert!(!KmsId::parse("kmip").unwrap().is_named());
    }

    #[test]
    fn errors_have_the_texts_that_drivers_know() {
        let help = "Expected `<type>` or `<type>:<name>`. Example: `local` or `local:name`.";
        assert_eq!(
            error("foo"),
            format!("unrecognized KMS provider `foo`: unrecognized type. {help}")
        );
        assert_eq!(error("aws:"), format!("unrecognized KMS provider `aws:`: empty name. {help}"));
        assert_eq!(
            error("aws:a-b"),
            "unrecognized KMS provider `aws:a-b`: unsupported character `-`. Must be of the form \
             `<provider type>:<name>` where `<name>` only contain characters [a-zA-Z0-9_]"
        );
        assert!(error("").contains("unrecognized type"));
        assert!(error("aws:a:b").contains("unsupported character `:`"));
    }
}
