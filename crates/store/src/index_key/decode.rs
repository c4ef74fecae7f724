//! Values out of keys: as BSON, as far as key and form tell them.

use super::forms::Form;
use super::{number, type_byte};

/// One value in a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoded<'k> {
    kind: u8,
    /// Without the type byte, as it stands in the key.
    body: &'k [u8],
    /// `FF` where the field descends, so that XOR gives the bytes of an ascending one.
    mask: u8,
}

/// BSON's numbers for types (specification, "element").
mod element {
    pub(super) const DOUBLE: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const BINARY: u8 = 0x05;
    pub(super) const OBJECT_ID: u8 = 0x07;
    pub(super) const BOOL: u8 = 0x08;
    pub(super) const DATE: u8 = 0x09;
    pub(super) const NULL: u8 = 0x0A;
    pub(super) const INT32: u8 = 0x10;
    pub(super) const TIMESTAMP: u8 = 0x11;
    pub(super) const INT64: u8 = 0x12;
}

/// Takes the first value off a key; `None` for the kinds whose end is not looked for.
pub(crate) fn split<'k>(key: &mut &'k [u8], descending: bool) -> Option<Encoded<'k>> {
    let mask = if descending { 0xFF } else { 0 };
    let (kind, rest) = key.split_first()?;
    let kind = kind ^ mask;
    let length = match kind {
        type_byte::NULL | type_byte::UNDEFINED | type_byte::MIN_KEY | type_byte::MAX_KEY => 0,
        type_byte::BOOL => 1,
        type_byte::DATE | type_byte::TIMESTAMP => 8,
        type_byte::OBJECT_ID => 12,
        type_byte::NUMBER => number::body_length(rest.get(8)? ^ mask),
        type_byte::STRING => string_length(rest, mask)?,
        type_byte::BINARY => binary_length(rest, mask)?,
        _ => return None,
    };
    let (body, rest) = rest.split_at_checked(length)?;
    *key = rest;
    Some(Encoded { kind, body, mask })
}

/// Up to and with the two zeros; a zero in the text is followed by `FF`.
fn string_length(bytes: &[u8], mask: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| byte ^ mask == 0)? + 2;
        if bytes.get(at - 1)? ^ mask == 0 {
            return Some(at);
        }
    }
}

/// The length (4), the subtype, and as many bytes as the length says.
fn binary_length(bytes: &[u8], mask: u8) -> Option<usize> {
    let length = bytes.first_chunk::<4>()?.map(|byte| byte ^ mask);
    usize::try_from(u32::from_be_bytes(length)).ok()?.checked_add(5)
}

/// What became of writing a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Value,
    /// The field is not there.
    Missing,
    /// Only the document tells.
    Unknown,
}

