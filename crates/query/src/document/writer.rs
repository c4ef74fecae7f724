//! Building a document in one piece of memory, whatever is nested in it.

use bson::raw::{RawBsonRef, RawDocumentBuf};
use bson::spec::ElementType;

use super::single;

/// A document in work: elements are appended, and documents and arrays opened and closed.
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

/// A document or array that [`Writer::open`] began.
#[must_use]
pub(crate) struct Open(usize);

impl Writer {
    pub(crate) fn new() -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend([0; 4]);
        Self { bytes }
    }

    /// Appends an element. A name that holds a NUL ends there, as C strings do.
    pub(crate) fn put<'v>(&mut self, name: &str, value: impl Into<RawBsonRef<'v>> + 'v) {
        let value = value.into();
        let text = |bytes: &mut Vec<u8>, text: &str| {
            bytes.extend(length(text.len() + 1));
            bytes.extend(text.as_bytes());
            bytes.push(0);
        };
        match value {
            RawBsonRef::String(value) => {
                self.name(ElementType::String, name);
                text(&mut self.bytes, value);
            }
            RawBsonRef::Int32(value) => {
                self.name(ElementType::Int32, name);
                self.bytes.extend(value.to_le_bytes());
            }
            RawBsonRef::Int64(value) => {
                self.name(ElementType::Int64, name);
                self.bytes.extend(value.to_le_bytes());
            }
            RawBsonRef::Boolean(value) => {
                self.name(ElementType::Boolean, name);
                self.bytes.push(value.into());
            }
            RawBsonRef::Document(value) => {
                self.name(ElementType::EmbeddedDocument, name);
                self.bytes.extend(value.as_bytes());
            }
            RawBsonRef::Array(value) => {
                self.name(ElementType::Array, name);
                self.bytes.extend(value.as_bytes());
            }
            // The rarer types are left to `bson`.
            other => {
                let alone = single(name, other);
                let bytes = alone.as_bytes();
                self.bytes.extend(bytes.get(4..bytes.len() - 1).unwrap_or_default());
            }
        }
    }

    /// Begins a nested document.
    pub(crate) fn open(&mut self, name: &str) -> Open {
        self.begin(ElementType::EmbeddedDocument, name)
    }

    /// Begins a nested array, whose elements are named by their positions.
    pub(crate) fn open_array(&mut self, name: &str) -> Open {
        self.begin(ElementType::Array, name)
    }

    /// Ends what [`Writer::open`] began.
    pub(crate) fn close(&mut self, open: Open) {
        self.bytes.push(0);
        self.set_length(open.0);
    }

    /// The whole document.
    pub(crate) fn finish(mut self) -> RawDocumentBuf {
        self.bytes.push(0);
        self.set_length(0);
        #[expect(clippy::expect_used, reason = "the frame was just written")]
        RawDocumentBuf::from_bytes(self.bytes).expect("a frame makes a document")
    }

    fn begin(&mut self, kind: ElementType, name: &str) -> Open {
        self.name(kind, name);
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        Open(start)
    }

    fn name(&mut self, kind: ElementType, name: &str) {
        let name = name.split('\0').next().unwrap_or_default();
        self.bytes.push(kind as u8);
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
    }

    fn set_length(&mut self, start: usize) {
        let len = self.bytes.len() - start;
        if let Some(prefix) = self.bytes.get_mut(start..start + 4) {
            prefix.copy_from_slice(&length(len));
        }
    }
}

/// A length as BSON has it. Trees come from commands, which are far smaller than it can say.
fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, rawdoc};

    use super::*;

    #[test]
    fn it_writes_what_bson_writes() {
        let expected = rawdoc! {
            "text": "x", "int": 1, "long": 2_i64, "bool": true, "null": bson::RawBson::Null,
            "document": { "a": [1, { "b": 2.5 }] }, "array": [], "id": bson::oid::ObjectId::from_bytes([1; 12]),
        };
        let mut writer = Writer::new();
        for element in &expected {
            let (name, value) = element.unwrap();
            match value {
                RawBsonRef::Document(inner) => {
                    let open = writer.open(name.as_str());
                    inner
                        .iter()
                        .flatten()
                        .for_each(|(name, value)| writer.put(name.as_str(), value));
                    writer.close(open);
                }
                RawBsonRef::Array(_) => {
                    let open = writer.open_array(name.as_str());
                    writer.close(open);
                }
                other => writer.put(name.as_str(), other),
            }
        }
        assert_eq!(writer.finish(), expected);
        assert_eq!(Writer::new().finish(), RawDocumentBuf::new());
    }

    #[test]
    fn a_name_ends_at_a_nul() {
        let mut writer = Writer::new();
        writer.put("a\0b", 1);
        assert_eq!(writer.finish(), rawdoc! { "a": 1 });
    }
}
