//! Conversions from and to binary data.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bson::raw::{RawBson, RawBsonRef};
use bson::spec::{BinarySubtype, ElementType};
use bson::{Binary, RawBinaryRef, Uuid};
use fieldveil_query::QueryError;

use super::super::Value;
use super::super::values::{Named, is_nullish, type_name};
use super::{failure, unsupported};

/// How binary data stands for something else.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// The subtype of what a conversion gives; 0 if none is named.
    pub(super) subtype: BinarySubtype,
    /// How text stands for it. There is none for text unless it is named.
    format: Option<Format>,
    order: Order,
}

/// The option `format` of `$convert`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// A UUID for what is one, base64 for anything else.
    Auto,
    Base64,
    Base64Url,
    Hex,
    Utf8,
    Uuid,
}

/// The option `byteOrder`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Layout {
    const PLAIN: Self =
        Self { subtype: BinarySubtype::Generic, format: None, order: Order::Little };
    /// As the operators that name a type convert.
    pub(super) const AUTO: Self = Self { format: Some(Format::Auto), ..Self::PLAIN };
    /// As `$toUUID` converts.
    pub(super) const UUID: Self =
        Self { subtype: BinarySubtype::Uuid, format: Some(Format::Uuid), ..Self::PLAIN };

    /// From the options of `$convert`.
    ///
    /// # Errors
    /// Code 2 for an unknown format or byte order, 115 for `base`, which MongoDB 8.0 has not.
    pub(super) fn new(subtype: BinarySubtype, options: &Named<'_>) -> Result<Self, QueryError> {
        if options.has("base") {
            return Err(QueryError::not_supported("the option 'base' of $convert"));
        }
        let format = choice(options.get("format"), "format", |name| {
            Some(match name {
                "auto" => Format::Auto,
                "base64" => Format::Base64,
                "base64url" => Format::Base64Url,
                "hex" => Format::Hex,
                "utf8" => Format::Utf8,
                "uuid" => Format::Uuid,
                _ => return None,
            })
        })?;
        let order = choice(options.get("byteOrder"), "byteOrder", |name| match name {
            "little" => Some(Order::Little),
            "big" => Some(Order::Big),
            _ => None,
        })?;
        Ok(Self { subtype, format, order: order.unwrap_or(Order::Little) })
    }

    fn format(self) -> Result<Format, QueryError> {
        self.format.ok_or_else(|| {
            failure("$convert between string and binData needs a 'format', such as 'base64'")
        })
    }
}

