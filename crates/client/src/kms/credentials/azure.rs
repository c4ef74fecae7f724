//! An access token of an Azure virtual machine, from its instance metadata service.
//!
//! Source: driver specification "Client Side Encryption", "Obtaining an Access Token for Azure Key
//! Vault".

use std::time::Duration;

use bson::doc;
use serde::Deserialize;

use super::{CredentialsError, Fetched, expiry};
use crate::kms::{connect::Connect, http::Request};

const WHAT: &str = "an Azure access token (Failed to acquire IMDS access token)";
const PATH: &str = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net%2F";
const TIMEOUT: Duration = Duration::from_secs(10);
/// A token is not used in its last minute.
const MARGIN: Duration = Duration::from_secs(60);

/// Where the metadata service is.
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) timeout: Duration,
}

impl Default for Place {
    fn default() -> Self {
        Self { host: "169.254.169.254".to_owned(), port: 80, timeout: TIMEOUT }
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: Option<String>,
    expires_in: Option<String>,
}

pub(super) async fn fetch(place: &Place) -> Result<Fetched, CredentialsError> {
    let from = format!("http://{}:{}", place.host, place.port);
    let request = Request {
        method: "GET",
        host: &place.host,
        port: place.port,
        path: PATH,
        headers: vec![
            ("Metadata", "true".to_owned().into()),
            ("Accept", "application/json".to_owned().into()),
        ],
        body: None,
        connect: &Connect::Direct,
        tls: None,
        timeout: place.timeout,
    };
    let response = request.send().await.map_err(|source| CredentialsError::Unreachable {
        what: WHAT,
        from: from.clone(),
        source,
    })?;
    if response.status != 200 {
        return Err(CredentialsError::Refused {
            what: WHAT,
            from,
            status: response.status,
            body: response.text(),
        });
    }
    let missing = |field| CredentialsError::Answer { what: WHAT, from: from.clone(), field };
    let token: Token =
        serde_json::from_slice(&response.body).map_err(|_| missing("access_token"))?;
    let access_token = token.access_token.ok_or_else(|| missing("access_token"))?;
    let lifetime = token
        .expires_in
        .and_then(|seconds| seconds.parse().ok())
        .map(Duration::from_secs)
        .ok_or_else(|| missing("expires_in"))?;
    Ok(Fetched { fields: doc! { "accessToken": access_token }, expires: expiry(lifetime, MARGIN) })
}
