//! AWS credentials from where AWS puts them: the environment, a web identity, the container's or
//! the instance's metadata service, in this order.
//!
//! Sources: driver specification "Authentication", "Obtaining credentials" for MONGODB-AWS; AWS
//! Security Token Service, AssumeRoleWithWebIdentity.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bson::{DateTime, Document, doc};
use rustls::ClientConfig;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{CredentialsError, Fetched, Variables, expiry};
use crate::kms::http::{Request, Response};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Temporary credentials are renewed five minutes before they expire.
const MARGIN: Duration = Duration::from_secs(300);
const REMEDY: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a web \
                      identity, a container role or an instance role";

/// Where the metadata services are.
pub(super) struct Places {
    pub(super) container: (String, u16),
    pub(super) instance: (String, u16),
    /// Host and port of the token service, instead of the region's.
    pub(super) sts: Option<(String, u16)>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            container: ("169.254.170.2".to_owned(), 80),
            instance: ("169.254.169.254".to_owned(), 80),
            sts: None,
        }
    }
}

pub(super) async fn fetch(
    places: &Places,
    variables: &dyn Variables,
    tls: Arc<ClientConfig>,
) -> Result<Fetched, CredentialsError> {
    if let Some(found) = from_environment(variables) {
        return Ok(found);
    }
    if let (Some(file), Some(role)) =
        (variables.get("AWS_WEB_IDENTITY_TOKEN_FILE"), variables.get("AWS_ROLE_ARN"))
    {
        return from_web_identity(places, variables, tls, file, &role).await;
    }
    if let Some(path) = variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        return from_container(&places.container, &path).await;
    }
    from_instance(&places.instance).await
}

fn from_environment(variables: &dyn Variables) -> Option<Fetched> {
    let mut fields = doc! {
        "accessKeyId": variables.get("AWS_ACCESS_KEY_ID")?,
        "secretAccessKey": variables.get("AWS_SECRET_ACCESS_KEY")?,
    };
    if let Some(token) = variables.get("AWS_SESSION_TOKEN") {
        fields.insert("sessionToken", token);
    }
    // The environment is looked at each time.
    Some(Fetched { fields, expires: None })
}

/// Temporary credentials as the metadata services and the token service spell them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Temporary {
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    #[serde(alias = "SessionToken")]
    token: Option<String>,
    expiration: Option<Expiration>,
}

/// A date as text (metadata) or in seconds since 1970 (token service).
#[derive(Deserialize)]
#[serde(untagged)]
enum Expiration {
    Text(String),
    Seconds(f64),
}

impl Temporary {
    fn fetched(self, what: &'static str, from: String) -> Result<Fetched, CredentialsError> {
        let missing = |field| CredentialsError::Answer { what, from: from.clone(), field };
        let mut fields = Document::new();
        fields.insert("accessKeyId", self.access_key_id.ok_or_else(|| missing("AccessKeyId"))?);
        fields.insert(
            "secretAccessKey",
            self.secret_access_key.ok_or_else(|| missing("SecretAccessKey"))?,
        );
        if let Some(token) = self.token {
            fields.insert("sessionToken", token);
        }
        let expires = self.expiration.and_then(|at| at.lifetime()).and_then(|l| expiry(l, MARGIN));
        Ok(Fetched { fields, expires })
    }
}

impl Expiration {
    fn lifetime(&self) -> Option<Duration> {
        let since_epoch = match self {
            Self::Text(text) => {
                let at = DateTime::parse_rfc3339_str(text).ok()?;
                Duration::from_millis(u64::try_from(at.timestamp_millis()).ok()?)
            }
            Self::Seconds(seconds) => Duration::try_from_secs_f64(*seconds).ok()?,
        };
        since_epoch.checked_sub(SystemTime::now().duration_since(UNIX_EPOCH).ok()?)
    }
}

