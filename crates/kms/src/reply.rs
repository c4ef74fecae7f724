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
    /// What a KMIP server calls the key that it made or activated.
    UniqueIdentifier(String),
}

/// Reads a reply of a service that speaks HTTP.
pub(crate) fn read_http(kind: RequestKind, status: i32, body: &[u8]) -> Result<Reply, KmsError> {
    use RequestKind as Kind;
    match kind {
        Kind::AwsEncrypt => read_field(status, body, "CiphertextBlob"),
        Kind::AwsDecrypt => read_field(status, body, "Plaintext"),
        Kind::GcpEncrypt => read_field(status, body, "ciphertext"),
        Kind::GcpDecrypt => read_field(status, body, "plaintext"),
        Kind::AzureWrap | Kind::AzureUnwrap => read_azure(status, body),
        _ => read_token(status, body),
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

/// AWS and GCP: the status counts first, then the body has one field in base64.
fn read_field(status: i32, body: &[u8], field: &'static str) -> Result<Reply, KmsError> {
    if status != 200 {
        return Err(status_error(status, body));
    }
    let fields = Fields::parse(field, status, body)?;
    let Some(value) = fields.text else {
        return Err(KmsError::MissingField { field, status, body: shown(body) });
    };
    decoded(from_base64(&value), status, body)
}

/// Azure: the body counts first, as for a token.
fn read_azure(status: i32, body: &[u8]) -> Result<Reply, KmsError> {
    let fields = read_json_first(status, body, "value")?;
    let Some(value) = fields.text else {
        return Err(KmsError::MissingField { field: "value", status, body: shown(body) });
    };
    decoded(from_base64url(&value), status, body)
}

fn read_token(status: i32, body: &[u8]) -> Result<Reply, KmsError> {
    let fields = read_json_first(status, body, "access_token")?;
    match fields.text {
        Some(token) => {
            Ok(Reply::Token { token: SecretText::from(token), expires_in_secs: fields.expires_in })
        }
        None => Err(KmsError::NoAccessToken { status, body: shown(body) }),
    }
}

fn read_json_first(status: i32, body: &[u8], field: &'static str) -> Result<Fields, KmsError> {
    if body.is_empty() {
        return Err(KmsError::EmptyBody { status });
    }
    let fields = Fields::parse(field, status, body)?;
    if status != 200 {
        return Err(status_error(status, body));
    }
    Ok(fields)
}

fn decoded(bytes: Option<Zeroizing<Vec<u8>>>, status: i32, body: &[u8]) -> Result<Reply, KmsError> {
    match bytes {
        Some(bytes) => Ok(Reply::Bytes(SecretBytes::from(bytes))),
        None => Err(KmsError::Base64 { status, body: shown(body) }),
    }
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

/// A body for an error message.
fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

#[cfg(test)]
mod tests;
