//! A client that sends what a test tells it to, and a server for it.

use bson::{RawDocument, RawDocumentBuf};
use fieldveil_server::{Server, ServerBuilder};
use fieldveil_store::Store;
use fieldveil_wire::{Connection, Message, MsgFlags, OpMsg, Operation};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

pub(crate) struct Client<S = TcpStream> {
    pub(crate) connection: Connection<S>,
    next_id: i32,
}

pub(crate) fn builder() -> ServerBuilder {
    Server::builder().store(Store::in_memory().unwrap())
}

pub(crate) async fn start() -> (Server, Client) {
    let server = builder().start().await.unwrap();
    let client = Client::connect(&server).await;
    (server, client)
}

impl Client {
    pub(crate) async fn connect(server: &Server) -> Self {
        Self::over(TcpStream::connect(server.local_addr()).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { connection: Connection::new(stream), next_id: 1 }
    }

    pub(crate) async fn send(&mut self, message: OpMsg) -> i32 {
        let request_id = self.next_id;
        self.next_id += 1;
        let message = Message { request_id, response_to: 0, operation: Operation::Msg(message) };
        self.connection.write(&message, None).await.unwrap();
        request_id
    }

    /// The next reply, its header and whether more follow.
    pub(crate) async fn receive(&mut self) -> (Message, RawDocumentBuf, bool) {
        let message = self.connection.read().await.unwrap().unwrap().message;
        let Operation::Msg(reply) = &message.operation else { panic!("{message:?}") };
        let more = reply.flags.contains(MsgFlags::MORE_TO_COME);
        let body = reply.body.clone();
        (message, body, more)
    }

    pub(crate) async fn run(&mut self, command: RawDocumentBuf) -> RawDocumentBuf {
        self.send(OpMsg::new(command)).await;
        self.receive().await.1
    }

    /// Runs a command that must succeed.
    pub(crate) async fn ok(&mut self, command: RawDocumentBuf) -> RawDocumentBuf {
        let reply = self.run(command).await;
        assert_eq!(reply.get_f64("ok").unwrap(), 1.0, "{reply:?}");
        reply
    }

    /// Runs a command that must fail, and gives its code.
    pub(crate) async fn code(&mut self, command: RawDocumentBuf) -> i32 {
        let reply = self.run(command).await;
        assert_eq!(reply.get_f64("ok").unwrap(), 0.0, "{reply:?}");
        reply.get_i32("code").unwrap()
    }
}

/// The documents of a cursor reply's batch.
pub(crate) fn batch(reply: &RawDocument) -> Vec<RawDocumentBuf> {
    let cursor = reply.get_document("cursor").unwrap();
    let batch = cursor.get_array("firstBatch").or_else(|_| cursor.get_array("nextBatch")).unwrap();
    batch.into_iter().map(|it| it.unwrap().as_document().unwrap().to_owned()).collect()
}

pub(crate) fn cursor_id(reply: &RawDocument) -> i64 {
    reply.get_document("cursor").unwrap().get_i64("id").unwrap()
}