async fn from_web_identity(
    places: &Places,
    variables: &dyn Variables,
    tls: Arc<ClientConfig>,
    file: String,
    role: &str,
) -> Result<Fetched, CredentialsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Reply {
        assume_role_with_web_identity_response: Outer,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Outer {
        assume_role_with_web_identity_result: Inner,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Inner {
        credentials: Temporary,
    }
    const WHAT: &str = "AWS credentials for a web identity";

    let token = tokio::fs::read_to_string(&file).await.map(Zeroizing::new).map_err(|source| {
        CredentialsError::TokenFile { variable: "AWS_WEB_IDENTITY_TOKEN_FILE", path: file, source }
    })?;
    let session = variables.get("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "fieldveil".to_owned());
    let path = Zeroizing::new(format!(
        "/?Action=AssumeRoleWithWebIdentity&RoleSessionName={}&RoleArn={}&WebIdentityToken={}&Version=2011-06-15",
        percent_encode(&session),
        percent_encode(role),
        percent_encode(token.trim()),
    ));
    let (host, port) = places.sts.clone().unwrap_or_else(|| match variables.get("AWS_REGION") {
        Some(region) => (format!("sts.{region}.amazonaws.com"), 443),
        None => ("sts.amazonaws.com".to_owned(), 443),
    });
    let place = (host, port);
    let headers = vec![("Accept", "application/json".to_owned().into())];
    let response = ask(WHAT, "GET", &place, &path, headers, Some(tls)).await?;
    let reply: Reply = parse(WHAT, &place, &response)?;
    let inner = reply.assume_role_with_web_identity_response.assume_role_with_web_identity_result;
    inner.credentials.fetched(WHAT, place.0)
}

async fn from_container(place: &(String, u16), path: &str) -> Result<Fetched, CredentialsError> {
    const WHAT: &str = "AWS credentials of the container";
    let response = ask(WHAT, "GET", place, path, Vec::new(), None).await?;
    parse::<Temporary>(WHAT, place, &response)?.fetched(WHAT, place.0.clone())
}

/// Instance metadata, version 2: a token first, then the role's name, then its credentials.
async fn from_instance(place: &(String, u16)) -> Result<Fetched, CredentialsError> {
    const WHAT: &str = "AWS credentials of the instance";
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let lifetime = vec![("X-aws-ec2-metadata-token-ttl-seconds", "30".to_owned().into())];
    let token = match ask(WHAT, "PUT", place, "/latest/api/token", lifetime, None).await {
        Ok(response) => Zeroizing::new(response.text()),
        // No instance metadata means: not on EC2, and nothing else was configured.
        Err(CredentialsError::Unreachable { .. }) => {
            return Err(CredentialsError::None { provider: "aws", remedy: REMEDY });
        }
        Err(error) => return Err(error),
    };
    let headers = || vec![("X-aws-ec2-metadata-token", token.clone())];
    let role = ask(WHAT, "GET", place, ROLES, headers(), None).await?.text();
    let path = format!("{ROLES}{}", role.trim());
    let response = ask(WHAT, "GET", place, &path, headers(), None).await?;
    parse::<Temporary>(WHAT, place, &response)?.fetched(WHAT, place.0.clone())
}

async fn ask(
    what: &'static str,
    method: &'static str,
    (host, port): &(String, u16),
    path: &str,
    headers: Vec<(&'static str, Zeroizing<String>)>,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Response, CredentialsError> {
    let request =
        Request { method, host, port: *port, path, headers, body: None, tls, timeout: TIMEOUT };
    let from = || format!("{host}:{port}");
    let response = request.send().await.map_err(|source| CredentialsError::Unreachable {
        what,
        from: from(),
        source,
    })?;
    if response.status == 200 {
        return Ok(response);
    }
    Err(CredentialsError::Refused {
        what,
        from: from(),
        status: response.status,
        body: response.text(),
    })
}

fn parse<'de, T: Deserialize<'de>>(
    what: &'static str,
    (host, port): &(String, u16),
    response: &'de Response,
) -> Result<T, CredentialsError> {
    serde_json::from_slice(&response.body).map_err(|_| CredentialsError::Answer {
        what,
        from: format!("{host}:{port}"),
        field: "AccessKeyId",
    })
}

/// Leaves only what RFC 3986 calls unreserved.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
