//! The daemon's life: bind, say so, serve, end.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use fieldveil_wire::BindAddress;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use crate::{
    cryptd::{args::Args, fork, handler::Analyser, idle::Activity},
    service::{Endpoint, Running},
    signals,
};

/// Exit status when the socket cannot be opened, as the original's.
const EXIT_NET_ERROR: u8 = 48;

/// Exit status when a file cannot be written, or the runtime not be started.
const EXIT_FAILURE: u8 = 1;

/// How a daemon listens, and for how long without requests.
#[derive(Clone, Debug)]
pub struct CryptdOptions {
    /// Addresses to listen on.
    pub addresses: Vec<BindAddress>,
    /// Ends itself after this time without a request; never if `None`.
    pub idle_timeout: Option<Duration>,
    /// Most connections at once.
    pub max_connections: usize,
}

/// A running daemon. Dropping it ends it.
#[derive(Debug)]
pub struct Cryptd {
    running: Running,
    shutdown: CancellationToken,
}

impl Cryptd {
    /// Binds and begins to serve on the current tokio runtime.
    ///
    /// # Errors
    /// What the system says about an address.
    pub async fn start(options: CryptdOptions) -> io::Result<Self> {
        let shutdown = CancellationToken::new();
        let analyser = Arc::new(Analyser {
            activity: Activity::new(),
            shutdown: shutdown.clone(),
            analyzer: Arc::default(),
        });
        let endpoint = Endpoint {
            addresses: options.addresses,
            max_connections: options.max_connections,
            tls: None,
        };
        let started = Running::start(Arc::clone(&analyser), endpoint, shutdown.clone()).await;
        let running = started.map_err(|error| error.source)?;
        if let Some(limit) = options.idle_timeout {
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = analyser.activity.idle_for(limit) => {
                        tracing::info!(seconds = limit.as_secs(), "no requests; shutting down");
                        shutdown.cancel();
                    }
                    () = shutdown.cancelled() => {}
                }
            });
        }
        Ok(Self { running, shutdown })
    }

    /// The first TCP address that is listened on.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.running.address()
    }

    /// Waits until the daemon ends itself, being idle or told so by a client.
    pub async fn ended(&self) {
        self.shutdown.cancelled().await;
    }

    /// Stops accepting, lets running requests finish, closes.
    pub async fn shutdown(&mut self) {
        self.running.shutdown().await;
    }
}

/// The program: parses the command line and serves until told to end.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    if args.fork && !fork::is_child() {
        return fork::parent();
    }
    if let Err(error) = log_to(&args) {
        eprintln!("mongocryptd: cannot open the log: {error}");
        return ExitCode::from(EXIT_FAILURE);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(serve(args)),
        Err(error) => {
            tracing::error!(%error, "cannot start");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

async fn serve(args: Args) -> ExitCode {
    let mut signals = match signals::Termination::listen() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "cannot listen for signals");
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    let mut daemon = match Cryptd::start(options(&args)).await {
        Ok(daemon) => daemon,
        Err(error) => {
            tracing::error!(port = args.port, %error, "cannot listen; is another daemon running?");
            return ExitCode::from(EXIT_NET_ERROR);
        }
    };
    let pid_file = match args.pid_file_path.as_deref().map(PidFile::write).transpose() {
        Ok(pid_file) => pid_file,
        Err(error) => {
            tracing::error!(%error, "cannot write the pid file");
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    match daemon.local_addr() {
        Some(address) => tracing::info!(%address, "Waiting for connections"),
        None => tracing::info!("Waiting for connections"),
    }
    fork::report_ready();
    tokio::select! {
        () = daemon.ended() => {}
        signal = signals.recv() => tracing::info!(signal, "shutting down"),
    }
    daemon.shutdown().await;
    drop(pid_file);
    ExitCode::SUCCESS
}

fn options(args: &Args) -> CryptdOptions {
    let mut addresses: Vec<BindAddress> = args
        .addresses()
        .into_iter()
        .map(|ip| BindAddress::Tcp(SocketAddr::new(ip, args.port)))
        .collect();
    let sockets = args.bind_ip.iter().filter(|name| name.starts_with('/')).map(PathBuf::from);
    addresses.extend(sockets.map(BindAddress::Unix));
    if let Some(folder) = args.unix_socket_prefix.as_ref().filter(|_| !args.no_unix_socket) {
        addresses.push(BindAddress::Unix(folder.join(format!("mongodb-{}.sock", args.port))));
    }
    CryptdOptions {
        addresses,
        idle_timeout: u64::try_from(args.idle_shutdown_timeout_secs)
            .ok()
            .filter(|&seconds| seconds > 0)
            .map(Duration::from_secs),
        max_connections: args.max_conns,
    }
}

fn log_to(args: &Args) -> io::Result<()> {
    let level = match args.verbose {
        _ if args.quiet => LevelFilter::WARN,
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_ansi(false);
    match &args.log_path {
        None => subscriber.init(),
        Some(path) => {
            if !args.log_append && path.exists() {
                let mut aside = path.clone().into_os_string();
                aside.push(format!(".{}", bson::DateTime::now().timestamp_millis()));
                std::fs::rename(path, aside)?;
            }
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            subscriber.with_writer(std::sync::Mutex::new(file)).init();
        }
    }
    Ok(())
}

/// The file with the process id, gone when the process ends well.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &Path) -> io::Result<Self> {
        let mut file = std::fs::File::create(path)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Nothing is lost when a stale pid file stays.
        let _ = std::fs::remove_file(&self.0);
    }
}
