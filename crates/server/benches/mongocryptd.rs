//! How long the analysis of one command takes: in this process, and through the daemon over one
//! connection, TCP and a Unix domain socket. Prints a table in microseconds.
//!
//!     cargo bench --package fieldveil-server --bench mongocryptd
//!
//! Every request carries a schema with a hundred encrypted fields, as a driver's does. A figure is
//! the median of the rounds; beside it the quickest one, which says more on a busy machine.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop")]

#[path = "../../analysis/benches/commands/mod.rs"]
mod commands;

use std::{
    hint::black_box,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
    time::Instant,
};

use bson::RawDocument;
use commands::{find, insert, request};
use fieldveil_analysis::Analyzer;

/// How many requests make a round.
const REQUESTS: u32 = 300;

/// How many rounds are measured.
const ROUNDS: usize = 31;

/// The port only names the socket file, since no address is listened on by number.
const PORT: &str = "0";

/// A daemon that ends with the benchmark.
struct Daemon {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_mongocryptd"))
            .args(["--port", PORT, "--unixSocketPrefix"])
            .arg(folder.path())
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.map(Result::unwrap).find(|line| line.contains("Waiting for connections"));
        let address = line.unwrap().rsplit("address=").next().unwrap().trim().to_owned();
        Self { child, address, folder }
    }

    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn unix(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join(format!("mongodb-{PORT}.sock"))).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The message (`OP_MSG`) that carries a command.
fn message(command: &RawDocument) -> Vec<u8> {
    let body = command.as_bytes();
    let len = i32::try_from(16 + 4 + 1 + body.len()).unwrap();
    let header = [len, 1, 0, 2013, 0].map(i32::to_le_bytes).concat();
    [header.as_slice(), &[0], body].concat()
}

/// Sends a message and reads the reply into `buffer`.
fn exchange(stream: &mut (impl Read + Write), message: &[u8], buffer: &mut Vec<u8>) {
    stream.write_all(message).unwrap();
    let mut len = [0; 4];
    stream.read_exact(&mut len).unwrap();
    buffer.resize(usize::try_from(i32::from_le_bytes(len)).unwrap() - 4, 0);
    stream.read_exact(buffer).unwrap();
}

/// Median and best time of `work` in microseconds.
fn measure(mut work: impl FnMut()) -> String {
    let mut round = || {
        let begun = Instant::now();
        (0..REQUESTS).for_each(|_| work());
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(REQUESTS)
    };
    round();
    let mut times: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    times.sort_by(f64::total_cmp);
    format!("{:7.1} ({:.1})", times[ROUNDS / 2], times[0])
}

fn main() {
    let daemon = Daemon::start();
    let analyzer = Analyzer::new();
    let (mut tcp, mut unix, mut buffer) = (daemon.tcp(), daemon.unix(), Vec::new());
    println!("microseconds a command: median (best) of {ROUNDS} rounds of {REQUESTS}\n");
    println!("| command | in process | daemon, TCP | daemon, Unix socket |");
    println!("| --- | ---: | ---: | ---: |");
    for (label, command) in [
        ("insert, 1 encrypted field", request(&insert(1))),
        ("insert, 10 encrypted fields", request(&insert(10))),
        ("insert, 100 encrypted fields", request(&insert(100))),
        ("find, 5 predicates", request(&find())),
    ] {
        let message = message(&command);
        exchange(&mut tcp, &message, &mut buffer);
        let reply = RawDocument::from_bytes(&buffer[17..]).unwrap();
        assert!(reply.get_bool("hasEncryptionPlaceholders").unwrap());
        let here = measure(|| {
            black_box(analyzer.analyze_request(black_box(&command)).unwrap());
        });
        let over_tcp = measure(|| exchange(&mut tcp, &message, &mut buffer));
        let over_unix = measure(|| exchange(&mut unix, &message, &mut buffer));
        println!("| {label} | {here} | {over_tcp} | {over_unix} |");
    }
}