fn choice<T>(
    value: &Value,
    option: &str,
    find: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, QueryError> {
    match value {
        value if is_nullish(value) => Ok(None),
        Some(RawBson::String(name)) => find(name).map(Some).ok_or_else(|| {
            QueryError::bad_value(format!("$convert has no {option} of this name: {name}"))
        }),
        other => Err(QueryError::bad_value(format!(
            "$convert requires that '{option}' is a string, found: {}",
            type_name(other)
        ))),
    }
}

/// Converts a value that is not null to binary data.
pub(super) fn to_binary(source: RawBsonRef<'_>, layout: Layout) -> Result<RawBson, QueryError> {
    let is_big = layout.order == Order::Big;
    let bytes = match source {
        RawBsonRef::Binary(binary) if binary.subtype == layout.subtype => binary.bytes.to_vec(),
        RawBsonRef::Binary(_) => {
            return Err(failure("$convert does not change the subtype of binData"));
        }
        RawBsonRef::String(text) => parse(text, layout)?,
        RawBsonRef::Int32(value) if is_big => value.to_be_bytes().to_vec(),
        RawBsonRef::Int32(value) => value.to_le_bytes().to_vec(),
        RawBsonRef::Int64(value) if is_big => value.to_be_bytes().to_vec(),
        RawBsonRef::Int64(value) => value.to_le_bytes().to_vec(),
        RawBsonRef::Double(value) if is_big => value.to_be_bytes().to_vec(),
        RawBsonRef::Double(value) => value.to_le_bytes().to_vec(),
        other => return Err(unsupported(other, ElementType::Binary)),
    };
    Ok(RawBson::Binary(Binary { subtype: layout.subtype, bytes }))
}

fn parse(text: &str, layout: Layout) -> Result<Vec<u8>, QueryError> {
    let format = layout.format()?;
    if (format == Format::Uuid) != (layout.subtype == BinarySubtype::Uuid) {
        return Err(failure("binData of subtype 4 has the format 'uuid', and nothing else has"));
    }
    let bytes = match format {
        Format::Auto => return Err(failure("the format 'auto' is for binData to string only")),
        Format::Base64 => STANDARD.decode(text).ok(),
        Format::Base64Url => URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok(),
        Format::Hex => hex::decode(text).ok(),
        Format::Utf8 => Some(text.as_bytes().to_vec()),
        Format::Uuid => Uuid::parse_str(text).ok().map(|uuid| uuid.bytes().to_vec()),
    };
    bytes.ok_or_else(|| {
        failure(
            "Failed to parse the string as binData in $convert with no onError value: it has not \
             the named format",
        )
    })
}

/// Binary data as text.
pub(super) fn to_text(binary: RawBinaryRef<'_>, layout: Layout) -> Result<String, QueryError> {
    let bytes = binary.bytes;
    let is_uuid = binary.subtype == BinarySubtype::Uuid;
    match layout.format()? {
        Format::Base64 => Ok(STANDARD.encode(bytes)),
        Format::Base64Url => Ok(URL_SAFE_NO_PAD.encode(bytes)),
        Format::Hex => Ok(hex::encode_upper(bytes)),
        Format::Utf8 => String::from_utf8(bytes.to_vec())
            .map_err(|_| failure("the binData is not UTF-8; the format 'base64' takes any")),
        Format::Uuid if is_uuid => uuid_text(bytes),
        Format::Uuid => Err(failure("the format 'uuid' is for binData of subtype 4")),
        Format::Auto if is_uuid => uuid_text(bytes),
        Format::Auto => Ok(STANDARD.encode(bytes)),
    }
}

fn uuid_text(bytes: &[u8]) -> Result<String, QueryError> {
    let bytes = bytes.try_into().map_err(|_| failure("a UUID has 16 bytes"))?;
    Ok(Uuid::from_bytes(bytes).to_string())
}

/// Binary data of 1, 2, 4 or 8 bytes as a number with a sign.
pub(super) fn to_integer(
    binary: RawBinaryRef<'_>,
    to: ElementType,
    layout: Layout,
) -> Result<i64, QueryError> {
    let longest = if to == ElementType::Int32 { 4 } else { 8 };
    let bytes = in_big_endian(binary.bytes, layout);
    if !matches!(bytes.len(), 1 | 2 | 4 | 8) || bytes.len() > longest {
        return Err(length_failure(binary));
    }
    let sign = bytes.first().map_or(0, |first| i64::from(*first as i8 >> 7));
    Ok(bytes.iter().fold(sign, |value, byte| value << 8 | i64::from(*byte)))
}

/// Binary data of 4 or 8 bytes as a floating-point number.
pub(super) fn to_double(binary: RawBinaryRef<'_>, layout: Layout) -> Result<f64, QueryError> {
    let bytes = in_big_endian(binary.bytes, layout);
    match (bytes.as_slice().try_into(), bytes.as_slice().try_into()) {
        (Ok(eight), _) => Ok(f64::from_be_bytes(eight)),
        (_, Ok(four)) => Ok(f64::from(f32::from_be_bytes(four))),
        _ => Err(length_failure(binary)),
    }
}

fn in_big_endian(bytes: &[u8], layout: Layout) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if layout.order == Order::Little {
        bytes.reverse();
    }
    bytes
}

fn length_failure(binary: RawBinaryRef<'_>) -> QueryError {
    failure(format!(
        "binData of {} bytes is no number of this type in $convert with no onError value",
        binary.bytes.len()
    ))
}

#[cfg(test)]
mod tests {
    use bson::{RawBson, rawbson, rawdoc};

    use super::super::super::tests::{check, check_errors};
    use super::*;

    const UUID: &str = "01020304-0506-0708-090a-0b0c0d0e0f10";

    fn binary(subtype: BinarySubtype, bytes: &[u8]) -> RawBson {
        RawBson::Binary(Binary { subtype, bytes: bytes.to_vec() })
    }

    fn convert(input: RawBson, to: RawBson, options: bson::RawDocumentBuf) -> RawBson {
        let mut arguments = rawdoc! { "input": { "$literal": input }, "to": to };
        for option in options.iter() {
            let (name, value) = option.unwrap();
            arguments.append(name, RawBson::from(value));
        }
        rawbson!({ "$convert": arguments })
    }

