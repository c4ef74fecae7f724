//! What a complete reply means.

use zeroize::Zeroizing;

use crate::encoding::{from_base64, from_base64url};
use crate::kmip;
use crate::request::RequestKind;
use crate::{KmsError, SecretBytes, SecretText};

mod json;

use json::Fields;

/// What a service answered.
pub(crate) enum Reply {
    /// A key, wrapped or unwrapped; or what a KMIP server keeps.
    Bytes(SecretBytes),
    /// A token, and for how many seconds it is good if the reply said so.
    Token { token: SecretText, expires_in_secs: Option<i64> },
    /// The token that the request carried is no longer good (status 401).
    TokenRefused,
    /// What a KMIP server calls the key that it made or activated.
    UniqueIdentifier(String),
}

/// Reads a reply of a service that speaks HTTP.
pub(crate) fn read_http(kind: RequestKind, status: i32, body: &[u8]) -> Result<Reply, KmsError> {
    use RequestKind as Kind;
    let answer = Answer { status, body, is_secret: kind.is_answered_by_secret() };
    match kind {
        Kind::AwsEncrypt => answer.field("CiphertextBlob"),
        Kind::AwsDecrypt => answer.field("Plaintext"),
        Kind::GcpEncrypt => answer.field("ciphertext"),
        Kind::GcpDecrypt => answer.field("plaintext"),
        Kind::AzureWrap | Kind::AzureUnwrap => answer.azure(),
        _ => answer.token(),
    }
}

/// Reads a reply of a KMIP server.
pub(crate) fn read_kmip(kind: RequestKind, message: &[u8]) -> Result<Reply, KmsError> {
    use RequestKind as Kind;
    let id = |what| kmip::reply::unique_identifier(message, what).map(Reply::UniqueIdentifier);
    match kind {
        // The text for an activated key is that for a registered one, as other clients have it.
        Kind::KmipRegister | Kind::KmipActivate => {
            id("UniqueIdentifer from KMIP Register response")
        }
        Kind::KmipCreate => id("UniqueIdentifer from KMIP Create response"),
        Kind::KmipGet => kmip::reply::secret_data(message).map(Reply::Bytes),
        Kind::KmipEncrypt => kmip::reply::encrypted(message).map(Reply::Bytes),
        _ => kmip::reply::decrypted(message).map(Reply::Bytes),
    }
}

/// An HTTP reply.
struct Answer<'a> {
    status: i32,
    body: &'a [u8],
    /// Whether a body with status 200 holds a token or an unwrapped key.
    is_secret: bool,
}

impl Answer<'_> {
    /// AWS and GCP: the status counts first, then the body has one field in base64.
    fn field(&self, field: &'static str) -> Result<Reply, KmsError> {
        if self.status != 200 {
            return Err(status_error(self.status, self.body));
        }
        let fields = self.parse(field)?;
        let value = fields.text.ok_or_else(|| self.missing(field))?;
        self.decoded(from_base64(&value))
    }

    /// Azure: the body counts first, as for a token.
    fn azure(&self) -> Result<Reply, KmsError> {
        let fields = self.json_first("value")?;
        let value = fields.text.ok_or_else(|| self.missing("value"))?;
        self.decoded(from_base64url(&value))
    }

    fn token(&self) -> Result<Reply, KmsError> {
        let fields = self.json_first("access_token")?;
        match fields.text {
            Some(token) => Ok(Reply::Token {
                token: SecretText::from(token),
                expires_in_secs: fields.expires_in,
            }),
            None => Err(KmsError::NoAccessToken { status: self.status, body: self.shown() }),
        }
    }

    fn json_first(&self, field: &'static str) -> Result<Fields, KmsError> {
        if self.body.is_empty() {
            return Err(KmsError::EmptyBody { status: self.status });
        }
        let fields = self.parse(field)?;
        if self.status != 200 {
            return Err(status_error(self.status, self.body));
        }
        Ok(fields)
    }

    fn parse(&self, field: &'static str) -> Result<Fields, KmsError> {
        Fields::parse(field, self.body).map_err(|reason| KmsError::Json {
            reason,
            status: self.status,
            body: self.shown(),
        })
    }

    fn decoded(&self, bytes: Option<Zeroizing<Vec<u8>>>) -> Result<Reply, KmsError> {
        match bytes {
            Some(bytes) => Ok(Reply::Bytes(SecretBytes::from(bytes))),
            None => Err(KmsError::Base64 { status: self.status, body: self.shown() }),
        }
    }

    fn missing(&self, field: &'static str) -> KmsError {
        KmsError::MissingField { field, status: self.status, body: self.shown() }
    }

    /// The body for an error message; errors end up in logs, so a secret is kept out.
    fn shown(&self) -> String {
        if self.is_secret && self.status == 200 {
            return format!("[{} bytes withheld, for they may hold a secret]", self.body.len());
        }
        shown(self.body)
    }
}

/// The name that AWS gives to an error, without its namespace.
pub(crate) fn aws_error_type(body: &[u8]) -> Option<String> {
    let name = Fields::parse("__type", body).ok()?.text?;
    Some(name.rsplit('#').next().unwrap_or_default().to_owned())
}

/// The error that a status other than 200 stands for.
pub(crate) fn status_error(status: i32, body: &[u8]) -> KmsError {
    if status < 400 {
        KmsError::UnsupportedStatus { status, body: shown(body) }
    } else if body.is_empty() {
        KmsError::StatusWithoutBody { status }
    } else {
        KmsError::Status { status, body: shown(body) }
    }
}

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

#[cfg(test)]
mod tests;
