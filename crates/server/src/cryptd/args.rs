//! The command line of `mongocryptd`, which is that of the program it stands in for.

use std::{net::IpAddr, path::PathBuf};

use clap::{ArgAction, Parser};

/// The port drivers try when they are told nothing else.
pub const LISTEN_PORT: u16 = 27020;

const VERSION: &str = concat!("v8.2.0 (Fieldveil ", env!("CARGO_PKG_VERSION"), ")");

/// The query analysis daemon of Fieldveil, in the place of MongoDB's.
///
/// Drivers start it for automatic encryption. It listens on this machine only, and holds no keys.
#[derive(Clone, Debug, Parser)]
#[command(name = "mongocryptd", version = VERSION, rename_all = "camelCase")]
pub struct Args {
    /// TCP port to listen on; 0 lets the system choose.
    #[arg(long, default_value_t = LISTEN_PORT)]
    pub port: u16,
    /// Addresses or host names to listen on, separated by commas.
    #[arg(long = "bind_ip", alias = "bind-ip", value_delimiter = ',', default_value = "localhost")]
    pub bind_ip: Vec<String>,
    /// Listen on every address. Query analysis sees plaintext: think twice.
    #[arg(long = "bind_ip_all", action = ArgAction::SetTrue)]
    pub bind_ip_all: bool,
    /// Listen on IPv6 as well where a name has such an address.
    #[arg(long, action = ArgAction::SetTrue)]
    pub ipv6: bool,
    /// End after so many seconds without a request; 0 or less means never.
    #[arg(long, default_value_t = 60, allow_negative_numbers = true)]
    pub idle_shutdown_timeout_secs: i64,
    /// Write the process id to this file.
    #[arg(long = "pidfilepath")]
    pub pid_file_path: Option<PathBuf>,
    /// Write the log to this file instead of standard output.
    #[arg(long = "logpath")]
    pub log_path: Option<PathBuf>,
    /// Append to the log file instead of moving the old one aside.
    #[arg(long = "logappend", action = ArgAction::SetTrue)]
    pub log_append: bool,
    /// Go on in the background once the socket is open; needs --logpath.
    #[arg(long, requires = "log_path", action = ArgAction::SetTrue)]
    pub fork: bool,
    /// Set a server parameter, name=value; accepted and without effect.
    #[arg(long, value_parser = parameter, action = ArgAction::Append)]
    pub set_parameter: Vec<String>,
    /// Most connections at once.
    #[arg(long, default_value_t = 65_536)]
    pub max_conns: usize,
    /// Directory for a Unix domain socket named mongodb-PORT.sock.
    #[arg(long)]
    pub unix_socket_prefix: Option<PathBuf>,
    /// No Unix domain socket.
    #[arg(long = "nounixsocket", action = ArgAction::SetTrue)]
    pub no_unix_socket: bool,
    /// Permissions of the Unix domain socket; accepted and without effect.
    #[arg(long)]
    pub file_permissions: Option<String>,
    /// Log less.
    #[arg(long, action = ArgAction::SetTrue)]
    pub quiet: bool,
    /// Log more; -vv for still more.
    #[arg(long, short, action = ArgAction::Count)]
    pub verbose: u8,
}

impl Args {
    /// The IP addresses to listen on.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        use std::net::{Ipv4Addr, Ipv6Addr, ToSocketAddrs};
        if self.bind_ip_all {
            let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            return if self.ipv6 { vec![any, Ipv6Addr::UNSPECIFIED.into()] } else { vec![any] };
        }
        let mut addresses: Vec<IpAddr> = Vec::new();
        for name in self.bind_ip.iter().filter(|name| !name.starts_with('/')) {
            let resolved = match name.as_str() {
                // Resolving `localhost` may need a resolver that is not there.
                "localhost" if self.ipv6 => {
                    vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
                }
                "localhost" => vec![Ipv4Addr::LOCALHOST.into()],
                name => (name, 0)
                    .to_socket_addrs()
                    .map(|found| found.map(|address| address.ip()).collect())
                    .unwrap_or_default(),
            };
            addresses.extend(resolved);
        }
        addresses.dedup();
        addresses
    }
}

fn parameter(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("expected name=value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("mongocryptd").chain(args.iter().copied()))
    }

    #[test]
    fn both_spellings_work() {
        for args in [
            &["--idleShutdownTimeoutSecs=5", "--port=1", "--pidfilepath=p", "--logpath=l"][..],
            &[
                "--idleShutdownTimeoutSecs",
                "5",
                "--port",
                "1",
                "--pidfilepath",
                "p",
                "--logpath",
                "l",
            ],
        ] {
            let args = parse(args).unwrap();
            assert_eq!((args.idle_shutdown_timeout_secs, args.port), (5, 1));
            assert_eq!(args.pid_file_path, Some("p".into()));
            assert_eq!(args.log_path, Some("l".into()));
        }
    }

    #[test]
    fn one_argument_with_a_blank_is_refused() {
        assert!(parse(&["--idleShutdownTimeoutSecs 123"]).is_err());
    }

    #[test]
    fn every_documented_flag_is_taken() {
        let args = parse(&[
            "--logappend",
            "--setParameter",
            "featureFlagX=true",
            "--setParameter=y=1",
            "--bind_ip",
            "127.0.0.1,::1",
            "--unixSocketPrefix=/tmp",
            "--nounixsocket",
            "--maxConns=5",
            "--quiet",
            "-vv",
        ])
        .unwrap();
        assert_eq!(args.set_parameter.len(), 2);
        assert_eq!(args.addresses().len(), 2);
    }

    #[test]
    fn a_parameter_needs_a_value() {
        assert!(parse(&["--setParameter", "x"]).is_err());
    }

    #[test]
    fn fork_needs_a_log() {
        assert!(parse(&["--fork"]).is_err());
        assert!(parse(&["--fork", "--logpath=l"]).is_ok());
    }
}
