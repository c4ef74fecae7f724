//! An access token of a Google Cloud instance, from its metadata service.
//!
//! Source: driver specification "Client Side Encryption", "Obtaining GCP Credentials".

use std::time::Duration;

use bson::doc;
use serde::Deserialize;

use super::{CredentialsError, Fetched, Variables, expiry};
use crate::kms::{connect::Connect, http::Request};

const WHAT: &str = "GCP credentials";
const PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
const TIMEOUT: Duration = Duration::from_secs(10);
const MARGIN: Duration = Duration::from_secs(60);

/// Where the metadata service is.
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Place {
    /// `GCE_METADATA_HOST` moves the service elsewhere.
    pub(super) fn from_environment(variables: &dyn Variables) -> Self {
        let host = variables
            .get("GCE_METADATA_HOST")
            .unwrap_or_else(|| "metadata.google.internal".to_owned());
        match host.rsplit_once(':').map(|(name, port)| (name.to_owned(), port.parse())) {
            Some((host, Ok(port))) => Self { host, port },
            _ => Self { host, port: 80 },
        }
    }
}

#[derive(Deserialize)]
struct Token {
    access_token: Option<String>,
    expires_in: Option<u64>,
}

pub(super) async fn fetch(place: &Place) -> Result<Fetched, CredentialsError> {
    let from = format!("http://{}:{}", place.host, place.port);
    let request = Request {
        method: "GET",
        host: &place.host,
        port: place.port,
        path: PATH,
        headers: vec![("Metadata-Flavor", "Google".to_owned().into())],
        body: None,
        connect: &Connect::Direct,
        tls: None,
        timeout: TIMEOUT,
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
    let missing =
        || CredentialsError::Answer { what: WHAT, from: from.clone(), field: "access_token" };
    let token: Token = serde_json::from_slice(&response.body).map_err(|_| missing())?;
    let access_token = token.access_token.ok_or_else(missing)?;
    // Without a lifetime the token is used once.
    let expires = token.expires_in.map(Duration::from_secs).and_then(|l| expiry(l, MARGIN));
    Ok(Fetched { fields: doc! { "accessToken": access_token }, expires })
}
