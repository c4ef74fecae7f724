//! Endpoints of key services: `[proto://]host[:port][/path][?query]`.

use std::fmt;

use crate::ConfigError;

/// Port of AWS, Azure and GCP where an endpoint names none.
pub(crate) const HTTPS_PORT: &str = "443";
/// Port of KMIP where an endpoint names none.
pub(crate) const KMIP_PORT: &str = "5696";

/// The host and port of a key service; protocol, path and query are read and dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: Option<String>,
}

impl Endpoint {
    /// Reads an endpoint whose host has at least one dot.
    ///
    /// # Errors
    /// `EndpointWithoutDot`, or `EndpointCharacter` for anything that could not stand in a `Host`
    /// header: an endpoint may come from a key document, which whoever writes to the key vault
    /// controls.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let endpoint = Self::parse_any_host(text)?;
        if !endpoint.host.contains('.') {
            return Err(ConfigError::EndpointWithoutDot(text.to_owned()));
        }
        Ok(endpoint)
    }

    /// Reads an endpoint whose host may be a plain name, as KMIP's is.
    ///
    /// # Errors
    /// `EndpointCharacter`.
    pub fn parse_any_host(text: &str) -> Result<Self, ConfigError> {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        // An IPv6 address stands in brackets; its colons are no port.
        let port_at = authority.rfind(']').unwrap_or(0);
        let (host, port) = match authority.get(port_at..).and_then(|tail| tail.find(':')) {
            Some(colon) => {
                let (host, port) = authority.split_at(port_at + colon);
                (host, port.get(1..))
            }
            None => (authority, None),
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-._~[]:%".contains(c);
        if !host.chars().all(is_host)
            || !port.unwrap_or_default().chars().all(|c| c.is_ascii_digit())
        {
            return Err(ConfigError::EndpointCharacter);
        }
        Ok(Self { host: host.to_owned(), port: port.map(str::to_owned) })
    }

    /// The host alone.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What follows the first dot of the host; the whole host if there is none.
    pub fn domain(&self) -> &str {
        self.host.split_once('.').map_or(&self.host, |(_, domain)| domain)
    }

    /// `host:port`, with `port` only where the endpoint itself names none.
    pub(crate) fn with_default_port(&self, port: &str) -> String {
        format!("{}:{}", self.host, self.port.as_deref().unwrap_or(port))
    }
}

/// Prints `host` or `host:port`: the form in which data keys keep it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.as_ref().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_are_optional_but_the_host() {
        let endpoint = Endpoint::parse("https://kms.example.com:90/some/path?query=value").unwrap();
        assert_eq!(
            (endpoint.host(), endpoint.domain(), endpoint.to_string().as_str()),
            ("kms.example.com", "example.com", "kms.example.com:90")
        );
        let endpoint = Endpoint::parse("example.com?q").unwrap();
        assert_eq!(endpoint.to_string(), "example.com");
        assert_eq!(endpoint.with_default_port(HTTPS_PORT), "example.com:443");
    }

    #[test]
    fn a_host_without_a_dot_is_for_kmip_only() {
        let error = Endpoint::parse("example").unwrap_err();
        assert_eq!(
            error.to_string(),
            "Invalid endpoint, expected dot separator in host, but got: example"
        );
        let endpoint = Endpoint::parse_any_host("localhost:5698").unwrap();
        assert_eq!(endpoint.with_default_port(KMIP_PORT), "localhost:5698");
        let endpoint = Endpoint::parse_any_host("[::1]").unwrap();
        assert_eq!(endpoint.with_default_port(KMIP_PORT), "[::1]:5696");
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_header() {
        for text in ["a.com\r\nX:1", "a.com ", "a.com:4\n", "a.b c"] {
            assert_eq!(Endpoint::parse(text).unwrap_err(), ConfigError::EndpointCharacter);
        }
    }
}
