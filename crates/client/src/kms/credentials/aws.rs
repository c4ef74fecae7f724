//! AWS credentials from where AWS puts them: the environment, a web identity, the container's or
//! the instance's metadata service, in this order.
//!
//! Sources: driver specification "Authentication", "Obtaining credentials" for MONGODB-AWS; AWS
//! Security Token Service, AssumeRoleWithWebIdentity; AWS SDKs and Tools Reference Guide, "Container
//! credential provider", "IMDS credential provider" and "Service-specific endpoints".

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bson::{DateTime, Document, doc};
use rustls::ClientConfig;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{CredentialsError, Fetched, Variables, expiry, url::Url};
use crate::kms::{
    connect::Connect,
    http::{Request, Response},
};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Temporary credentials are renewed five minutes before they expire.
const MARGIN: Duration = Duration::from_secs(300);
const REMEDY: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a web \
                      identity, a container role or an instance role";

/// Where the metadata services are.
pub(super) struct Places {
    pub(super) container: (String, u16),
    pub(super) instance: (String, u16),
}

impl Places {
    /// The variables of AWS's own programs move the services elsewhere.
    fn moved(&self, variables: &dyn Variables) -> Result<(String, u16), CredentialsError> {
        match url_of("AWS_EC2_METADATA_SERVICE_ENDPOINT", variables, |_| true)? {
            Some(url) => Ok((url.host, url.port)),
            None => Ok(self.instance.clone()),
        }
    }
}

impl Default for Places {
    fn default() -> Self {
        Self {
            container: ("169.254.170.2".to_owned(), 80),
            instance: ("169.254.169.254".to_owned(), 80),
        }
    }
}

/// How services outside this machine's network are reached.
#[derive(Clone)]
pub(super) struct Way<'a> {
    pub(super) tls: Arc<ClientConfig>,
    pub(super) connect: &'a Connect,
}

pub(super) async fn fetch(
    places: &Places,
    variables: &dyn Variables,
    way: Way<'_>,
) -> Result<Fetched, CredentialsError> {
    if let Some(found) = from_environment(variables) {
        return Ok(found);
    }
    if let (Some(file), Some(role)) =
        (variables.get("AWS_WEB_IDENTITY_TOKEN_FILE"), variables.get("AWS_ROLE_ARN"))
    {
        return from_web_identity(variables, way, file, &role).await;
    }
    if let Some(path) = variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        return from_container(&places.container, &path, Vec::new(), None).await;
    }
    if let Some(url) =
        url_of("AWS_CONTAINER_CREDENTIALS_FULL_URI", variables, Url::is_safe_for_credentials)?
    {
        let headers = container_authorization(variables).await?;
        let tls = url.is_https.then_some(way.tls);
        return from_container(&(url.host, url.port), &url.path, headers, tls).await;
    }
    if variables.get("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value == "true") {
        return Err(CredentialsError::None { provider: "aws", remedy: REMEDY });
    }
    from_instance(&places.moved(variables)?).await
}

/// The address in a variable, if it is set; it must be one that `is_allowed`.
fn url_of(
    variable: &'static str,
    variables: &dyn Variables,
    is_allowed: impl FnOnce(&Url) -> bool,
) -> Result<Option<Url>, CredentialsError> {
    let Some(given) = variables.get(variable) else { return Ok(None) };
    match Url::parse(&given).filter(is_allowed) {
        Some(url) => Ok(Some(url)),
        None => Err(CredentialsError::Address { variable, given }),
    }
}

/// What a container proves with that it is the one.
async fn container_authorization(
    variables: &dyn Variables,
) -> Result<Vec<(&'static str, Zeroizing<String>)>, CredentialsError> {
    const FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
    let token = match variables.get(FILE) {
        Some(file) => Some(read_token(FILE, file).await?),
        None => variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Zeroizing::new),
    };
    let token = token.map(|token| Zeroizing::new(token.trim().replace(['\r', '\n'], "")));
    Ok(token.map(|token| ("Authorization", token)).into_iter().collect())
}

