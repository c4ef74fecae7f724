//! What can go wrong in options and in the exchange with a key service.

use thiserror::Error;

/// Options that are no use: `kmsProviders` and `masterKey` documents.
///
/// The texts are those of libmongocrypt, because test suites of drivers match on them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The bytes are no BSON document.
    #[error("invalid BSON")]
    InvalidBson,
    /// A KMS id of no known type.
    #[error(
        "unrecognized KMS provider `{0}`: unrecognized type. Expected `<type>` or \
         `<type>:<name>`. Example: `local` or `local:name`."
    )]
    UnknownType(String),
    /// A KMS id that ends in a colon.
    #[error(
        "unrecognized KMS provider `{0}`: empty name. Expected `<type>` or `<type>:<name>`. \
         Example: `local` or `local:name`."
    )]
    EmptyName(String),
    /// A KMS id with a character that names may not have.
    #[error(
        "unrecognized KMS provider `{kmsid}`: unsupported character `{character}`. Must be of the \
         form `<provider type>:<name>` where `<name>` only contain characters [a-zA-Z0-9_]"
    )]
    UnsupportedCharacter {
        /// The id.
        kmsid: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// A named provider that stands in the document twice.
    #[error("Got unexpected duplicate entry for KMS provider: `{0}`")]
    Duplicate(String),
    /// An unnamed provider that was set before.
    #[error("{0} KMS provider already set")]
    AlreadySet(String),
    /// An empty document for a named provider.
    #[error(
        "Unexpected empty document for named KMS provider: '{0}'. On-demand credentials are not \
         supported for named KMS providers."
    )]
    EmptyNamed(String),
    /// Something wrong within one provider's options.
    #[error("Failed to parse KMS provider `{kmsid}`: {source}")]
    InProvider {
        /// Which provider.
        kmsid: String,
        /// What is wrong.
        source: Box<Self>,
    },
    /// A provider's options are not a document.
    #[error("expected BSON document for field: {0}")]
    NotADocument(String),
    /// A string is missing or of another type.
    #[error("expected UTF-8 {0}")]
    ExpectedText(&'static str),
    /// A boolean of another type.
    #[error("expected bool {0}")]
    ExpectedBool(&'static str),
    /// A missing endpoint.
    #[error("expected endpoint {0}")]
    ExpectedEndpoint(&'static str),
    /// Bytes that are missing, empty or of another type.
    #[error("expected UTF-8 or binary {0}")]
    ExpectedBinary(&'static str),
    /// Text that is no base64.
    #[error("unable to parse base64 from UTF-8 field {0}")]
    Base64(&'static str),
    /// A field that the document may not have.
    #[error("Unexpected field: '{0}'")]
    UnexpectedField(String),
    /// A local key of the wrong length.
    #[error("local key must be 96 bytes")]
    LocalKeyLength,
    /// An endpoint without a domain.
    #[error("Invalid endpoint, expected dot separator in host, but got: {0}")]
    EndpointWithoutDot(String),
    /// An endpoint with characters that no host or port has.
    #[error("Invalid endpoint, unexpected character in host or port")]
    EndpointCharacter,
    /// No provider at all.
    #[error("no kms provider set")]
    NoProvider,
    /// An empty provider document, and a caller that cannot be asked for credentials.
    #[error("on-demand credentials not enabled")]
    OnDemandNotEnabled,
    /// A KMIP master key in a key document has no id.
    #[error("keyId required for KMIP")]
    KmipKeyIdMissing,
}

/// What can go wrong while data keys are wrapped and unwrapped.
///
/// The texts are those of libmongocrypt where it has the case too.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KmsError {
    /// Options that are no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The master key is of a provider that was not configured.
    #[error("KMS provider `{0}` is not configured")]
    NotConfigured(String),
    /// Neither the master key nor the provider has an endpoint.
    #[error("endpoint not set for KMIP request")]
    KmipEndpointMissing,
    /// A data key to unwrap names no KMIP key.
    #[error("KMIP key malformed, no keyId present")]
    KmipKeyMalformed,
    /// Wrapped key material without the initialisation vector that stands before it.
    #[error("Error getting IV from key material")]
    KmipKeyMaterialTooShort,
    /// An identifier with characters that would change the path of the request.
    #[error("error constructing {request}: Invalid character in {service} key identifier: {field}")]
    Identifier {
        /// Which request.
        request: &'static str,
        /// Whose identifier.
        service: &'static str,
        /// Which part of it.
        field: &'static str,
    },
    /// A credential with control characters.
    #[error("error constructing KMS message: invalid character in {0}")]
    HeaderCharacter(&'static str),
    /// A hash of the application, with which an AWS request is signed, failed.
    #[error("error constructing KMS message: {0}")]
    RequestHash(String),
    /// The private key of a GCP service account cannot sign.
    #[error("error constructing KMS message: Failed to create GCP oauth request signature: {0}")]
    Signature(String),
    /// The source of random bytes failed.
    #[error("{0}")]
    Random(String),
    /// The service answered with something else than HTTP.
    #[error("KMS response parser error with status {status}, error: '{reason}'")]
    Http {
        /// Status code, if it was read before the error.
        status: i32,
        /// What was not understood.
        reason: String,
    },
    /// The service answered with something else than KMIP.
    #[error("KMS response parser error with error: '{0}'")]
    Kmip(&'static str),
    /// A KMIP reply that lacks what it should bring.
    #[error("Error getting {what}: {reason}")]
    KmipReply {
        /// What was looked for, and in which reply.
        what: &'static str,
        /// Why it was not found.
        reason: String,
    },
    /// A KMIP initialisation vector that is not 16 bytes.
    #[error("KMIP IV response has unexpected length: {0}")]
    KmipIvLength(usize),
    /// An HTTP status below 400 that is not 200.
    #[error("Unsupported HTTP code in KMS response. HTTP status={status}. Response body=\n{body}")]
    UnsupportedStatus {
        /// HTTP status code.
        status: i32,
        /// What came with it.
        body: String,
    },
    /// An HTTP status of an error, without a word.
    #[error("Error in KMS response. HTTP status={status}. Empty body.")]
    StatusWithoutBody {
        /// HTTP status code.
        status: i32,
    },
    /// An HTTP status of an error.
    #[error("Error in KMS response. HTTP status={status}. Response body=\n{body}")]
    Status {
        /// HTTP status code.
        status: i32,
        /// What came with it.
        body: String,
    },
    /// A reply without a body.
    #[error("Empty KMS response. HTTP status={status}")]
    EmptyBody {
        /// HTTP status code.
        status: i32,
    },
    /// A body that is no JSON.
    #[error(
        "Error parsing JSON in KMS response '{reason}'. HTTP status={status}. Response body=\n{body}"
    )]
    Json {
        /// Where and why.
        reason: String,
        /// HTTP status code.
        status: i32,
        /// The body.
        body: String,
    },
    /// An OAuth reply without a token.
    #[error(
        "Invalid KMS response. KMS JSON response does not include field 'access_token'. HTTP \
         status={status}. Response body=\n{body}"
    )]
    NoAccessToken {
        /// HTTP status code.
        status: i32,
        /// The body.
        body: String,
    },
    /// An OAuth reply that does not say how long the token lives.
    #[error("OAuth response invalid, no 'expires_in' field.")]
    NoExpiry,
    /// A reply without what it should bring.
    #[error(
        "KMS JSON response does not include field '{field}'. HTTP status={status}. Response \
         body=\n{body}"
    )]
    MissingField {
        /// The field.
        field: &'static str,
        /// HTTP status code.
        status: i32,
        /// The body.
        body: String,
    },
    /// A value that is no base64.
    #[error("Failed to base64 decode response. HTTP status={status}. Response body=\n{body}")]
    Base64 {
        /// HTTP status code.
        status: i32,
        /// The body.
        body: String,
    },
    /// An answer that would be retried, had it not been retried often enough.
    #[error("KMS request failed after maximum of {retries} retries: {source}")]
    RetriesExhausted {
        /// How often.
        retries: u32,
        /// The last answer.
        source: Box<Self>,
    },
    /// The network failed, again and again.
    #[error("KMS request failed after {retries} retries due to a network error")]
    NetworkRetriesExhausted {
        /// How often.
        retries: u32,
    },
    /// The network failed, and the request may not be sent twice.
    #[error("KMS request failed due to network error")]
    Network,
    /// More bytes than were asked for.
    #[error("KMS response fed too much data")]
    TooMuchData,
    /// No bytes.
    #[error("argument 'bytes' cannot be empty")]
    NoData,
    /// Bytes for a request that has to be sent again first.
    #[error("KMS context needs retry. Call mongocrypt_kms_ctx_feed_with_retry instead")]
    NeedsRetry,
    /// The caller went on before the answer was complete.
    #[error("KMS response unfinished")]
    Unfinished,
    /// A service unwrapped something that is no data key.
    #[error("decrypted key is incorrect length")]
    KeyLength,
    /// A local key unwrapped something that is no data key.
    #[error("decrypted key is incorrect length, expected: 96, got: {0}")]
    UnwrappedLength(usize),
    /// A KMIP server keeps something that is no key to wrap with.
    #[error("KMIP secret data is incorrect length, expected: 96, got: {0}")]
    KmipSecretLength(usize),
    /// A service wrapped a key into fewer bytes than the key has.
    #[error("key material not expected length")]
    WrappedKeyTooShort,
    /// Key material that does not authenticate under the key that wraps it.
    #[error("{0}")]
    Unwrap(String),
}

impl KmsError {
    /// Whether the same request might succeed later: the service was busy or out of reach.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::RetriesExhausted { .. } | Self::NetworkRetriesExhausted { .. } | Self::Network
        )
    }
}
