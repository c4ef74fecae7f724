//! Two databases with the same documents: `plain` as they are, `sealed` with encrypted fields.

use std::{fmt, time::Duration};

use bson::{
    Binary, Bson, Document, RawBson, RawDocument, RawDocumentBuf, doc, rawdoc, spec::BinarySubtype,
};
use fieldveil_core::{CoreError, Crypt, DataKeyOptions, Env, Step};
use fieldveil_crypto::{Random, RandomError};
use fieldveil_server::Server;
use fieldveil_store::Store;
use fieldveil_wire::{Connection, Message, OpMsg, Operation};
use tokio::net::TcpStream;

use crate::{
    choices::Choices,
    schemas::{KEY_NAME, Node},
    values::is_secret,
};

/// Bytes that are as good as random for these tests.
struct Counting(u64);

impl Random for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        for byte in out {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (self.0 >> 33) as u8;
        }
        Ok(())
    }
}

/// A server and a key vault.
pub(crate) struct Lab {
    _server: Server,
    connection: Connection<TcpStream>,
    vault: Vec<RawDocumentBuf>,
    random: Counting,
}

/// Collections `c` and `d` of one schema each, in both databases.
pub(crate) struct World<'l> {
    lab: &'l mut Lab,
    crypt: Crypt,
    pub(crate) schemas: [Node; 2],
    pub(crate) documents: [Vec<Document>; 2],
}

impl fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schemas, documents, .. } = self;
        write!(
            f,
            "c: {:?} {:#?}\nd: {:?} {:#?}",
            schemas[0], documents[0], schemas[1], documents[1]
        )
    }
}

fn providers() -> RawDocumentBuf {
    rawdoc! { "local": { "key": Binary { subtype: 0.into(), bytes: vec![0x5A; 96] } } }
}

impl Lab {
    pub(crate) async fn start() -> Self {
        let server = Server::builder().store(Store::in_memory().unwrap()).start().await.unwrap();
        let stream = TcpStream::connect(server.local_addr()).await.unwrap();
        let connection = Connection::new(stream);
        let mut lab = Self { _server: server, connection, vault: Vec::new(), random: Counting(1) };
        let mut builder = Crypt::builder();
        builder.kms_providers(&providers()).unwrap();
        let crypt = builder.build().unwrap();
        for names in [vec![], vec![KEY_NAME.to_owned()]] {
            let options = DataKeyOptions {
                master_key: Some(rawdoc! { "provider": "local" }),
                key_alt_names: names,
                key_material: None,
            };
            let key = lab.drive(|env| crypt.create_data_key(options, env)).unwrap();
            lab.vault.push(key);
        }
        lab
    }

    /// Runs a command on the server.
    async fn run(&mut self, database: &str, command: &RawDocument) -> Document {
        let mut body = command.to_owned();
        if matches!(body.get("$db"), Ok(None)) {
            body.append(bson::raw::cstr!("$db"), database);
        }
        let operation = Operation::Msg(OpMsg::new(body));
        let message = Message { request_id: 1, response_to: 0, operation };
        self.connection.write(&message, None).await.unwrap();
        let message = self.connection.read().await.unwrap().unwrap().message;
        let Operation::Msg(reply) = message.operation else { panic!("{message:?}") };
        Document::try_from(reply.body).unwrap()
    }

