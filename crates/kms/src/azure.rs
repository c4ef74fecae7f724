//! Azure Key Vault: a token by OAuth, then `wrapkey` and `unwrapkey`.

use zeroize::Zeroizing;

use crate::encoding::to_base64url;
use crate::endpoint::HTTPS_PORT;
use crate::http::HttpRequest;
use crate::master_key::AzureKey;
use crate::providers::AzureSecret;
use crate::request::{Draft, RequestKind, check_identifier};
use crate::{Endpoint, KmsError, SecretText};

/// Where tokens come from unless the provider says otherwise.
const DEFAULT_IDENTITY_HOST: &str = "login.microsoftonline.com";

/// Asks for a token that is good for the key vault of `key`.
pub(crate) fn token(secret: &AzureSecret, key: &AzureKey) -> Result<Draft, KmsError> {
    check_identifier("KMS message", "Azure", "tenantId", &secret.tenant_id)?;
    let body = Zeroizing::new(format!(
        "client_id={}&scope=https%3A%2F%2F{}%2F.default&client_secret={}&grant_type=client_credentials",
        *form_encoded(secret.client_id.expose()),
        *form_encoded(key.key_vault_endpoint.domain()),
        *form_encoded(secret.client_secret.expose()),
    ));
    let (host, endpoint) =
        host_and_endpoint(secret.identity_platform_endpoint.as_ref(), DEFAULT_IDENTITY_HOST);
    let http = HttpRequest::post(format!("/{}/oauth2/v2.0/token", secret.tenant_id), &host, body)
        .with("Content-Type", "application/x-www-form-urlencoded")
        .with("Accept", "application/json");
    Ok(Draft { kind: RequestKind::AzureToken, endpoint, message: http.write(None) })
}

/// Asks the vault to wrap a data key.
pub(crate) fn wrap(key: &AzureKey, token: &SecretText, bytes: &[u8]) -> Result<Draft, KmsError> {
    operation(RequestKind::AzureWrap, key, token, bytes)
}

/// Asks the vault to unwrap a data key.
pub(crate) fn unwrap(key: &AzureKey, token: &SecretText, bytes: &[u8]) -> Result<Draft, KmsError> {
    operation(RequestKind::AzureUnwrap, key, token, bytes)
}

fn operation(
    kind: RequestKind,
    key: &AzureKey,
    token: &SecretText,
    bytes: &[u8],
) -> Result<Draft, KmsError> {
    let (verb, request) = match kind {
        RequestKind::AzureWrap => ("wrapkey", "KMS wrapkey message"),
        _ => ("unwrapkey", "KMS unwrapkey message"),
    };
    let version = key.key_version.as_deref().unwrap_or_default();
    check_identifier(request, "Azure", "keyName", &key.key_name)?;
    check_identifier(request, "Azure", "keyVersion", version)?;
    let body = Zeroizing::new(format!(
        "{{\"alg\": \"RSA-OAEP-256\", \"value\": \"{}\"}}",
        *to_base64url(bytes)
    ));
    let target = format!("/keys/{}/{version}/{verb}?api-version=7.1", key.key_name);
    let bearer = Zeroizing::new(format!("Bearer {}", token.expose()));
    let http = HttpRequest::post(target, key.key_vault_endpoint.host(), body)
        .with_checked("Authorization", &bearer)?
        .with("Content-Type", "application/json")
        .with("Accept", "application/json");
    let endpoint = key.key_vault_endpoint.with_default_port(HTTPS_PORT);
    Ok(Draft { kind, endpoint, message: http.write(None) })
}

/// The value of the `Host` header, and where to connect.
pub(crate) fn host_and_endpoint(endpoint: Option<&Endpoint>, default: &str) -> (String, String) {
    match endpoint {
        Some(endpoint) => (endpoint.host().to_owned(), endpoint.with_default_port(HTTPS_PORT)),
        None => (default.to_owned(), format!("{default}:{HTTPS_PORT}")),
    }
}

/// Percent-encodes what a form may not hold; ids and secrets of Azure mostly stay as they are.
fn form_encoded(text: &str) -> Zeroizing<String> {
    let mut encoded = Zeroizing::new(String::with_capacity(text.len() * 3));
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> AzureKey {
        AzureKey {
            key_vault_endpoint: Endpoint::parse("https://example.vault.azure.net/").unwrap(),
            key_name: "key".into(),
            key_version: None,
        }
    }

    fn secret() -> AzureSecret {
        AzureSecret {
            tenant_id: "tenant".into(),
            client_id: SecretText::new("client".into()),
            client_secret: SecretText::new("a~b&c".into()),
            identity_platform_endpoint: None,
        }
    }

    fn text(draft: &Draft) -> &str {
        std::str::from_utf8(draft.message.expose()).unwrap()
    }

    #[test]
    fn token_request_is_exact() {
        let draft = token(&secret(), &key()).unwrap();
        assert_eq!(draft.endpoint, "login.microsoftonline.com:443");
        assert_eq!(
            text(&draft),
            "POST /tenant/oauth2/v2.0/token HTTP/1.1\r\n\
             Accept:application/json\r\n\
             Connection:close\r\n\
             Content-Length:115\r\n\
             Content-Type:application/x-www-form-urlencoded\r\n\
             Host:login.microsoftonline.com\r\n\
             \r\n\
             client_id=client&scope=https%3A%2F%2Fvault.azure.net%2F.default&client_secret=a~b%26c\
             &grant_type=client_credentials"
        );
    }

    #[test]
    fn unwrap_request_is_exact() {
        let draft = unwrap(&key(), &SecretText::new("T".into()), &[0xfb, 0xff]).unwrap();
        assert_eq!(draft.endpoint, "example.vault.azure.net:443");
        assert_eq!(
            text(&draft),
            "POST /keys/key//unwrapkey?api-version=7.1 HTTP/1.1\r\n\
             Accept:application/json\r\n\
             Authorization:Bearer T\r\n\
             Connection:close\r\n\
             Content-Length:40\r\n\
             Content-Type:application/json\r\n\
             Host:example.vault.azure.net\r\n\
             \r\n\
             {\"alg\": \"RSA-OAEP-256\", \"value\": \"-_8=\"}"
        );
    }

    #[test]
    fn a_version_is_part_of_the_path() {
        let mut key = key();
        key.key_version = Some("v1".into());
        let draft = wrap(&key, &SecretText::new("T".into()), b"foobar").unwrap();
        assert!(text(&draft).starts_with("POST /keys/key/v1/wrapkey?api-version=7.1 HTTP/1.1\r\n"));
    }

    #[test]
    fn options_cannot_change_the_request() {
        let mut bad = key();
        bad.key_name = "a/b".into();
        let error = wrap(&bad, &SecretText::new("T".into()), b"foobar").err().unwrap();
        assert_eq!(
            error.to_string(),
            "error constructing KMS wrapkey message: Invalid character in Azure key identifier: \
             keyName"
        );
        assert!(wrap(&key(), &SecretText::new("a\nb".into()), b"foobar").is_err());
        let mut bad = secret();
        bad.tenant_id = "a b".into();
        assert!(token(&bad, &key()).is_err());
    }
}
