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
    /// How many bytes there may be.
    max_bytes: usize,
    /// Where the array begins.
    array: usize,
    key: Key,
    len: u64,
}

/// From this length on, room is made for the whole batch at once.
const LARGE: usize = 64 * 1024;

/// Where `cursor` begins: after the length, the type and the name of the field.
const CURSOR: usize = 4 + 1 + "cursor\0".len();

impl BatchReply {
    /// Begins a reply with about `max_bytes` of documents. It is made in `buffer`, whatever that
    /// holds.
    pub(crate) fn new(name: BatchName, max_bytes: usize, buffer: Vec<u8>) -> Self {
        let mut bytes = buffer;
        bytes.clear();
        bytes.extend_from_slice(&[0; 4]);
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
        // The names of the elements take something too.
        let max_bytes = max_bytes + max_bytes / 8 + 1024;
        Self { bytes, max_bytes, array, key: Key::default(), len: 0 }
    }

    pub(crate) fn push(&mut self, document: &RawDocument) {
        let (head, document) = (self.key.head(), document.as_bytes());
        let needed = head.len() + document.len();
        if self.bytes.capacity() - self.bytes.len() < needed {
            let rest = match self.bytes.len() {
                ..LARGE => 0,
                len => self.max_bytes.saturating_sub(len),
            };
            self.bytes.reserve(needed.max(rest));
        }
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(document);
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

/// What stands before a document in an array: its type; and its name, which is its place in decimal
/// digits, and a zero byte.
#[derive(Debug)]
struct Key {
    /// Filled from the end, the type before the first digit.
    digits: [u8; 22],
    start: usize,
}

impl Default for Key {
    fn default() -> Self {
        let mut digits = [b'0'; 22];
        digits[21] = 0;
        digits[19] = ElementType::EmbeddedDocument as u8;
        Self { digits, start: 19 }
    }
}

impl Key {
    fn head(&self) -> &[u8] {
        &self.digits[self.start..]
    }

    fn increment(&mut self) {
        for at in (self.start + 1..21).rev() {
            if self.digits[at] != b'9' {
                self.digits[at] += 1;
                return;
            }
            self.digits[at] = b'0';
        }
        // One digit more; a count of documents does not fill them all.
        self.digits[self.start] = b'1';
        self.start = self.start.saturating_sub(1);
        self.digits[self.start] = ElementType::EmbeddedDocument as u8;
    }
}

#[cfg(test)]
mod tests {
    use bson::{RawArrayBuf, rawdoc};

    use super::*;

    #[test]
    fn a_reply_is_as_one_that_is_built_by_fields() {
        for count in [0, 1, 9, 10, 11, 99, 100, 101, 1000, 12_345] {
            let mut reply = BatchReply::new(BatchName::Next, 0, vec![1; 100]);
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
        assert_eq!(BatchReply::new(BatchName::First, 0, Vec::new()).finish(0, "a.b"), expected);
    }

    #[test]
    fn documents_of_all_sizes_keep_their_order() {
        let mut reply = BatchReply::new(BatchName::Next, 1 << 20, Vec::new());
        let lengths = [10, 5_000, 20_000, 1, 8_000, 70_000, 3];
        let documents: Vec<_> = lengths.into_iter().cycle().take(40).collect();
        let documents = documents.iter().map(|&len| rawdoc! { "x": "x".repeat(len) });
        let documents: Vec<RawDocumentBuf> = documents.collect();
        documents.iter().for_each(|document| reply.push(document));
        assert_eq!(reply.into_documents(), documents);
    }

    #[test]
    fn a_large_batch_gets_its_room_at_once() {
        let mut reply = BatchReply::new(BatchName::Next, 1 << 20, Vec::new());
        let document = rawdoc! { "x": "x".repeat(1000) };
        (0..LARGE / 500).for_each(|_| reply.push(&document));
        let capacity = reply.bytes.capacity();
        (0..800).for_each(|_| reply.push(&document));
        assert_eq!(reply.bytes.capacity(), capacity);
    }
}
