//! Starting and ending a server.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use fieldveil_store::{Store, StoreError};
use fieldveil_wire::BindAddress;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    leader::Leader,
    options::Options,
    service::{BindError, Endpoint, Running},
    shared::Shared,
    tls::{TlsError, TlsFiles},
};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No store was given to the builder.
    #[error("no store was given; call `store`, for instance with `Store::in_memory()`")]
    NoStore,
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The Unix domain socket cannot be bound.
    #[error("cannot listen on {}: {source}", path.display())]
    BindSocket {
        /// The path asked for.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The store cannot be read.
    #[error("cannot read the users: {0}")]
    Store(#[from] StoreError),
    /// An address that other machines can reach, without what protects it.
    #[error(
        "refusing to listen on {address} without {missing}; listen on a loopback address such as \
         127.0.0.1, or turn it on"
    )]
    Unprotected {
        /// The address asked for.
        address: SocketAddr,
        /// `authentication` or `TLS`.
        missing: &'static str,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl From<BindError> for StartError {
    fn from(BindError { address, source }: BindError) -> Self {
        match address {
            BindAddress::Tcp(address) => Self::Bind { address, source },
            BindAddress::Unix(path) => Self::BindSocket { path, source },
        }
    }
}

/// A running server. Dropping it ends it without waiting; see [`Server::shutdown`].
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use fieldveil_server::Server;
/// use fieldveil_store::{Store, StoreError};
///
/// let server = Server::builder().store(Store::in_memory()?).start().await?;
/// let uri = format!("mongodb://{}", server.local_addr());
/// # assert!(uri.starts_with("mongodb://127.0.0.1:"));
/// server.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    running: Running,
    /// What goes on beside the connections.
    tasks: JoinSet<()>,
    leader: Arc<Leader>,
    address: SocketAddr,
}

impl Server {
    /// Begins to describe a server.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Where the server listens, with the port that the system chose.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets running commands finish, closes every connection. The store is not in use
    /// any more then, unless a command goes on whose client had gone before.
    pub async fn shutdown(mut self) {
        self.running.shutdown().await;
        while self.tasks.join_next().await.is_some() {}
        // What is left are writes whose clients have gone. It fails only if it was cancelled.
        let _ = tokio::task::spawn_blocking(move || self.leader.end()).await;
    }
}

/// Describes a server. By default it listens on a free port of 127.0.0.1, as a standalone.
#[derive(Debug)]
pub struct ServerBuilder {
    store: Option<Store>,
    address: SocketAddr,
    socket: Option<PathBuf>,
    options: Options,
    tls: Option<TlsFiles>,
    allow_unprotected: bool,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            store: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            socket: None,
            options: Options::default(),
            tls: None,
            allow_unprotected: false,
        }
    }
}

impl ServerBuilder {
    /// What the server serves. Required.
    #[must_use]
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Where to listen; port 0 lets the system choose.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Also listens on a Unix domain socket with this path, which only the same user can connect to.
    /// There is no TLS on it; users authenticate there as everywhere. The file goes when the server
    /// ends, and one that a killed server left is replaced.
    #[must_use]
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// Presents the server as the only member of a replica set of this name.
    #[must_use]
    pub fn replica_set(mut self, name: impl Into<String>) -> Self {
        self.options.replica_set = Some(name.into());
        self
    }

    /// Offers commands that only tests may use, such as fail points.
    #[must_use]
    pub fn test_commands(mut self, enabled: bool) -> Self {
        self.options.test_commands = enabled;
        self
    }

    /// Requires clients to authenticate. Until there is a user, a client of this machine may make the
    /// first one, on `admin`.
    #[must_use]
    pub fn authentication(mut self, required: bool) -> Self {
        self.options.authentication = required;
        self
    }

    /// Speaks TLS, and nothing else, with these certificates.
    #[must_use]
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Listens even where other machines can reach a server without authentication or TLS.
    #[must_use]
    pub fn allow_unprotected(mut self, allowed: bool) -> Self {
        self.allow_unprotected = allowed;
        self
    }

    /// Most connections at once; more are closed as soon as they are accepted.
    #[must_use]
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.options.max_connections = limit;
        self
    }

    /// Closes cursors that nobody has used for this time.
    #[must_use]
    pub fn cursor_timeout(mut self, timeout: Duration) -> Self {
        self.options.cursor_timeout = timeout;
        self
    }

    /// Starts the server on the current tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(self) -> Result<Server, StartError> {
        let address = self.address;
        let store = self.store.ok_or(StartError::NoStore)?;
        if !address.ip().to_canonical().is_loopback() && !self.allow_unprotected {
            let missing = match (self.options.authentication, &self.tls) {
                (false, _) => Some("authentication"),
                (true, None) => Some("TLS"),
                (true, Some(_)) => None,
            };
            if let Some(missing) = missing {
                return Err(StartError::Unprotected { address, missing });
            }
        }
        let tls = self.tls.as_ref().map(TlsFiles::acceptor).transpose()?;
        let shutdown = CancellationToken::new();
        let sockets = self.socket.into_iter().map(BindAddress::Unix);
        let endpoint = Endpoint {
            addresses: [BindAddress::Tcp(address)].into_iter().chain(sockets).collect(),
            max_connections: self.options.max_connections,
            tls,
        };
        let shared = Arc::new(Shared::new(store, self.options, shutdown.clone())?);
        let running = Running::start(Arc::clone(&shared), endpoint, shutdown).await?;
        let address = running.address().unwrap_or(address);
        shared.set_address(address);
        let leader = Arc::clone(&shared.leader);
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&shared).write_profiles());
        tasks.spawn(async move { shared.sweep().await });
        Ok(Server { running, tasks, leader, address })
    }
}