    #[test]
    fn text_and_bytes() {
        let bytes = binary(BinarySubtype::Generic, b"\xfb\xefx");
        let mut cases = Vec::new();
        for (format, text) in [("base64", "++94"), ("base64url", "--94"), ("hex", "FBEF78")] {
            let options = || rawdoc! { "format": format };
            let kind = rawbson!({ "type": "binData", "subtype": 0 });
            cases.push((convert(rawbson!(text), kind, options()), bytes.clone()));
            cases.push((convert(bytes.clone(), rawbson!("string"), options()), rawbson!(text)));
        }
        let utf8 = convert(rawbson!("é"), rawbson!("binData"), rawdoc! { "format": "utf8" });
        cases.push((utf8, binary(BinarySubtype::Generic, "é".as_bytes())));
        cases.push((rawbson!({ "$toString": bytes }), rawbson!("++94")));
        check(&rawdoc! {}, cases);
    }

    #[test]
    fn uuids() {
        let uuid = binary(BinarySubtype::Uuid, &Uuid::parse_str(UUID).unwrap().bytes());
        check(
            &rawdoc! {},
            vec![
                (rawbson!({ "$toUUID": UUID }), uuid.clone()),
                (rawbson!({ "$toUUID": uuid.clone() }), uuid.clone()),
                (rawbson!({ "$toUUID": null }), RawBson::Null),
                (rawbson!({ "$toString": uuid.clone() }), rawbson!(UUID)),
                (convert(uuid, rawbson!("string"), rawdoc! { "format": "uuid" }), rawbson!(UUID)),
            ],
        );
        check_errors(&rawdoc! {}, vec![(rawbson!({ "$toUUID": "0102" }), 241)]);
    }

    #[test]
    fn numbers() {
        let kind = || rawbson!("binData");
        let plain = |bytes: &[u8]| binary(BinarySubtype::Generic, bytes);
        let big = || rawdoc! { "byteOrder": "big" };
        check(
            &rawdoc! {},
            vec![
                (convert(rawbson!(258), kind(), rawdoc! {}), plain(&[2, 1, 0, 0])),
                (convert(rawbson!(258), kind(), big()), plain(&[0, 0, 1, 2])),
                (
                    convert(rawbson!(-2_i64), kind(), big()),
                    plain(&[255, 255, 255, 255, 255, 255, 255, 254]),
                ),
                (convert(rawbson!(1.5), kind(), big()), plain(&[0x3f, 0xf8, 0, 0, 0, 0, 0, 0])),
                (convert(plain(&[0xfe]), rawbson!("int"), rawdoc! {}), rawbson!(-2)),
                (convert(plain(&[1, 2]), rawbson!("long"), big()), rawbson!(258_i64)),
                (
                    convert(plain(&[0, 0, 0xc0, 0x3f]), rawbson!("double"), rawdoc! {}),
                    rawbson!(1.5),
                ),
            ],
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let plain = || binary(BinarySubtype::Generic, &[1, 2, 3]);
        let uuid = || rawbson!({ "type": "binData", "subtype": 4 });
        check_errors(
            &rawdoc! {},
            vec![
                // No format, one that is not theirs, one that does not exist.
                (convert(plain(), rawbson!("string"), rawdoc! {}), 241),
                (convert(rawbson!("AAAA"), uuid(), rawdoc! { "format": "base64" }), 241),
                (convert(rawbson!("AAAA"), rawbson!(5), rawdoc! { "format": "base65" }), 2),
                (convert(rawbson!("AAAA"), rawbson!(5), rawdoc! { "format": "auto" }), 241),
                (convert(rawbson!("A"), rawbson!(5), rawdoc! { "format": "base64" }), 241),
                // Lengths of no number; another subtype; no bytes at all.
                (convert(plain(), rawbson!("int"), rawdoc! {}), 241),
                (convert(plain(), rawbson!("double"), rawdoc! {}), 241),
                (convert(plain(), uuid(), rawdoc! {}), 241),
                (convert(rawbson!(true), rawbson!(5), rawdoc! {}), 241),
                (convert(plain(), rawbson!("long"), rawdoc! { "byteOrder": "middle" }), 2),
            ],
        );
        let default = rawdoc! { "format": "hex", "onError": "none" };
        check(
            &rawdoc! {},
            vec![(convert(rawbson!("x"), rawbson!("binData"), default), rawbson!("none"))],
        );
    }
}