async fn read_token(
    variable: &'static str,
    path: String,
) -> Result<Zeroizing<String>, CredentialsError> {
    match tokio::fs::read_to_string(&path).await {
        Ok(token) => Ok(Zeroizing::new(token)),
        Err(source) => Err(CredentialsError::TokenFile { variable, path, source }),
    }
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
    variables: &dyn Variables,
    way: Way<'_>,
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

    let token = read_token("AWS_WEB_IDENTITY_TOKEN_FILE", file).await?;
    let session = variables.get("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "fieldveil".to_owned());
    let path = Zeroizing::new(format!(
        "/?Action=AssumeRoleWithWebIdentity&RoleSessionName={}&RoleArn={}&WebIdentityToken={}&Version=2011-06-15",
        percent_encode(&session),
        percent_encode(role),
        percent_encode(token.trim()),
    ));
    let moved = url_of("AWS_ENDPOINT_URL_STS", variables, Url::is_safe_for_credentials)?;
    let tls = moved.as_ref().is_none_or(|url| url.is_https).then_some(way.tls);
    let place = match (moved, variables.get("AWS_REGION")) {
        (Some(url), _) => (url.host, url.port),
        (None, Some(region)) => (format!("sts.{region}.amazonaws.com"), 443),
        (None, None) => ("sts.amazonaws.com".to_owned(), 443),
    };
    let headers = vec![("Accept", "application/json".to_owned().into())];
    let response = ask(WHAT, "GET", &place, &path, headers, tls, way.connect).await?;
    let reply: Reply = parse(WHAT, &place, &response)?;
    let inner = reply.assume_role_with_web_identity_response.assume_role_with_web_identity_result;
    inner.credentials.fetched(WHAT, place.0)
}

async fn from_container(
    place: &(String, u16),
    path: &str,
    headers: Vec<(&'static str, Zeroizing<String>)>,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Fetched, CredentialsError> {
    const WHAT: &str = "AWS credentials of the container";
    let response = ask(WHAT, "GET", place, path, headers, tls, &Connect::Direct).await?;
    parse::<Temporary>(WHAT, place, &response)?.fetched(WHAT, place.0.clone())
}

/// Instance metadata, version 2: a token first, then the role's name, then its credentials.
async fn from_instance(place: &(String, u16)) -> Result<Fetched, CredentialsError> {
    const WHAT: &str = "AWS credentials of the instance";
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let lifetime = vec![("X-aws-ec2-metadata-token-ttl-seconds", "30".to_owned().into())];
    let near =
        |method, path, headers| ask(WHAT, method, place, path, headers, None, &Connect::Direct);
    let token = match near("PUT", "/latest/api/token", lifetime).await {
        Ok(response) => Zeroizing::new(response.text()),
        // No instance metadata means: not on EC2, and nothing else was configured.
        Err(CredentialsError::Unreachable { .. }) => {
            return Err(CredentialsError::None { provider: "aws", remedy: REMEDY });
        }
        Err(error) => return Err(error),
    };
    let headers = || vec![("X-aws-ec2-metadata-token", token.clone())];
    let role = near("GET", ROLES, headers()).await?.text();
    let path = format!("{ROLES}{}", role.trim());
    let response = near("GET", &path, headers()).await?;
    parse::<Temporary>(WHAT, place, &response)?.fetched(WHAT, place.0.clone())
}

async fn ask(
    what: &'static str,
    method: &'static str,
    (host, port): &(String, u16),
    path: &str,
    headers: Vec<(&'static str, Zeroizing<String>)>,
    tls: Option<Arc<ClientConfig>>,
    connect: &Connect,
) -> Result<Response, CredentialsError> {
    let timeout = TIMEOUT;
    let request =
        Request { method, host, port: *port, path, headers, body: None, connect, tls, timeout };
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