    /// Drives an operation of core to its end.
    fn drive(
        &mut self,
        begin: impl FnOnce(&mut Env<'_>) -> Result<Step, CoreError>,
    ) -> Result<RawDocumentBuf, CoreError> {
        let Self { vault, random, .. } = self;
        let mut env = Env::new(Duration::from_secs(1), || 1_700_000_000_000, random);
        let mut step = begin(&mut env)?;
        loop {
            step = match step {
                Step::Keys(mut need) => {
                    let filter = need.filter().to_owned();
                    for key in vault.iter().filter(|key| is_wanted(&filter, key)) {
                        need.feed(key)?;
                    }
                    need.done(&mut env)?
                }
                Step::Kms(need) => need.done(&mut env)?,
                Step::Ready(ready) => return Ok(ready.finish()),
                other => panic!("nothing else is needed: {other:?}"),
            };
        }
    }
}

/// Whether the vault would give this key for a filter of core.
fn is_wanted(filter: &RawDocument, key: &RawDocument) -> bool {
    let Ok(arms) = filter.get_array("$or") else { return true };
    let wanted = |arm: usize, field: &str| {
        let list = arms.get_document(arm).unwrap().get_document(field).unwrap();
        let items = list.get_array("$in").unwrap();
        items.into_iter().map(|item| RawBson::from(item.unwrap())).collect::<Vec<_>>()
    };
    let id = RawBson::from(key.get("_id").unwrap().unwrap());
    let is_named = key.get_array("keyAltNames").is_ok_and(|names| {
        let mut names = names.into_iter().map(|name| RawBson::from(name.unwrap()));
        names.any(|name| wanted(1, "keyAltNames").contains(&name))
    });
    wanted(0, "_id").contains(&id) || is_named
}

/// How a command fared on encrypted data.
pub(crate) enum Sealed {
    /// Analysis refused it, with this message.
    Refused(String),
    /// The server answered.
    Reply {
        /// The reply after decryption.
        reply: Document,
        /// Whether anything in the command was encrypted.
        is_sealed: bool,
    },
    /// A secret was in the command as it would be sent.
    Leak(Document),
}

impl<'l> World<'l> {
    /// A random world; `None` if its documents cannot be encrypted.
    pub(crate) async fn random(lab: &'l mut Lab, choices: &mut Choices) -> Option<Self> {
        let schemas = [Node::root(choices), Node::root(choices)];
        let documents = [0, 1].map(|index| {
            let count = 1 + choices.below(5);
            let schema: &Node = &schemas[index];
            (0..count).map(|id| schema.document(choices, id)).collect::<Vec<_>>()
        });
        let keys = [0, 1].map(|index| {
            let id = lab.vault[index].get_binary("_id").unwrap();
            Binary { subtype: id.subtype, bytes: id.bytes.to_vec() }
        });
        let map = doc! {
            "sealed.c": schemas[0].json(&keys, false),
            "sealed.d": schemas[1].json(&keys, false),
        };
        let mut builder = Crypt::builder();
        builder.kms_providers(&providers()).unwrap();
        builder.several_collections(true);
        builder.schema_map(&RawDocumentBuf::try_from(map).unwrap()).unwrap();
        let crypt = builder.build().unwrap();
        for database in ["plain", "sealed"] {
            lab.run(database, &rawdoc! { "dropDatabase": 1 }).await;
        }
        let mut world = Self { lab, crypt, schemas, documents };
        world.fill().await.then_some(world)
    }

    /// Puts the documents into both databases.
    pub(crate) async fn fill(&mut self) -> bool {
        for (index, name) in ["c", "d"].into_iter().enumerate() {
            let clear = doc! { "delete": name, "deletes": [{ "q": {}, "limit": 0 }] };
            let insert = doc! { "insert": name, "documents": self.documents[index].clone() };
            for database in ["plain", "sealed"] {
                self.lab.run(database, &raw(&clear)).await;
            }
            let plain = self.plain(&insert).await;
            match self.sealed(&insert).await {
                Sealed::Reply { reply, .. } if reply == plain => {}
                _ => return false,
            }
        }
        true
    }

    /// Runs a command on plaintext.
    pub(crate) async fn plain(&mut self, command: &Document) -> Document {
        self.lab.run("plain", &raw(command)).await
    }

    /// Encrypts a command and runs it.
    pub(crate) async fn sealed(&mut self, command: &Document) -> Sealed {
        let (crypt, command) = (self.crypt.clone(), raw(command));
        let sent = match self.lab.drive(|env| crypt.encrypt_command("sealed", &command, env)) {
            Ok(sent) => sent,
            Err(error) => return Sealed::Refused(error.to_string()),
        };
        let reply = raw(&self.lab.run("sealed", &sent).await);
        let opened = self.lab.drive(|env| crypt.decrypt(&reply, env)).unwrap();
        let sent = Document::try_from(sent).unwrap();
        if is_secret(&Bson::Document(sent.clone())) {
            return Sealed::Leak(sent);
        }
        let is_sealed = holds_ciphertext(&Bson::Document(sent));
        Sealed::Reply { reply: Document::try_from(opened).unwrap(), is_sealed }
    }

    /// All documents of `c` on plaintext, and on encrypted data after decryption; the third are
    /// the latter as they are stored.
    pub(crate) async fn stored(&mut self) -> [Vec<Bson>; 3] {
        let find = doc! { "find": "c" };
        let plain = batch(&self.plain(&find).await);
        let stored = self.lab.run("sealed", &raw(&find)).await;
        let crypt = self.crypt.clone();
        let opened = self.lab.drive(|env| crypt.decrypt(&raw(&stored), env)).unwrap();
        let opened = Document::try_from(opened).unwrap();
        [plain, batch(&opened), batch(&stored)]
    }
}

fn holds_ciphertext(value: &Bson) -> bool {
    match value {
        Bson::Binary(binary) => binary.subtype == BinarySubtype::Encrypted,
        Bson::Array(items) => items.iter().any(holds_ciphertext),
        Bson::Document(document) => document.values().any(holds_ciphertext),
        _ => false,
    }
}

/// The documents of a cursor's first batch.
pub(crate) fn batch(reply: &Document) -> Vec<Bson> {
    let cursor = reply.get_document("cursor").unwrap();
    cursor.get_array("firstBatch").unwrap().clone()
}

fn raw(document: &Document) -> RawDocumentBuf {
    RawDocumentBuf::try_from(document.clone()).unwrap()
}

pub(crate) fn has_failed(reply: &Document) -> bool {
    !matches!(reply.get_f64("ok"), Ok(1.0)) || reply.contains_key("writeErrors")
}
