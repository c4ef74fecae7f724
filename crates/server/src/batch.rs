//! The reply that holds a batch of documents, written in one pass.
//!
//! A batch has up to 16 MiB. Each document is copied once, from where the store has it to where
//! the reply is sent from.

use bson::{RawDocument, RawDocumentBuf, spec::ElementType};

/// What the array of documents is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchName {
    First,
    Next,
}

/// `{ cursor: { firstBatch: [ documents ], id, ns } }`, in the making.
#[derive(Debug)]
pub(crate) struct BatchReply {
    bytes: Vec<u8>,
    /// Where the array begins.
    array: usize,
    key: Key,
    len: u64,
}

/// Where `cursor` begins: after the length, the type and the name of the field.
const CURSOR: usize = 4 + 1 + "cursor\0".len();

impl BatchReply {
    pub(crate) fn new(name: BatchName) -> Self {
        let mut bytes = vec![0; 4];
        bytes.push(ElementType::EmbeddedDocument as u8);
        bytes.extend_from_slice(b"cursor\0");
        bytes.extend_from_slice(&[0; 4]);
        bytes.push(ElementType::Array as u8);
        bytes.extend_from_slice(match name {
            BatchName::First => b"firstBatch\0",
            BatchName::Next => b"nextBatch\0",
        });
        let array = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        Self { bytes, array, key: Key::default(), len: 0 }
    }

    pub(crate) fn push(&mut self, document: &RawDocument) {
        self.bytes.push(ElementType::EmbeddedDocument as u8);
        self.bytes.extend_from_slice(self.key.bytes());
        self.bytes.extend_from_slice(document.as_bytes());
        self.key.increment();
        self.len += 1;
    }

    /// How many documents there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The documents, each by itself.
    pub(crate) fn into_documents(self) -> Vec<RawDocumentBuf> {
        let reply = self.finish(0, "");
        let cursor = reply.get_document("cursor").ok();
        let batch = cursor.and_then(|cursor| {
            cursor.get_array("nextBatch").or_else(|_| cursor.get_array("firstBatch")).ok()
        });
        let documents = batch.into_iter().flatten().flatten();
        documents.filter_map(|it| it.as_document().map(ToOwned::to_owned)).collect()
    }

    pub(crate) fn finish(mut self, id: i64, namespace: &str) -> RawDocumentBuf {
        self.end(self.array);
        self.bytes.push(ElementType::Int64 as u8);
        self.bytes.extend_from_slice(b"id\0");
        self.bytes.extend_from_slice(&id.to_le_bytes());
        self.bytes.push(ElementType::String as u8);
        self.bytes.extend_from_slice(b"ns\0");
        self.bytes.extend_from_slice(&length(namespace.len() + 1));
        self.bytes.extend_from_slice(namespace.as_bytes());
        self.bytes.push(0);
        self.end(CURSOR);
        self.end(0);
        // The frame was just written, so it is sound.
        RawDocumentBuf::from_bytes(self.bytes).unwrap_or_default()
    }

    /// Ends the document or array that begins at `start`.
    fn end(&mut self, start: usize) {
        self.bytes.push(0);
        let len = length(self.bytes.len() - start);
        if let Some(field) = self.bytes.get_mut(start..start + 4) {
            field.copy_from_slice(&len);
        }
    }
}

fn length(len: usize) -> [u8; 4] {
    i32::try_from(len).unwrap_or(i32::MAX).to_le_bytes()
}

/// The name of an element of an array: its place in decimal digits, and a zero byte.
#[derive(Debug)]
struct Key {
    /// Filled from the end.
    digits: [u8; 21],
    start: usize,
}

impl Default for Key {
    fn default() -> Self {
        let mut digits = [b'0'; 21];
        digits[20] = 0;
        Self { digits, start: 19 }
    }
}

impl Key {
    fn bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }

    fn increment(&mut self) {
        for at in (1..20).rev() {
            if self.digits[at] != b'9' {
                self.digits[at] += 1;
                self.start = self.start.min(at);
                return;
            }
            self.digits[at] = b'0';
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::{RawArrayBuf, rawdoc};

    use super::*;

    #[test]
    fn a_reply_is_as_one_that_is_built_by_fields() {
        for count in [0, 1, 9, 10, 11, 99, 100, 101, 1000, 12_345] {
            let mut reply = BatchReply::new(BatchName::Next);
            let mut documents = RawArrayBuf::new();
            for n in 0..count {
                let document = rawdoc! { "_id": n };
                reply.push(&document);
                documents.push(document);
            }
            let expected =
                rawdoc! { "cursor": { "nextBatch": documents, "id": 7i64, "ns": "a.b" } };
            assert_eq!(reply.finish(7, "a.b"), expected);
        }
        let expected = rawdoc! { "cursor": { "firstBatch": [], "id": 0i64, "ns": "a.b" } };
        assert_eq!(BatchReply::new(BatchName::First).finish(0, "a.b"), expected);
    }
}
