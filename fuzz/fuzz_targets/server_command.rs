//! Any document as a command: the server answers each, and goes on.
#![no_main]

use std::{cell::RefCell, time::Duration};

use bson::{RawDocumentBuf, raw::cstr};
use fieldveil_server::Server;
use fieldveil_store::Store;
use fieldveil_wire::{Connection, Message, OpMsg, Operation, check_document};
use libfuzzer_sys::fuzz_target;
use tokio::{net::TcpStream, runtime::Runtime, time::timeout};

/// A server, and a connection to it.
struct Target {
    runtime: Runtime,
    server: Server,
    connection: Connection<TcpStream>,
}

impl Target {
    fn start() -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let (server, connection) = runtime.block_on(async {
            let store = Store::in_memory().expect("memory is there");
            let server = Server::builder().store(store).start().await.expect("a port is free");
            let stream = TcpStream::connect(server.local_addr()).await.expect("it listens");
            (server, Connection::new(stream))
        });
        Self { runtime, server, connection }
    }

    fn ask(&mut self, body: RawDocumentBuf) {
        let operation = Operation::Msg(OpMsg::new(body));
        let message = Message { request_id: 1, response_to: 0, operation };
        let connection = &mut self.connection;
        self.runtime.block_on(async {
            connection.write(&message, None).await.expect("the connection is open");
            let reply = timeout(Duration::from_secs(20), connection.read()).await;
            let reply = reply.expect("an answer comes in time").expect("the answer is sound");
            assert!(reply.is_some(), "the connection stays open");
        });
        let _ = &self.server;
    }
}

thread_local! {
    static TARGET: RefCell<Target> = RefCell::new(Target::start());
}

fuzz_target!(|bytes: &[u8]| {
    if check_document(bytes).is_err() {
        return;
    }
    let Ok(mut command) = RawDocumentBuf::from_bytes(bytes.to_vec()) else { return };
    if !matches!(command.get("$db"), Ok(Some(_))) {
        command.append(cstr!("$db"), "fuzz");
    }
    TARGET.with_borrow_mut(|target| target.ask(command));
});
