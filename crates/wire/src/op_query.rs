//! `OP_QUERY` and `OP_REPLY`, which live on for the first message of a connection.

use bson::{RawDocument, RawDocumentBuf};

use crate::{bson_check::check_document, error::WireError, header::Header, reader::Reader};

/// A legacy query. Only `<db>.$cmd` has a meaning today, and only for the handshake.
#[derive(Clone, Debug, PartialEq)]
pub struct OpQuery {
    /// Flag bits; 4 is `secondaryOk`.
    pub flags: u32,
    /// `database.collection`.
    pub full_collection_name: String,
    /// Documents to skip.
    pub skip: i32,
    /// Documents to return.
    pub limit: i32,
    /// The query, or the command.
    pub query: RawDocumentBuf,
}

/// The answer to an `OP_QUERY`.
#[derive(Clone, Debug, PartialEq)]
pub struct OpReply {
    /// Flag bits; 2 is `QueryFailure`, 8 is `AwaitCapable`.
    pub flags: u32,
    /// 0, as no cursor is ever opened this way.
    pub cursor_id: i64,
    /// Position of the first document.
    pub starting_from: i32,
    /// What was found.
    pub documents: Vec<RawDocumentBuf>,
}

impl OpQuery {
    /// The database when this is a command, which is a query on `<db>.$cmd`.
    #[must_use]
    pub fn command_database(&self) -> Option<&str> {
        self.full_collection_name.strip_suffix(".$cmd")
    }

    /// Flags, name, skip, limit, query, and maybe a projection, which is ignored.
    pub(crate) fn decode(header: &Header, body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let flags = reader.u32("flags")?;
        let full_collection_name = reader.c_string("collection name")?.to_owned();
        let skip = reader.i32("skip")?;
        let limit = reader.i32("limit")?;
        let query = document(header, &mut reader)?;
        if !reader.is_empty() {
            document(header, &mut reader)?;
        }
        if !reader.is_empty() {
            return Err(WireError::Malformed { part: "end of query" });
        }
        Ok(Self { flags, full_collection_name, skip, limit, query })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(self.full_collection_name.as_bytes());
        out.push(0);
        out.extend_from_slice(&self.skip.to_le_bytes());
        out.extend_from_slice(&self.limit.to_le_bytes());
        out.extend_from_slice(self.query.as_bytes());
    }
}

impl OpReply {
    const AWAIT_CAPABLE: u32 = 8;

    /// A reply of one document.
    #[must_use]
    pub fn new(document: RawDocumentBuf) -> Self {
        Self {
            flags: Self::AWAIT_CAPABLE,
            cursor_id: 0,
            starting_from: 0,
            documents: vec![document],
        }
    }

    pub(crate) fn decode(header: &Header, body: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let flags = reader.u32("flags")?;
        let cursor_id = reader.i64("cursor id")?;
        let starting_from = reader.i32("starting from")?;
        let count = reader.i32("number returned")?;
        let mut documents = Vec::new();
        while !reader.is_empty() {
            documents.push(document(header, &mut reader)?);
        }
        if usize::try_from(count) != Ok(documents.len()) {
            return Err(WireError::Malformed { part: "number returned" });
        }
        Ok(Self { flags, cursor_id, starting_from, documents })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let count = i32::try_from(self.documents.len()).unwrap_or(i32::MAX);
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.cursor_id.to_le_bytes());
        out.extend_from_slice(&self.starting_from.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        for document in &self.documents {
            out.extend_from_slice(document.as_bytes());
        }
    }
}

fn document(header: &Header, reader: &mut Reader<'_>) -> Result<RawDocumentBuf, WireError> {
    let bytes = reader.document("document")?;
    let invalid = |fault| WireError::InvalidBson {
        fault,
        request_id: header.request_id,
        reply_expected: true,
    };
    check_document(bytes).map_err(invalid)?;
    RawDocument::from_bytes(bytes)
        .map(ToOwned::to_owned)
        .map_err(|_| WireError::Malformed { part: "document" })
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;
    use proptest::prelude::*;

    use super::*;
    use crate::message::{Message, Operation};

    fn handshake() -> Message {
        let query = OpQuery {
            flags: 4,
            full_collection_name: "admin.$cmd".into(),
            skip: 0,
            limit: -1,
            query: rawdoc! { "isMaster": 1, "helloOk": true },
        };
        Message { request_id: 3, response_to: 0, operation: Operation::Query(query) }
    }

    fn bytes(message: &Message) -> Vec<u8> {
        let mut out = Vec::new();
        message.encode(&mut out).unwrap();
        out
    }

    #[test]
    fn query_and_reply_survive_a_round_trip() {
        let reply = OpReply::new(rawdoc! { "ok": 1.0 });
        let reply = Message { request_id: 9, response_to: 3, operation: Operation::Reply(reply) };
        for message in [handshake(), reply] {
            assert_eq!(Message::from_bytes(&bytes(&message)).unwrap(), message);
        }
    }

    #[test]
    fn command_database_needs_the_cmd_collection() {
        let Operation::Query(mut query) = handshake().operation else { panic!() };
        assert_eq!(query.command_database(), Some("admin"));
        query.full_collection_name = "admin.people".into();
        assert_eq!(query.command_database(), None);
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0usize..100, value in any::<u8>()) {
            let mut bytes = bytes(&handshake());
            let len = bytes.len();
            bytes[at % len] = value;
            let _ = Message::from_bytes(&bytes);
        }
    }
}
