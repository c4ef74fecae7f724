//! `fieldveil serve`: a server over a data directory, until a signal ends it.

use std::{io, net::SocketAddr, path::PathBuf};

use clap::Args;
use fieldveil_store::{OpenError, Store, StoreOptions};

use crate::{
    server::{Server, StartError},
    signals::Termination,
    tls::TlsFiles,
};

/// The command line of `fieldveil serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Address and port to listen on; port 0 lets the system choose.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:27017")]
    pub listen: SocketAddr,
    /// Listen also on a Unix domain socket, for the same user only; in a URI it is written
    /// `mongodb://%2Fpath%2Fof%2Fthe.sock`.
    #[arg(long, value_name = "PATH")]
    pub unix_socket: Option<PathBuf>,
    /// Directory for the data; made when it does not exist.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Present the server as the only member of this replica set.
    #[arg(long, value_name = "NAME")]
    pub replica_set: Option<String>,
    /// Require clients to authenticate; the first user is made from this machine, on `admin`.
    #[arg(long)]
    pub auth: bool,
    /// Speak TLS with the certificate chain in this PEM file, which may hold the key as well.
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's key, if it is in a file of its own.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// Authorities whose client certificates are accepted.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_client_ca: Option<PathBuf>,
    /// Refuse clients without a certificate.
    #[arg(long, requires = "tls_client_ca")]
    pub tls_require_client_certificate: bool,
    /// Listen where other machines can reach the server, without authentication or TLS.
    #[arg(long)]
    pub allow_unprotected: bool,
    /// Offer commands that only tests may use, such as fail points.
    #[arg(long)]
    pub enable_test_commands: bool,
    /// Most connections at once.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_connections: usize,
}

/// Why `fieldveil serve` ended badly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The data directory cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The server cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Signals cannot be listened for.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
}

/// Most threads for commands that may wait. Each keeps memory of its own that it has freed, so this
/// bounds what many connections take; more of them wait for their turn, and share a commit then.
pub(crate) const BLOCKING_THREADS: usize = 64;

/// After how many steps of tasks a thread looks for new requests. A commit has some thirty
/// connections answer at once; with tokio's 61, requests that come meanwhile waited for all of them,
/// and the next commit for the requests.
const EVENT_INTERVAL: u32 = 16;

/// A runtime for a server.
///
/// # Errors
/// When the system gives no threads.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .event_interval(EVENT_INTERVAL)
        .build()
}

/// Serves until SIGINT or SIGTERM. `listening` is called once, with the address, when clients may
/// connect.
///
/// # Errors
/// See [`ServeError`]; nothing was served then.
pub async fn serve(args: ServeArgs, listening: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let mut signals = Termination::listen().map_err(ServeError::Signals)?;
    let store = Store::open(&args.data_dir, StoreOptions::default())?;
    let mut builder = Server::builder()
        .store(store)
        .listen(args.listen)
        .authentication(args.auth)
        .test_commands(args.enable_test_commands)
        .allow_unprotected(args.allow_unprotected)
        .max_connections(args.max_connections);
    if let Some(certificate) = args.tls_certificate {
        builder = builder.tls(TlsFiles {
            certificate,
            key: args.tls_key,
            client_authorities: args.tls_client_ca,
            require_client_certificate: args.tls_require_client_certificate,
        });
    }
    if let Some(path) = args.unix_socket {
        builder = builder.unix_socket(path);
    }
    if let Some(name) = args.replica_set {
        builder = builder.replica_set(name);
    }
    let server = builder.start().await?;
    listening(server.local_addr());
    let signal = signals.recv().await;
    tracing::info!(signal, "shutting down");
    server.shutdown().await;
    Ok(())
}