impl Encoded<'_> {
    /// Appends the value as an element of a BSON document. `name` ends with a zero byte.
    pub(crate) fn write(&self, form: Form, name: &[u8], out: &mut Vec<u8>) -> Written {
        let mut element = |kind: u8, value: &[u8]| {
            out.push(kind);
            out.extend_from_slice(name);
            out.extend_from_slice(value);
            Written::Value
        };
        match (self.kind, form) {
            (_, Form::Unknown) => Written::Unknown,
            (type_byte::NULL, Form::NULL) => element(element::NULL, &[]),
            (type_byte::NULL, Form::MISSING) => Written::Missing,
            (type_byte::NUMBER, Form::DOUBLE) => match number::decode_f64(&self.number()) {
                Some(number) => element(element::DOUBLE, &number.to_le_bytes()),
                None => Written::Unknown,
            },
            (type_byte::NUMBER, form) => {
                let number = number::decode_i64(&self.number());
                match (number, number.map(i32::try_from)) {
                    (Some(number), _) if form == Form::INT64 => {
                        element(element::INT64, &number.to_le_bytes())
                    }
                    (_, Some(Ok(number))) => element(element::INT32, &number.to_le_bytes()),
                    _ => Written::Unknown,
                }
            }
            (type_byte::OBJECT_ID, Form::ITSELF) => {
                element(element::OBJECT_ID, &self.bytes::<12>())
            }
            (type_byte::BOOL, Form::ITSELF) => element(element::BOOL, &self.bytes::<1>()),
            (type_byte::DATE, Form::ITSELF) => {
                let millis = i64::from_be_bytes(self.bytes()) ^ i64::MIN;
                element(element::DATE, &millis.to_le_bytes())
            }
            (type_byte::TIMESTAMP, Form::ITSELF) => {
                // Seconds, then the increment: in BSON the lower half of one number.
                let stamp = u64::from_be_bytes(self.bytes());
                element(element::TIMESTAMP, &stamp.to_le_bytes())
            }
            (type_byte::STRING, Form::ITSELF) => {
                element(element::STRING, &[0; 4]);
                self.write_text(out);
                Written::Value
            }
            (type_byte::BINARY, Form::ITSELF) => {
                let length = u32::from_be_bytes(self.bytes());
                let written = element(element::BINARY, &length.to_le_bytes());
                out.extend(self.body.iter().skip(4).map(|byte| byte ^ self.mask));
                written
            }
            _ => Written::Unknown,
        }
    }

    /// The body of a number, padded with zeros.
    fn number(&self) -> [u8; number::BODY_MAX] {
        self.bytes()
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        for (to, from) in bytes.iter_mut().zip(self.body) {
            *to = from ^ self.mask;
        }
        bytes
    }

    /// Fills in the length that was left open, and appends the text with its zero byte.
    fn write_text(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let text = self.body.get(..self.body.len().saturating_sub(2)).unwrap_or_default();
        let mut after_zero = false;
        for byte in text.iter().map(|byte| byte ^ self.mask) {
            // What follows a zero is no part of the text.
            if after_zero {
                after_zero = false;
                continue;
            }
            out.push(byte);
            after_zero = byte == 0;
        }
        out.push(0);
        let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
        if let Some(place) = out.get_mut(start - 4..start) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::raw::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
    use bson::{Timestamp, rawdoc};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::index_key::{encoded, invert};

    fn value() -> impl Strategy<Value = RawBson> {
        prop_oneof![
            Just(RawBson::Null),
            any::<i32>().prop_map(RawBson::Int32),
            any::<i64>().prop_map(RawBson::Int64),
            ((1_i64 << 53) - 4..(1 << 53) + 4).prop_map(RawBson::Int64),
            (-(1_i64 << 53) - 4..-(1 << 53) + 4).prop_map(RawBson::Int64),
            (i64::MAX - 2000..=i64::MAX).prop_map(RawBson::Int64),
            (i64::MIN..=i64::MIN + 2000).prop_map(RawBson::Int64),
            any::<f64>().prop_map(RawBson::Double),
            prop_oneof![Just(-0.0), Just(0.0), Just(f64::NAN), Just(f64::INFINITY)]
                .prop_map(RawBson::Double),
            "\\PC{0,6}|[a\\x00]{0,5}".prop_map(RawBson::String),
            any::<[u8; 12]>().prop_map(|id| RawBson::ObjectId(id.into())),
            (vec(any::<u8>(), 0..5), 0_u8..8).prop_map(|(bytes, subtype)| {
                RawBson::Binary(bson::Binary { subtype: subtype.into(), bytes })
            }),
            any::<bool>().prop_map(RawBson::Boolean),
            any::<i64>().prop_map(|ms| RawBson::DateTime(bson::DateTime::from_millis(ms))),
            any::<(u32, u32)>()
                .prop_map(|(time, increment)| RawBson::Timestamp(Timestamp { time, increment })),
            Just(RawBson::Decimal128("1.50".parse().unwrap())),
            Just(RawBson::Symbol("a".into())),
        ]
    }

    /// The document that a key of two fields gives, and what both fields came to.
    fn decoded(
        key: &[u8],
        descending: [bool; 2],
        forms: [Form; 2],
    ) -> (RawDocumentBuf, [Written; 2]) {
        let mut out = vec![0; 4];
        let mut rest = key;
        let written = [0, 1].map(|field| {
            let value = split(&mut rest, descending[field]).unwrap();
            value.write(forms[field], [b"a\0", b"b\0"][field], &mut out)
        });
        assert!(rest.is_empty());
        out.push(0);
        let length = u32::try_from(out.len()).unwrap();
        out[..4].copy_from_slice(&length.to_le_bytes());
        (RawDocument::from_bytes(&out).unwrap().to_owned(), written)
    }

    proptest! {
        #[test]
        fn values_come_back_as_they_were(
            values in any::<()>().prop_flat_map(|()| [value(), value()]),
            descending in any::<[bool; 2]>(),
        ) {
            let mut key = Vec::new();
            let mut expected = RawDocumentBuf::new();
            for (field, value) in values.iter().enumerate() {
                let mut one = encoded(value.as_raw_bson_ref(), None).unwrap();
                if descending[field] {
                    invert(&mut one);
                }
                key.extend(one);
            }
            let forms = [&values[0], &values[1]].map(|value| Form::of(value.as_raw_bson_ref(), false));
            let (document, written) = decoded(&key, descending, forms);
            for (field, name) in [bson::raw::cstr!("a"), bson::raw::cstr!("b")].into_iter().enumerate() {
                prop_assert_eq!(written[field] == Written::Unknown, forms[field] == Form::Unknown);
                if forms[field] != Form::Unknown {
                    expected.append(name, values[field].as_raw_bson_ref());
                }
            }
            prop_assert_eq!(document.as_bytes(), expected.as_bytes());
        }

        #[test]
        fn no_bytes_make_it_panic(key in any::<Vec<u8>>(), form in 0_u16..4, descending: bool) {
            let mut forms = crate::index_key::forms::Forms::from_bits(form);
            forms.set(1, Form::First);
            let mut rest = key.as_slice();
            while let Some(value) = split(&mut rest, descending) {
                value.write(forms.get(0), b"a\0", &mut vec![0; 4]);
            }
        }
    }

    #[test]
    fn a_missing_field_is_not_written() {
        let key = encoded(RawBsonRef::Null, None).unwrap();
        let value = split(&mut key.as_slice(), false).unwrap();
        let mut out = Vec::new();
        assert_eq!(value.write(Form::MISSING, b"a\0", &mut out), Written::Missing);
        assert!(out.is_empty());
        assert_eq!(value.write(Form::NULL, b"a\0", &mut out), Written::Value);
        assert_eq!(out, rawdoc! {"a": null}.as_bytes()[4..7]);
    }
}
