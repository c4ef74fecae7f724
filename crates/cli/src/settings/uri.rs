//! The connection string, which may hold secrets: it is shown and reported without them.

use anyhow::{Context, anyhow, bail};
use mongodb::Client;

use super::{Origin, Setting};

/// Options of a connection string whose values are secrets, in lower case.
const SECRET_OPTIONS: [&str; 3] =
    ["authmechanismproperties", "proxypassword", "tlscertificatekeyfilepassword"];
const REDACTED: &str = "[redacted]";

/// A connection string. `Debug` leaves out what [`shown`](Self::shown) does.
pub(crate) struct ConnectionString(Setting<String>);

impl ConnectionString {
    /// Refuses one with a secret where every user of the machine can read it.
    pub(super) fn new(setting: Setting<String>) -> anyhow::Result<Self> {
        let uri = Self(setting);
        if let Origin::Flag(flag) = uri.0.origin
            && uri.has_secret()
        {
            bail!(
                "{flag} holds a password, which every user of this machine can see on the command \
                 line: give it in FIELDVEIL_URI or as uri in the configuration file"
            );
        }
        Ok(uri)
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The connection string without its secrets.
    pub(crate) fn shown(&self) -> String {
        let uri = &self.0.value;
        let Some((scheme, rest)) = uri.split_once("://") else { return REDACTED.to_owned() };
        // The last @: one that should have been escaped must not show half of a password.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((info, rest)) => (Some(info.split(':').next().unwrap_or_default()), rest),
            None => (None, rest),
        };
        let user = user.map(|user| format!("{user}:{REDACTED}@")).unwrap_or_default();
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let options: Vec<_> = options
            .split('&')
            .map(|option| match option.split_once('=') {
                Some((name, _)) if is_secret(name) => format!("{name}={REDACTED}"),
                _ => option.to_owned(),
            })
            .collect();
        let options = options.join("&");
        let mark = if options.is_empty() { "" } else { "?" };
        format!("{scheme}://{user}{place}{mark}{options}")
    }

    pub(super) async fn connect(&self) -> anyhow::Result<Client> {
        let client = Client::with_uri_str(&self.0.value).await;
        let context = || format!("the connection string ({})", self.0.origin);
        match client {
            Ok(client) => Ok(client),
            Err(error) if !self.has_secret() => Err(error).with_context(context),
            // The driver quotes what it cannot read, and that may be a part of the password.
            Err(_) => Err(anyhow!(
                "{} cannot be used; it is shown here without its secrets: {}; a password in it is \
                 to be percent-encoded",
                context(),
                self.shown()
            )),
        }
    }

    fn has_secret(&self) -> bool {
        let uri = &self.0.value;
        let rest = uri.split_once("://").map_or(uri.as_str(), |(_, rest)| rest);
        let in_user = rest.rsplit_once('@').is_some_and(|(info, _)| info.contains(':'));
        let options = rest.split_once('?').map_or("", |(_, options)| options);
        let mut names = options.split('&').filter_map(|option| option.split_once('='));
        in_user || names.any(|(name, _)| is_secret(name))
    }
}

impl std::fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConnectionString({} {})", self.shown(), self.0.origin)
    }
}

fn is_secret(option: &str) -> bool {
    SECRET_OPTIONS.contains(&option.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(uri: &str, origin: Origin) -> anyhow::Result<ConnectionString> {
        ConnectionString::new(Setting { value: uri.to_owned(), origin })
    }

    #[test]
    fn a_password_is_refused_on_the_command_line_only() {
        for uri in [
            "mongodb://user:hidden@h/",
            "mongodb://h/?tlsCertificateKeyFilePassword=hidden",
            "mongodb://h/?a=b&authMechanismProperties=AWS_SESSION_TOKEN:hidden",
        ] {
            let error = from(uri, Origin::Flag("--uri")).unwrap_err().to_string();
            assert!(error.contains("FIELDVEIL_URI") && !error.contains("hidden"), "{error}");
            let uri = from(uri, Origin::Environment("FIELDVEIL_URI")).unwrap();
            assert!(!uri.shown().contains("hidden"), "{}", uri.shown());
            assert!(!format!("{uri:?}").contains("hidden"));
        }
        assert!(from("mongodb://user@h/?tls=true", Origin::Flag("--uri")).is_ok());
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        let shown = |uri| from(uri, Origin::Default).unwrap().shown();
        assert_eq!(shown("mongodb://h:1/db?tls=true"), "mongodb://h:1/db?tls=true");
        assert_eq!(shown("mongodb://u:p@h/?tls=true"), "mongodb://u:[redacted]@h/?tls=true");
        assert_eq!(shown("mongodb://u:p@ss@h"), "mongodb://u:[redacted]@h");
    }

    #[tokio::test]
    async fn the_error_of_an_unreadable_one_shows_no_part_of_the_password() {
        let uri = "mongodb://user:hid/den@localhost/?x=y";
        let uri = from(uri, Origin::Environment("FIELDVEIL_URI")).unwrap();
        let error = format!("{:#}", uri.connect().await.unwrap_err());
        assert!(!error.contains("hid") && !error.contains("den@"), "{error}");
        assert!(error.contains("FIELDVEIL_URI"), "{error}");
    }
}
