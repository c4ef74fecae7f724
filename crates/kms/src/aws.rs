//! AWS KMS: `Encrypt` and `Decrypt`, signed.

mod hashes;
mod sigv4;

pub(crate) use hashes::NativeHashes;
pub use hashes::RequestHashes;

use zeroize::Zeroizing;

use crate::KmsError;
use crate::encoding::to_base64;
use crate::endpoint::HTTPS_PORT;
use crate::http::HttpRequest;
use crate::master_key::AwsKey;
use crate::providers::AwsCredentials;
use crate::request::{Draft, RequestKind};

/// Asks the service to wrap a data key.
pub(crate) fn encrypt(
    key: &AwsKey,
    credentials: &AwsCredentials,
    plaintext: &[u8],
    wall_clock_ms: i64,
    hashes: &dyn RequestHashes,
) -> Result<Draft, KmsError> {
    let body = Zeroizing::new(format!(
        "{{\"Plaintext\": \"{}\", \"KeyId\": \"{}\"}}",
        *to_base64(plaintext),
        json_escaped(&key.key)
    ));
    let host = key.endpoint.as_ref().map(|endpoint| endpoint.host().to_owned());
    request(RequestKind::AwsEncrypt, key, credentials, host, body, wall_clock_ms, hashes)
}

/// Asks the service to unwrap a data key.
pub(crate) fn decrypt(
    key: &AwsKey,
    credentials: &AwsCredentials,
    key_material: &[u8],
    wall_clock_ms: i64,
    hashes: &dyn RequestHashes,
) -> Result<Draft, KmsError> {
    let body = Zeroizing::new(format!("{{\"CiphertextBlob\": \"{}\"}}", *to_base64(key_material)));
    // Unlike for encryption, the port is part of the host here. Other clients send it so.
    let host = key.endpoint.as_ref().map(ToString::to_string);
    request(RequestKind::AwsDecrypt, key, credentials, host, body, wall_clock_ms, hashes)
}

fn request(
    kind: RequestKind,
    key: &AwsKey,
    credentials: &AwsCredentials,
    host: Option<String>,
    body: Zeroizing<String>,
    wall_clock_ms: i64,
    hashes: &dyn RequestHashes,
) -> Result<Draft, KmsError> {
    if key.region.is_empty() || !key.region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(KmsError::Identifier {
            request: "KMS message",
            service: "AWS KMS",
            field: "region",
        });
    }
    let default_host = format!("kms.{}.amazonaws.com", key.region);
    let target = match kind {
        RequestKind::AwsEncrypt => "TrentService.Encrypt",
        _ => "TrentService.Decrypt",
    };
    let datetime = sigv4::datetime(wall_clock_ms);
    let mut http = HttpRequest::post("/", host.as_deref().unwrap_or(&default_host), body)
        .with("Content-Type", "application/x-amz-json-1.1")
        .with("X-Amz-Target", target)
        .with("X-Amz-Date", &datetime);
    if let Some(token) = &credentials.session_token {
        http = http.with_checked("X-Amz-Security-Token", token.expose())?;
    }
    let id = credentials.access_key_id.expose();
    if id.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(KmsError::HeaderCharacter("accessKeyId"));
    }
    let signer = sigv4::Signer {
        access_key_id: id,
        secret: credentials.secret_access_key.expose(),
        region: &key.region,
        service: "kms",
        datetime: &datetime,
        hashes,
    };
    let authorization = signer
        .authorization("POST", "/", &http.sorted_headers(), http.body())
        .map_err(KmsError::RequestHash)?;
    let endpoint = match &key.endpoint {
        Some(endpoint) => endpoint.with_default_port(HTTPS_PORT),
        None => format!("{default_host}:{HTTPS_PORT}"),
    };
    Ok(Draft { kind, endpoint, message: http.write(Some(&authorization)) })
}

/// `text` as it stands within a JSON string; an ARN stays as it is.
fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.trim_start_matches('"').strip_suffix('"').map(str::to_owned).unwrap_or_default()
}

#[cfg(test)]
mod tests;
