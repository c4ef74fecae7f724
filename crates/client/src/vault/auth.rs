//! Who asks Vault.

use std::fmt;

use fieldveil_kms::SecretText;
use zeroize::Zeroizing;

use super::{VaultError, address};

/// How the application proves to Vault who it is.
pub struct VaultAuth(Kind);

enum Kind {
    Token(SecretText),
    AppRole { mount: String, role_id: SecretText, secret_id: SecretText },
}

/// What has to be done to get a token.
pub(super) enum Login<'a> {
    /// Nothing.
    Token(&'a str),
    /// This request.
    AppRole { path: String, body: Zeroizing<String> },
}

impl VaultAuth {
    /// By a token.
    pub fn token(token: impl Into<String>) -> Self {
        Self(Kind::Token(SecretText::new(token.into())))
    }

    /// By AppRole, at its usual mount `approle`. A new token is asked for each time.
    pub fn app_role(role_id: impl Into<String>, secret_id: impl Into<String>) -> Self {
        Self::app_role_at("approle", role_id, secret_id)
    }

    /// By AppRole at another mount, below `auth/`.
    pub fn app_role_at(
        mount: impl Into<String>,
        role_id: impl Into<String>,
        secret_id: impl Into<String>,
    ) -> Self {
        Self(Kind::AppRole {
            mount: mount.into(),
            role_id: SecretText::new(role_id.into()),
            secret_id: SecretText::new(secret_id.into()),
        })
    }

    /// Refuses a token that would end its header.
    pub(super) fn check(&self) -> Result<(), VaultError> {
        match &self.0 {
            Kind::Token(token)
                if token.expose().is_empty()
                    || token.expose().bytes().any(|b| !b.is_ascii_graphic()) =>
            {
                Err(VaultError::Character { what: "token" })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn login(&self) -> Result<Login<'_>, VaultError> {
        match &self.0 {
            Kind::Token(token) => Ok(Login::Token(token.expose())),
            Kind::AppRole { mount, role_id, secret_id } => {
                let mount = address::path("AppRole mount", mount)?;
                let body = Zeroizing::new(format!(
                    r#"{{"role_id": {}, "secret_id": {}}}"#,
                    *quoted(role_id),
                    *quoted(secret_id)
                ));
                Ok(Login::AppRole { path: format!("auth/{mount}/login"), body })
            }
        }
    }
}

impl fmt::Debug for VaultAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Token(_) => "Token([redacted])",
            Kind::AppRole { .. } => "AppRole([redacted])",
        })
    }
}

/// As a JSON string.
fn quoted(text: &SecretText) -> Zeroizing<String> {
    Zeroizing::new(serde_json::to_string(text.expose()).unwrap_or_default())
}
