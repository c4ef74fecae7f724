//! One connection that asks and waits.

use std::io::{Read as _, Write as _};

use bson::{RawArray, RawDocument, RawDocumentBuf, oid::ObjectId, rawdoc, spec::ElementType};
use fieldveil_server::Server;
use fieldveil_wire::{Connection, HEADER_LEN, Header, Message, OpMsg, Operation, Sequence};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

pub(crate) struct Client(Connection<TcpStream>);

impl Client {
    pub(crate) async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(Connection::new(stream))
    }

    /// Runs a command and gives its reply, whatever it says.
    pub(crate) async fn run(
        &mut self,
        body: RawDocumentBuf,
        sequence: Option<Sequence>,
    ) -> RawDocumentBuf {
        let mut message = OpMsg::new(body);
        message.sequences.extend(sequence);
        let operation = Operation::Msg(message);
        let message = Message { request_id: 1, response_to: 0, operation };
        self.0.write(&message, None).await.unwrap();
        match self.0.read().await.unwrap().unwrap().message.operation {
            Operation::Msg(reply) => reply.body,
            other => panic!("{other:?}"),
        }
    }

    /// Runs a command that must succeed.
    pub(crate) async fn ok(&mut self, body: RawDocumentBuf) -> RawDocumentBuf {
        let reply = self.run(body, None).await;
        assert_eq!(reply.get_f64("ok").unwrap(), 1.0, "{reply:?}");
        assert!(reply.get_array("writeErrors").is_err(), "{reply:?}");
        reply
    }

    pub(crate) async fn insert(&mut self, collection: &str, documents: Vec<RawDocumentBuf>) {
        let count = i32::try_from(documents.len()).unwrap();
        let sequence = Sequence { identifier: "documents".into(), documents };
        let body = rawdoc! { "insert": collection, "$db": "bench" };
        let reply = self.run(body, Some(sequence)).await;
        assert_eq!(reply.get_i32("n").unwrap(), count, "{reply:?}");
    }
}

/// One connection that inserts the same small document again and again with a new `_id`. It sends
/// what a driver sends, and takes no more of the processor than one in C.
pub(crate) struct Inserter<S> {
    stream: S,
    message: Vec<u8>,
    id_at: usize,
    reply: Vec<u8>,
}

impl Inserter<TcpStream> {
    pub(crate) async fn connect(server: &Server, collection: &str) -> Self {
        let stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::new(stream, collection)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Inserter<S> {
    pub(crate) fn new(stream: S, collection: &str) -> Self {
        let session = bson::Binary::from_uuid(bson::Uuid::new());
        let mut message = OpMsg::new(rawdoc! {
            "insert": collection, "ordered": true, "$db": "bench", "lsid": { "id": session },
        });
        let id = ObjectId::new();
        let documents = vec![rawdoc! { "_id": id, "x": "a small document" }];
        message.sequences.push(Sequence { identifier: "documents".into(), documents });
        let message = encode(message);
        let id_at = message.windows(12).position(|part| part == id.bytes()).unwrap();
        Self { stream, message, id_at, reply: vec![0; 4096] }
    }

    pub(crate) async fn insert(&mut self) {
        self.message[self.id_at..][..12].copy_from_slice(&ObjectId::new().bytes());
        self.stream.write_all(&self.message).await.unwrap();
        let (mut filled, mut wanted) = (0, HEADER_LEN);
        while filled < wanted {
            let count = self.stream.read(&mut self.reply[filled..]).await.unwrap();
            assert_ne!(count, 0, "the server closed the connection");
            filled += count;
            if let Some(header) = self.reply[..filled].first_chunk() {
                wanted = Header::decode(header).unwrap().message_len;
            }
        }
        // Four bytes of flags, and the kind of the only section.
        let reply = RawDocument::from_bytes(&self.reply[HEADER_LEN + 5..wanted]).unwrap();
        assert_eq!(reply.get_f64("ok").unwrap(), 1.0);
        assert_eq!(reply.get_i32("n").unwrap(), 1, "{reply:?}");
    }
}

fn encode(message: OpMsg) -> Vec<u8> {
    let mut bytes = Vec::new();
    let operation = Operation::Msg(message);
    Message { request_id: 1, response_to: 0, operation }.encode(&mut bytes).unwrap();
    bytes
}

/// One connection that reads replies as a driver in C does: it waits in the system's calls, receives
/// into one buffer, and looks at the documents where they lie.
pub(crate) struct RawClient {
    stream: std::net::TcpStream,
    buffer: Vec<u8>,
}

impl RawClient {
    pub(crate) fn connect(server: &Server) -> Self {
        let stream = std::net::TcpStream::connect(server.local_addr()).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Runs a command that must succeed.
    pub(crate) fn ok(&mut self, body: RawDocumentBuf) -> &RawDocument {
        self.stream.write_all(&encode(OpMsg::new(body))).unwrap();
        let mut header = [0; HEADER_LEN];
        self.stream.read_exact(&mut header).unwrap();
        self.buffer.resize(Header::decode(&header).unwrap().body_len(), 0);
        self.stream.read_exact(&mut self.buffer).unwrap();
        // Four bytes of flags, and the kind of the only section.
        let reply = RawDocument::from_bytes(&self.buffer[5..]).unwrap();
        assert_eq!(reply.get_f64("ok").unwrap(), 1.0);
        reply
    }
}

/// The batch of a cursor's reply.
pub(crate) fn batch(reply: &RawDocument) -> (&RawArray, i64) {
    let cursor = reply.get_document("cursor").unwrap();
    let batch = cursor.get_array("firstBatch").or_else(|_| cursor.get_array("nextBatch"));
    (batch.unwrap(), cursor.get_i64("id").unwrap())
}

/// Walks over the documents of a batch; says how many there are. Of each it looks at the type, the
/// name, the length and the end, as libbson's iterator does.
pub(crate) fn walk(batch: &RawArray) -> usize {
    let bytes = batch.as_bytes();
    let (mut rest, mut count) = (&bytes[4..bytes.len() - 1], 0);
    while let Some((kind, named)) = rest.split_first() {
        assert_eq!(*kind, ElementType::EmbeddedDocument as u8);
        let name = named.iter().position(|&byte| byte == 0).unwrap();
        let document = &named[name + 1..];
        let len = u32::from_le_bytes(*document.first_chunk().unwrap());
        let (document, after) = document.split_at(usize::try_from(len).unwrap());
        assert_eq!(document.last(), Some(&0));
        (rest, count) = (after, count + 1);
    }
    count
}
