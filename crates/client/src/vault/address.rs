//! Where a Vault server is, and what stands in its paths.

use std::{fmt, net::IpAddr};

use super::VaultError;
use crate::url::{Parts, split};

const PORT: u16 = 8200;

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) is_https: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// What stands before `/v1`, without a slash at its end.
    pub(super) prefix: String,
}

impl Address {
    /// Reads `https://host[:port][/prefix]`.
    pub(super) fn parse(text: &str) -> Result<Self, VaultError> {
        let wrong = || VaultError::Address { given: text.to_owned() };
        let Parts { is_https, host, port, path: prefix } = split(text.trim()).ok_or_else(wrong)?;
        let port = port.unwrap_or(PORT);
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(wrong());
        }
        let prefix = prefix.trim_end_matches('/');
        if !prefix.chars().all(|c| c.is_ascii_alphanumeric() || "-._~/".contains(c)) {
            return Err(wrong());
        }
        let address = Self { is_https, host: host.to_owned(), port, prefix: prefix.to_owned() };
        if !is_https && !address.is_this_machine() {
            return Err(VaultError::Insecure { given: text.to_owned() });
        }
        Ok(address)
    }

    fn is_this_machine(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        let host = &self.host;
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{}{}", self.port, self.prefix)
        } else {
            write!(f, "{scheme}://{host}:{}{}", self.port, self.prefix)
        }
    }
}

/// A mount, path or name as it stands in a URL: segments of characters that need no escape.
pub(super) fn path(what: &'static str, text: &str) -> Result<String, VaultError> {
    let text = text.trim_matches('/');
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    if text.split('/').all(is_segment) {
        Ok(text.to_owned())
    } else {
        Err(VaultError::Path { what, given: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        Address::parse(text).unwrap().to_string()
    }

    #[test]
    fn host_port_and_prefix_are_read() {
        assert_eq!(parsed("https://vault.example.com"), "https://vault.example.com:8200");
        assert_eq!(parsed("https://vault:443/team/a/"), "https://vault:443/team/a");
        assert_eq!(parsed("https://[::1]:8201"), "https://[::1]:8201");
        assert_eq!(parsed("https://[::1]"), "https://[::1]:8200");
        for text in
            ["vault:8200", "ftp://v", "https://", "https://v:x", "https://a b", "https://v/?q"]
        {
            assert!(matches!(Address::parse(text), Err(VaultError::Address { .. })), "{text}");
        }
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for text in ["http://127.0.0.1:8200", "http://localhost", "http://[::1]:1"] {
            assert!(Address::parse(text).is_ok(), "{text}");
        }
        for text in ["http://10.0.0.1", "http://vault", "http://127.0.0.1.example.com"] {
            assert!(matches!(Address::parse(text), Err(VaultError::Insecure { .. })), "{text}");
        }
    }

    #[test]
    fn a_path_cannot_leave_its_place() {
        assert_eq!(path("path", "/team/app/").unwrap(), "team/app");
        for text in ["", "a//b", "../sys", "a/..", "a?b", "a b", "a\r\nX: 1", "a%2f"] {
            assert!(path("path", text).is_err(), "{text}");
        }
    }
}
