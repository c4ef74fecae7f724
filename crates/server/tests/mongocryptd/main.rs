//! The daemon as a process, as drivers start it.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic, and its helpers with it")]

use std::{
    io::Read,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use bson::{RawDocumentBuf, rawdoc};
use fieldveil_wire::{Connection, Message, OpMsg, Operation};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// A daemon on a port that the system chose; it is killed with the test.
struct Daemon {
    child: Child,
    folder: TempDir,
}

impl Daemon {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_mongocryptd"))
            .args(["--port=0", "--pidfilepath=pid", "--logpath=log"])
            .args(arguments)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    /// The address in the line of the log that says so.
    async fn address(&mut self) -> String {
        wait_for(|| {
            let log = self.log();
            let line = log.lines().find(|line| line.contains("Waiting for connections"))?;
            Some(line.rsplit("address=").next()?.trim().to_owned())
        })
        .await
    }

    fn log(&self) -> String {
        read(&self.folder.path().join("log"))
    }

    async fn connect(&mut self) -> Connection<TcpStream> {
        Connection::new(TcpStream::connect(self.address().await).await.unwrap())
    }

    async fn status(&mut self) -> Option<i32> {
        wait_for(|| self.child.try_wait().unwrap()).await.code()
    }

    /// Whether it answered before it ended.
    async fn ping(&mut self) -> Option<Connection<TcpStream>> {
        let stream = TcpStream::connect(self.address().await).await.ok()?;
        let mut connection = Connection::new(stream);
        try_run(&mut connection, rawdoc! { "ping": 1, "$db": "admin" }).await?;
        Some(connection)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn terminate(process: &str) {
    assert!(Command::new("kill").args(["-TERM", process]).status().unwrap().success());
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Looks until there is something, for twenty seconds of running. What stops the whole test for a
/// while does not make it fail: it counts how often it looked, and not the time.
async fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..2000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited too long");
}

async fn run(connection: &mut Connection<TcpStream>, command: RawDocumentBuf) -> RawDocumentBuf {
    try_run(connection, command).await.unwrap()
}

/// The reply, or `None` if the connection ends before there is one.
async fn try_run(
    connection: &mut Connection<TcpStream>,
    command: RawDocumentBuf,
) -> Option<RawDocumentBuf> {
    let operation = Operation::Msg(OpMsg::new(command));
    let message = Message { request_id: 1, response_to: 0, operation };
    connection.write(&message, None).await.ok()?;
    let received = connection.read().await.ok()??;
    let Operation::Msg(reply) = received.message.operation else { panic!() };
    Some(reply.body)
}

fn insert(text: &str) -> RawDocumentBuf {
    rawdoc! {
        "insert": "people",
        "documents": [{ "_id": 1, "ssn": "123-12-1234", "text": text }],
        "jsonSchema": {
            "bsonType": "object",
            "properties": { "ssn": { "encrypt": {
                "bsonType": "string",
                "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random",
                "keyId": [bson::Binary::from(bson::Uuid::from_bytes([1; 16]))],
            } } },
        },
        "isRemoteSchema": false,
        "$db": "app",
    }
}

#[tokio::test]
async fn it_marks_what_is_to_be_encrypted() {
    let mut daemon = Daemon::start(&[]);
    let mut connection = daemon.connect().await;
    let reply = run(&mut connection, insert("")).await;
    assert!(reply.get_bool("hasEncryptionPlaceholders").unwrap(), "{reply:?}");
    assert!(reply.get_bool("schemaRequiresEncryption").unwrap());
    assert_eq!(reply.get_f64("ok").unwrap(), 1.0);
    let result = reply.get_document("result").unwrap();
    let document = result.get_array("documents").unwrap().get_document(0).unwrap();
    assert_eq!(document.get_binary("ssn").unwrap().bytes.first(), Some(&0));
    assert!(result.get("jsonSchema").unwrap().is_none());
}

#[tokio::test]
async fn refusals_and_unknown_commands_are_server_errors() {
    let mut daemon = Daemon::start(&[]);
    let mut connection = daemon.connect().await;
    let mut find = RawDocumentBuf::new();
    for (name, value) in insert("").iter().flatten() {
        match name.as_str() {
            "insert" => find.append(bson::raw::cstr!("find"), value),
            "documents" => find.append(bson::raw::cstr!("filter"), rawdoc! { "ssn": "1" }),
            _ => find.append(name, value),
        }
    }
    let reply = run(&mut connection, find).await;
    assert_eq!(reply.get_f64("ok").unwrap(), 0.0);
    assert!(reply.get_str("errmsg").unwrap().contains("randomized encryption algorithm"));
    let reply = run(&mut connection, rawdoc! { "shutDownX": 1, "$db": "admin" }).await;
    assert_eq!(reply.get_str("codeName").unwrap(), "CommandNotFound");
}

#[tokio::test]
async fn large_messages_and_many_connections_are_served() {
    let mut daemon = Daemon::start(&[]);
    let address = daemon.address().await;
    let tasks: Vec<_> = (0..40)
        .map(|index| {
            let address = address.clone();
            tokio::spawn(async move {
                let mut connection = Connection::new(TcpStream::connect(address).await.unwrap());
                let text = if index % 10 == 0 { "x".repeat(15_000_000) } else { String::new() };
                let reply = run(&mut connection, insert(&text)).await;
                assert!(reply.get_bool("hasEncryptionPlaceholders").unwrap());
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn it_ends_itself_when_idle() {
    // Where everything stands still for a second, it may have ended before it was asked anything.
    for _ in 0..10 {
        let mut daemon = Daemon::start(&["--idleShutdownTimeoutSecs=1"]);
        let answered = daemon.ping().await;
        assert_eq!(daemon.status().await, Some(0));
        assert!(daemon.log().contains("no requests; shutting down"), "{}", daemon.log());
        if let Some(mut connection) = answered {
            assert!(connection.read().await.unwrap().is_none());
            return;
        }
    }
    panic!("it ended ten times before it answered");
}

#[tokio::test]
async fn sigterm_ends_it_and_the_pid_file_goes() {
    let mut daemon = Daemon::start(&["--idleShutdownTimeoutSecs", "60"]);
    daemon.address().await;
    let pid_file = daemon.folder.path().join("pid");
    let pid = daemon.child.id();
    assert_eq!(read(&pid_file).trim(), pid.to_string());
    terminate(&pid.to_string());
    assert_eq!(daemon.status().await, Some(0));
    assert!(!pid_file.exists());
}

#[tokio::test]
async fn a_taken_port_has_its_own_exit_status() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mongocryptd"))
        .arg(format!("--port={port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(48));
}

#[test]
fn version_and_bad_options() {
    let output = Command::new(env!("CARGO_BIN_EXE_mongocryptd")).arg("--version").output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("mongocryptd v"));
    let bad = Command::new(env!("CARGO_BIN_EXE_mongocryptd"))
        .args(["--idleShutdownTimeoutSecs 123"])
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(bad.code(), Some(2));
}

#[test]
fn fork_leaves_a_daemon_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut parent = Command::new(env!("CARGO_BIN_EXE_mongocryptd"))
        .args(["--port=0", "--fork", "--logpath=log", "--pidfilepath=pid"])
        .args(["--idleShutdownTimeoutSecs=60"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = String::new();
    parent.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(parent.wait().unwrap().success());
    assert!(output.contains("child process started successfully"));
    assert!(read(&folder.path().join("log")).contains("Waiting for connections"));
    terminate(read(&folder.path().join("pid")).trim());
}
