//! Google Cloud KMS: a token for a signed assertion, then `encrypt` and `decrypt`.

use rsa::PrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding, Signer};
use zeroize::Zeroizing;

use crate::azure::host_and_endpoint;
use crate::encoding::{to_base64, to_base64url};
use crate::http::HttpRequest;
use crate::master_key::GcpKey;
use crate::providers::GcpServiceAccount;
use crate::request::{Draft, RequestKind, check_identifier};
use crate::{KmsError, SecretText};

/// Where tokens come from unless the provider says otherwise.
const DEFAULT_TOKEN_HOST: &str = "oauth2.googleapis.com";
/// The service unless the master key says otherwise.
const DEFAULT_HOST: &str = "cloudkms.googleapis.com";
/// How long an assertion is good for; the service allows an hour.
const ASSERTION_SECS: i64 = 300;
/// `{"alg":"RS256","typ":"JWT"}`.
const JWT_HEADER: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";

/// Signs for a service account in place of this crate: the seam for a C caller's own RSA.
pub trait Rs256Signer {
    /// RSASSA-PKCS1-v1_5 with SHA-256 over `message`; the key is PKCS#8 in DER.
    ///
    /// # Errors
    /// The signer's own words.
    fn sign(&self, private_key: &[u8], message: &[u8]) -> Result<Vec<u8>, String>;
}

/// The signer that is used unless another one is given.
pub(crate) struct NativeSigner;

impl Rs256Signer for NativeSigner {
    fn sign(&self, private_key: &[u8], message: &[u8]) -> Result<Vec<u8>, String> {
        let key = PrivateKey::from_pkcs8_der(private_key)
            .map_err(|error| format!("private key is not RSA in PKCS#8: {error}"))?;
        let signature =
            SigningKey::<Sha256>::new(key).try_sign(message).map_err(|error| error.to_string())?;
        Ok(signature.to_vec())
    }
}

/// Asks for a token that is good for the service of `key`.
pub(crate) fn token(
    account: &GcpServiceAccount,
    key: &GcpKey,
    wall_clock_ms: i64,
    signer: &dyn Rs256Signer,
) -> Result<Draft, KmsError> {
    let (host, endpoint) = host_and_endpoint(account.endpoint.as_ref(), DEFAULT_TOKEN_HOST);
    let domain = key.endpoint.as_ref().map_or("googleapis.com", |endpoint| endpoint.domain());
    let issued_at = wall_clock_ms.div_euclid(1000);
    let claims = format!(
        "{{\"iss\": {}, \"aud\": \"https://{host}/token\", \"scope\": \
         \"https://www.{domain}/auth/cloudkms\", \"iat\": {issued_at}, \"exp\": {}}}",
        serde_json::Value::from(account.email.as_str()),
        issued_at + ASSERTION_SECS
    );
    let unsigned = format!("{JWT_HEADER}.{}", *to_base64url(claims.as_bytes()));
    let signature = signer
        .sign(account.private_key.expose(), unsigned.as_bytes())
        .map_err(KmsError::Signature)?;
    let body = Zeroizing::new(format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={unsigned}.{}",
        *to_base64url(&signature)
    ));
    let http = HttpRequest::post("/token", &host, body)
        .with("Content-Type", "application/x-www-form-urlencoded")
        .with("Accept", "application/json");
    Ok(Draft { kind: RequestKind::GcpToken, endpoint, message: http.write(None) })
}

/// Asks the service to wrap a data key.
pub(crate) fn encrypt(key: &GcpKey, token: &SecretText, bytes: &[u8]) -> Result<Draft, KmsError> {
    operation(RequestKind::GcpEncrypt, key, token, bytes)
}

/// Asks the service to unwrap a data key.
pub(crate) fn decrypt(key: &GcpKey, token: &SecretText, bytes: &[u8]) -> Result<Draft, KmsError> {
    operation(RequestKind::GcpDecrypt, key, token, bytes)
}

fn operation(
    kind: RequestKind,
    key: &GcpKey,
    token: &SecretText,
    bytes: &[u8],
) -> Result<Draft, KmsError> {
    let (verb, field, request) = match kind {
        RequestKind::GcpEncrypt => ("encrypt", "plaintext", "GCP KMS encrypt message"),
        _ => ("decrypt", "ciphertext", "GCP KMS decrypt message"),
    };
    // A version is for encryption only; the service knows by itself which one decrypts.
    let version = match kind {
        RequestKind::GcpEncrypt => key.key_version.as_deref().unwrap_or_default(),
        _ => "",
    };
    for (name, value) in [
        ("projectId", key.project_id.as_str()),
        ("location", &key.location),
        ("keyRing", &key.key_ring),
        ("keyName", &key.key_name),
        ("keyVersion", version),
    ] {
        check_identifier(request, "GCP KMS", name, value)?;
    }
    let mut target = format!(
        "/v1/projects/{}/locations/{}/keyRings/{}/cryptoKeys/{}",
        key.project_id, key.location, key.key_ring, key.key_name
    );
    if !version.is_empty() {
        target.push_str("/cryptoKeyVersions/");
        target.push_str(version);
    }
    target.push(':');
    target.push_str(verb);
    let body = Zeroizing::new(format!("{{\"{field}\": \"{}\"}}", *to_base64(bytes)));
    let bearer = Zeroizing::new(format!("Bearer {}", token.expose()));
    let (host, endpoint) = host_and_endpoint(key.endpoint.as_ref(), DEFAULT_HOST);
    let http = HttpRequest::post(target, &host, body)
        .with_checked("Authorization", &bearer)?
        .with("Content-Type", "application/json")
        .with("Accept", "application/json");
    Ok(Draft { kind, endpoint, message: http.write(None) })
}

#[cfg(test)]
mod tests;
