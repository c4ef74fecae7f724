//! One document of the key vault.

use bson::{RawDocument, RawDocumentBuf};
use fieldveil_kms::{ConfigError, MasterKey};

use crate::key_id::KeyId;
use crate::marking;
use crate::raw::{DocumentWriter, Element, Elements, MalformedBson, kind, subtype};

/// A data key as the key vault stores it: wrapped.
///
/// ```text
/// { _id: UUID, keyAltNames?: [string], keyMaterial: binary, creationDate: date, updateDate: date,
///   status: int32, masterKey: {provider, ..} }
/// ```
#[derive(Debug, Clone)]
pub struct KeyDocument {
    id: KeyId,
    alt_names: Vec<String>,
    material: Vec<u8>,
    creation_date: i64,
    update_date: i64,
    master_key: MasterKey,
}

/// Why a document is no key document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyDocumentError {
    /// The document is malformed.
    #[error("malformed BSON for key document")]
    Malformed(#[from] MalformedBson),
    /// A field that key documents do not have.
    #[error("unrecognized field '{0}'")]
    UnknownField(String),
    /// `_id` is no UUID.
    #[error("invalid key, '_id' is not a UUID")]
    Id,
    /// A required field is absent.
    #[error("invalid key, no '{0}'")]
    Missing(&'static str),
    /// `keyAltNames` is no array.
    #[error("malformed keyAltNames, expected array")]
    AltNames,
    /// An alternate name is no string.
    #[error("unexpected non-UTF8 keyAltName")]
    AltName,
    /// An alternate name stands twice.
    #[error("unexpected duplicate keyAltNames")]
    DuplicateAltName,
    /// `keyMaterial` is no binary.
    #[error("invalid 'keyMaterial', expected binary")]
    Material,
    /// `keyMaterial` is a binary of another subtype.
    #[error("invalid 'keyMaterial', expected subtype 0")]
    MaterialSubtype,
    /// A date is none.
    #[error("invalid '{0}', expect datetime")]
    Date(&'static str),
    /// `version` is no integer.
    #[error("invalid 'version', expect int")]
    VersionType,
    /// A format of the future.
    #[error("unsupported key document version, only supports version=0")]
    Version,
    /// `masterKey` is no document.
    #[error("invalid 'masterKey', expected document")]
    MasterKeyType,
    /// `masterKey` names no key of a known service.
    #[error(transparent)]
    MasterKey(#[from] ConfigError),
}

impl KeyDocument {
    /// Reads a document of the key vault. Strict: a field that is not known is an error.
    ///
    /// # Errors
    /// Names the field at fault.
    pub fn parse(document: &RawDocument) -> Result<Self, KeyDocumentError> {
        let mut fields = Fields::default();
        for element in Elements::of(document.as_bytes())? {
            fields.add(&element?)?;
        }
        let id = fields.id.ok_or(KeyDocumentError::Missing("_id"))?;
        let master_key = fields.master_key.ok_or(KeyDocumentError::Missing("masterKey"))?;
        let material = fields.material.ok_or(KeyDocumentError::Missing("keyMaterial"))?;
        if !fields.has_status {
            return Err(KeyDocumentError::Missing("status"));
        }
        Ok(Self {
            id,
            alt_names: fields.alt_names,
            material,
            creation_date: fields.creation_date.ok_or(KeyDocumentError::Missing("creationDate"))?,
            update_date: fields.update_date.ok_or(KeyDocumentError::Missing("updateDate"))?,
            master_key,
        })
    }

    /// A new key document, created and updated at `now_ms`.
    pub(crate) fn new(
        id: KeyId,
        alt_names: Vec<String>,
        material: Vec<u8>,
        master_key: MasterKey,
        now_ms: i64,
    ) -> Self {
        Self { id, alt_names, material, creation_date: now_ms, update_date: now_ms, master_key }
    }

    /// `_id`
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// `keyAltNames`, empty if there are none.
    pub fn alt_names(&self) -> &[String] {
        &self.alt_names
    }

    /// `keyMaterial`: the data key, wrapped by the master key.
    pub fn material(&self) -> &[u8] {
        &self.material
    }

    /// `creationDate` in milliseconds since 1970.
    pub fn creation_date_ms(&self) -> i64 {
        self.creation_date
    }

    /// `updateDate` in milliseconds since 1970.
    pub fn update_date_ms(&self) -> i64 {
        self.update_date
    }

    /// `masterKey`
    pub fn master_key(&self) -> &MasterKey {
        &self.master_key
    }

    /// Writes the document, fields in the order in which other clients write them.
    ///
    /// # Errors
    /// If the master key may not be stored as it is.
    pub fn to_raw(&self) -> Result<RawDocumentBuf, KeyDocumentError> {
        let mut out = Vec::with_capacity(512);
        let mut writer = DocumentWriter::new(&mut out);
        writer.binary("_id", subtype::UUID, self.id.as_bytes());
        if !self.alt_names.is_empty() {
            writer.array("keyAltNames", |names| {
                for alt_name in &self.alt_names {
                    names.item(|item, index| {
                        item.str(index, alt_name);
                    });
                }
                Ok::<_, MalformedBson>(())
            })?;
        }
        writer
            .generic("keyMaterial", &self.material)
            .date("creationDate", self.creation_date)
            .date("updateDate", self.update_date)
            .i32("status", 0)
            .embedded("masterKey", self.master_key.to_raw()?.as_bytes());
        writer.finish()?;
        RawDocumentBuf::from_bytes(out).map_err(|_| MalformedBson.into())
    }
}

#[derive(Default)]
struct Fields {
    id: Option<KeyId>,
    alt_names: Vec<String>,
    material: Option<Vec<u8>>,
    creation_date: Option<i64>,
    update_date: Option<i64>,
    has_status: bool,
    master_key: Option<MasterKey>,
}

impl Fields {
    fn add(&mut self, element: &Element<'_>) -> Result<(), KeyDocumentError> {
        match element.name {
            b"_id" => self.id = Some(marking::uuid(element).ok_or(KeyDocumentError::Id)?),
            b"keyAltNames" => self.alt_names = read_alt_names(element)?,
            b"keyMaterial" => self.material = Some(read_material(element)?),
            b"creationDate" => self.creation_date = Some(read_date(element, "creationDate")?),
            b"updateDate" => self.update_date = Some(read_date(element, "updateDate")?),
            b"status" => self.has_status = true,
            b"masterKey" => {
                let document = element.as_document().ok_or(KeyDocumentError::MasterKeyType)?;
                let document = RawDocument::from_bytes(document).map_err(|_| MalformedBson)?;
                self.master_key = Some(MasterKey::parse(document)?);
            }
            b"version" => match element.as_i32().map(i64::from).or_else(|| element.as_i64()) {
                Some(0) => {}
                Some(_) => return Err(KeyDocumentError::Version),
                None => return Err(KeyDocumentError::VersionType),
            },
            _ => return Err(KeyDocumentError::UnknownField(element.name_lossy())),
        }
        Ok(())
    }
}

fn read_alt_names(element: &Element<'_>) -> Result<Vec<String>, KeyDocumentError> {
    let mut alt_names: Vec<String> = Vec::new();
    for item in Elements::of(element.as_array().ok_or(KeyDocumentError::AltNames)?)? {
        let alt_name = item?.as_str().ok_or(KeyDocumentError::AltName)?.to_owned();
        if alt_names.contains(&alt_name) {
            return Err(KeyDocumentError::DuplicateAltName);
        }
        alt_names.push(alt_name);
    }
    Ok(alt_names)
}

fn read_material(element: &Element<'_>) -> Result<Vec<u8>, KeyDocumentError> {
    match element.as_binary() {
        Some((subtype::GENERIC, content)) => Ok(content.to_vec()),
        Some(_) => Err(KeyDocumentError::MaterialSubtype),
        None => Err(KeyDocumentError::Material),
    }
}

fn read_date(element: &Element<'_>, field: &'static str) -> Result<i64, KeyDocumentError> {
    match (element.kind, element.value.first_chunk()) {
        (kind::DATE, Some(millis)) => Ok(i64::from_le_bytes(*millis)),
        _ => Err(KeyDocumentError::Date(field)),
    }
}

#[cfg(test)]
mod tests {
    use bson::{Binary, DateTime, Document, doc, rawdoc, spec::BinarySubtype};

    use super::*;

    fn binary(subtype: BinarySubtype, len: usize) -> Binary {
        Binary { subtype, bytes: vec![7; len] }
    }

    fn stored() -> Document {
        doc! {
            "_id": binary(BinarySubtype::Uuid, 16),
            "keyAltNames": ["one", "two"],
            "keyMaterial": binary(BinarySubtype::Generic, 160),
            "creationDate": DateTime::from_millis(5),
            "updateDate": DateTime::from_millis(6),
            "status": 0,
            "masterKey": { "provider": "local" },
        }
    }

    fn parse(document: &Document) -> Result<KeyDocument, KeyDocumentError> {
        KeyDocument::parse(&RawDocumentBuf::try_from(document).unwrap())
    }

    #[test]
    fn printing_what_was_parsed_changes_nothing() {
        let raw = RawDocumentBuf::try_from(&stored()).unwrap();
        let parsed = KeyDocument::parse(&raw).unwrap();
        assert_eq!(parsed.alt_names(), ["one", "two"]);
        assert_eq!(parsed.to_raw().unwrap(), raw);
    }

    #[test]
    fn wrong_documents_are_refused_with_the_published_texts() {
        for (field, value, text) in [
            ("extra", bson::Bson::Int32(1), "unrecognized field 'extra'"),
            ("_id", "x".into(), "invalid key, '_id' is not a UUID"),
            ("_id", binary(BinarySubtype::Generic, 16).into(), "invalid key, '_id' is not a UUID"),
            ("keyAltNames", 1.into(), "malformed keyAltNames, expected array"),
            ("keyAltNames", bson::bson!([1]), "unexpected non-UTF8 keyAltName"),
            ("keyAltNames", bson::bson!(["a", "a"]), "unexpected duplicate keyAltNames"),
            ("keyMaterial", 1.into(), "invalid 'keyMaterial', expected binary"),
            (
                "keyMaterial",
                binary(BinarySubtype::Uuid, 16).into(),
                "invalid 'keyMaterial', expected subtype 0",
            ),
            ("creationDate", 1.into(), "invalid 'creationDate', expect datetime"),
            ("updateDate", 1.into(), "invalid 'updateDate', expect datetime"),
            ("version", "1".into(), "invalid 'version', expect int"),
            ("version", 1.into(), "unsupported key document version, only supports version=0"),
            ("masterKey", 1.into(), "invalid 'masterKey', expected document"),
        ] {
            let mut document = stored();
            document.insert(field, value);
            assert_eq!(parse(&document).unwrap_err().to_string(), text, "{field}");
        }
    }

    #[test]
    fn required_fields_are_required() {
        for field in ["_id", "keyMaterial", "creationDate", "updateDate", "status", "masterKey"] {
            let mut document = stored();
            document.remove(field);
            let text = format!("invalid key, no '{field}'");
            assert_eq!(parse(&document).unwrap_err().to_string(), text);
        }
        let mut document = stored();
        document.remove("keyAltNames");
        document.insert("version", 0_i64);
        assert!(parse(&document).unwrap().alt_names().is_empty());
    }

    #[test]
    fn an_empty_document_is_no_key() {
        assert_eq!(
            KeyDocument::parse(&rawdoc! {}).unwrap_err().to_string(),
            "invalid key, no '_id'"
        );
    }
}
