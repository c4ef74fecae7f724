//! The server over loopback sockets: ratios of rates, and a soak.
//!
//! `cargo xtask bench server` and `cargo xtask bench soak` run it. Everything is one process: the
//! server on a data directory of its own, and its clients, which speak the wire protocol by hand so
//! that no driver's work is measured.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

mod client;
mod ratios;
mod soak;

use std::time::Duration;

use clap::Parser;
use fieldveil_server::Server;
use fieldveil_store::{Store, StoreOptions};

#[derive(Parser)]
enum What {
    /// Rates of operations, each with what it is compared to in the same run.
    Ratios {
        /// Documents of the large collection for the indexed query.
        #[arg(long, default_value_t = 1_000_000)]
        documents: u32,
        /// Seconds for each measurement of inserts.
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
        /// Only these parts: `find-one`, `inserts`, `whole-find`, `indexed`.
        #[arg(long, value_delimiter = ',')]
        only: Vec<ratios::Part>,
    },
    /// Many connections at work for a long time.
    Soak {
        #[arg(long, default_value_t = 1800)]
        seconds: u64,
        #[arg(long, default_value_t = 200)]
        connections: usize,
        /// How much of the data file the store may keep in memory.
        #[arg(long, default_value_t = 256)]
        cache_mib: usize,
    },
    /// What `cargo test --benches` does: nothing.
    Nothing,
}

fn main() {
    // `cargo bench` adds a flag of its own.
    let arguments: Vec<String> = std::env::args().filter(|it| it != "--bench").collect();
    let what = if arguments.len() < 2 { What::Nothing } else { What::parse_from(arguments) };
    let runtime = fieldveil_server::serve::runtime().unwrap();
    runtime.block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::default();
        if let What::Soak { cache_mib, .. } = what {
            options.cache_bytes = cache_mib << 20;
        }
        let store = Store::open(directory.path(), options).unwrap();
        let socket = directory.path().join("server.sock");
        let builder = Server::builder().store(store.clone()).unix_socket(&socket);
        let server = builder.start().await.unwrap();
        match what {
            What::Ratios { documents, seconds, only } => {
                let time = Duration::from_secs_f64(seconds);
                ratios::run(&server, &socket, &store, documents, time, &only).await;
            }
            What::Soak { seconds, connections, .. } => {
                let data = directory.path().join("data.redb");
                soak::run(&server, &data, Duration::from_secs(seconds), connections).await;
            }
            What::Nothing => {}
        }
        server.shutdown().await;
    });
}
