//! Addresses that environment variables give for metadata services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::url::{Parts, split};

/// `http[s]://host[:port][/path]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) is_https: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
}

impl Url {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Parts { is_https, host, port, path } = split(text)?;
        let port = port.unwrap_or(if is_https { 443 } else { 80 });
        let path = if path.is_empty() { "/" } else { path };
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || !is_plain(host) || !is_plain(path) || host.contains('@') {
            return None;
        }
        Some(Self { is_https, host: host.to_owned(), port, path: path.to_owned() })
    }

    /// Whether credentials may be asked for there: with TLS, or on this machine, or at the
    /// addresses where AWS has its container services.
    pub(super) fn is_safe_for_credentials(&self) -> bool {
        const ECS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2));
        const EKS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23));
        const EKS_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23));
        let is_near = |ip: IpAddr| ip.is_loopback() || [ECS, EKS, EKS_V6].contains(&ip);
        self.is_https || self.host == "localhost" || self.host.parse().is_ok_and(is_near)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(bool, String, u16, String)> {
        Url::parse(text).map(|url| (url.is_https, url.host, url.port, url.path))
    }

    #[test]
    fn ports_and_paths_have_defaults() {
        let expected = |is_https, host: &str, port, path: &str| {
            Some((is_https, host.to_owned(), port, path.to_owned()))
        };
        assert_eq!(parts("http://127.0.0.1:81/a?b"), expected(false, "127.0.0.1", 81, "/a?b"));
        assert_eq!(parts("https://sts.example.com"), expected(true, "sts.example.com", 443, "/"));
        assert_eq!(parts("http://[fd00:ec2::254]"), expected(false, "fd00:ec2::254", 80, "/"));
        for text in ["127.0.0.1", "ftp://a", "http://", "http://a:b", "http://a/\r\nX: 1"] {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    #[test]
    fn plain_http_is_for_near_hosts() {
        let is_safe = |text| Url::parse(text).unwrap().is_safe_for_credentials();
        for text in
            ["http://localhost/", "http://127.0.0.1", "http://169.254.170.23/v1", "https://a"]
        {
            assert!(is_safe(text), "{text}");
        }
        assert!(!is_safe("http://10.0.0.1/") && !is_safe("http://example.com/"));
    }
}
