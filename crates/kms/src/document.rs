//! Reads options out of BSON documents, with the error texts that drivers know.

use bson::{RawBsonRef, RawDocument};
use zeroize::Zeroizing;

use crate::encoding::from_base64;
use crate::{ConfigError, Endpoint, SecretBytes, SecretText};

/// A document of options and the only fields it may have.
pub(crate) struct Options<'a> {
    document: &'a RawDocument,
}

impl<'a> Options<'a> {
    pub(crate) fn new(document: &'a RawDocument) -> Self {
        Self { document }
    }

    /// Fails on the first field that is not in `allowed`.
    pub(crate) fn allow_only(&self, allowed: &[&str]) -> Result<(), ConfigError> {
        for element in self.document {
            let (name, _) = element.map_err(|_| ConfigError::InvalidBson)?;
            if !allowed.contains(&name.as_str()) {
                return Err(ConfigError::UnexpectedField(name.as_str().to_owned()));
            }
        }
        Ok(())
    }

    fn find(&self, field: &str) -> Result<Option<RawBsonRef<'a>>, ConfigError> {
        self.document.get(field).map_err(|_| ConfigError::InvalidBson)
    }

    pub(crate) fn optional_text(
        &self,
        field: &'static str,
    ) -> Result<Option<&'a str>, ConfigError> {
        match self.find(field)? {
            None => Ok(None),
            Some(RawBsonRef::String(text)) => Ok(Some(text)),
            Some(_) => Err(ConfigError::ExpectedText(field)),
        }
    }

    pub(crate) fn text(&self, field: &'static str) -> Result<&'a str, ConfigError> {
        self.optional_text(field)?.ok_or(ConfigError::ExpectedText(field))
    }

    pub(crate) fn optional_secret(
        &self,
        field: &'static str,
    ) -> Result<Option<SecretText>, ConfigError> {
        Ok(self.optional_text(field)?.map(|text| SecretText::new(text.to_owned())))
    }

    pub(crate) fn secret(&self, field: &'static str) -> Result<SecretText, ConfigError> {
        Ok(SecretText::new(self.text(field)?.to_owned()))
    }

    pub(crate) fn optional_bool(&self, field: &'static str) -> Result<bool, ConfigError> {
        match self.find(field)? {
            None => Ok(false),
            Some(RawBsonRef::Boolean(value)) => Ok(value),
            Some(_) => Err(ConfigError::ExpectedBool(field)),
        }
    }

    pub(crate) fn optional_endpoint(
        &self,
        field: &'static str,
    ) -> Result<Option<Endpoint>, ConfigError> {
        self.optional_text(field)?.map(Endpoint::parse).transpose()
    }

    pub(crate) fn endpoint(&self, field: &'static str) -> Result<Endpoint, ConfigError> {
        self.optional_endpoint(field)?.ok_or(ConfigError::ExpectedEndpoint(field))
    }

    /// Bytes, or text in base64; empty is as good as absent.
    pub(crate) fn secret_bytes(&self, field: &'static str) -> Result<SecretBytes, ConfigError> {
        let bytes = match self.find(field)? {
            Some(RawBsonRef::Binary(binary)) => Zeroizing::new(binary.bytes.to_vec()),
            Some(RawBsonRef::String(text)) => {
                from_base64(text).ok_or(ConfigError::Base64(field))?
            }
            _ => return Err(ConfigError::ExpectedBinary(field)),
        };
        if bytes.is_empty() {
            return Err(ConfigError::ExpectedBinary(field));
        }
        Ok(SecretBytes::from(bytes))
    }
}
