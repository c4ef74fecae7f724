//! The protocol of the daemon and of the C library: a command that carries its own schemas.

use std::sync::Arc;

use bson::raw::{RawDocument, RawDocumentBuf, cstr};

use crate::{
    Analysis, AnalyzeError, EncryptionSchema, RequestError, SchemaOrigin, SchemaSet,
    command::{Spec, analyze_with},
    marking::Marker,
    raw::{self, Element, Elements, write_document, write_name},
    types::type_name,
};

mod cache;

use cache::SchemaCache;

/// Analyses commands that carry their schemas, and remembers compiled schemas between them.
#[derive(Debug, Default)]
pub struct Analyzer {
    schemas: SchemaCache,
}

impl Analyzer {
    /// An analyzer that has seen no schema yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Analyses a command that carries schema fields (`jsonSchema` and `isRemoteSchema`,
    /// `csfleEncryptionSchemas`, or `encryptionInformation`) and `$db`.
    ///
    /// The answer is `{hasEncryptionPlaceholders, schemaRequiresEncryption, result}`; the daemon
    /// adds `ok`. `result` is the command without the schema fields and without `$db`.
    ///
    /// # Errors
    /// As [`crate::analyze`], and for schema fields that are missing, malformed or contradictory.
    pub fn analyze_request(&self, request: &RawDocument) -> Result<RawDocumentBuf, AnalyzeError> {
        reply(Request::parse(request, &self.schemas)?)
    }

    /// As [`Analyzer::analyze_request`], for a caller that knows which collection the command is
    /// about. An empty `namespace` is one that is not known.
    ///
    /// # Errors
    /// As [`Analyzer::analyze_request`], and if the command is about another collection.
    pub fn analyze_request_on(
        &self,
        namespace: &str,
        request: &RawDocument,
    ) -> Result<RawDocumentBuf, AnalyzeError> {
        let request = Request::parse(request, &self.schemas)?;
        match &request.namespace {
            Some(found) if !namespace.is_empty() && found != namespace => {
                Err(RequestError::OtherNamespace {
                    given: namespace.to_owned(),
                    expected: found.clone(),
                }
                .into())
            }
            _ => reply(request),
        }
    }
}

/// As [`Analyzer::analyze_request`], once.
///
/// # Errors
/// As [`Analyzer::analyze_request`].
pub fn analyze_request(request: &RawDocument) -> Result<RawDocumentBuf, AnalyzeError> {
    Analyzer::new().analyze_request(request)
}

fn reply(request: Request<'_>) -> Result<RawDocumentBuf, AnalyzeError> {
    let Analysis { has_encryption_placeholders, schema_requires_encryption, command } =
        analyze_with(&mut Marker::default(), &request.command, request.db, &request.schemas)?;
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("hasEncryptionPlaceholders"), has_encryption_placeholders);
    reply.append(cstr!("schemaRequiresEncryption"), schema_requires_encryption);
    reply.append(cstr!("result"), command);
    Ok(reply)
}

/// The reply of the daemon to a request that was refused.
pub fn error_reply(error: &AnalyzeError) -> RawDocumentBuf {
    bson::rawdoc! {
        "ok": 0.0,
        "errmsg": error.to_string(),
        "code": error.code(),
        "codeName": error.code_name(),
    }
}

/// A request taken apart.
struct Request<'a> {
    db: &'a str,
    /// What the command is about.
    namespace: Option<String>,
    schemas: SchemaSet,
    command: RawDocumentBuf,
}

/// The fields around a command.
#[derive(Default)]
struct Envelope<'a> {
    db: Option<&'a str>,
    json_schema: Option<&'a RawDocument>,
    is_remote: Option<bool>,
    csfle: Option<&'a RawDocument>,
    information: Option<&'a RawDocument>,
}

impl<'a> Request<'a> {
    fn parse(request: &'a RawDocument, cache: &SchemaCache) -> Result<Self, AnalyzeError> {
        let (spec, first) = Spec::of(request)?;
        let mut envelope = Envelope::default();
        let mut out = Vec::with_capacity(request.as_bytes().len());
        write_document(&mut out, |out| {
            for (index, element) in Elements::new(request.as_bytes())?.enumerate() {
                let element = element?;
                if index == 0 && spec.is_explain() {
                    explained(&element, &mut envelope, out)?;
                } else if index == 0 || !envelope.take(spec.name(), &element)? {
                    out.extend(element.whole);
                }
            }
            Ok(())
        })?;
        let command = raw::into_document(out)?;
        let target = if spec.is_explain() { first.document().unwrap_or(request) } else { request };
        let (spec, first) = spec.explained(target, first)?;
        if spec.name() == "bulkWrite" && envelope.information.is_none() {
            envelope.information = bulk_information(request);
        }
        let namespace = spec.namespace(target, first, envelope.db.unwrap_or_default());
        let schemas = envelope.schemas(namespace.as_deref(), spec, cache)?;
        Ok(Self { db: envelope.db.unwrap_or_default(), namespace, schemas, command })
    }
}

/// The `encryptionInformation` of a `bulkWrite`, which stands with its namespace.
fn bulk_information(request: &RawDocument) -> Option<&RawDocument> {
    let info = request.get_array("nsInfo").ok()?.get_document(0).ok()?;
    info.get_document("encryptionInformation").ok()
}

/// Copies the inner command of an `explain`, but for `$db`. With the C library, it is there that
/// `encryptionInformation` stands.
fn explained<'a>(
    explain: &Element<'a>,
    envelope: &mut Envelope<'a>,
    out: &mut Vec<u8>,
) -> Result<(), AnalyzeError> {
    let inner = explain.document().ok_or_else(|| wrong_type("explain", explain, "object"))?;
    write_name(out, explain.kind, explain.name);
    write_document(out, |out| {
        for (index, element) in Elements::new(inner.as_bytes())?.enumerate() {
            let element = element?;
            match element.name {
                "$db" if index > 0 => envelope.set_db("explain", &element)?,
                "encryptionInformation" if index > 0 => {
                    envelope.information = Some(
                        element
                            .document()
                            .ok_or_else(|| wrong_type("explain", &element, "object"))?,
                    );
                    out.extend(element.whole);
                }
                _ => out.extend(element.whole),
            }
        }
        Ok(())
    })
}

impl<'a> Envelope<'a> {
    /// Takes a field out of the request; `false` if it belongs to the command.
    fn take(&mut self, command: &str, element: &Element<'a>) -> Result<bool, AnalyzeError> {
        let document = || element.document().ok_or_else(|| wrong_type(command, element, "object"));
        match element.name {
            "$db" => self.set_db(command, element)?,
            "jsonSchema" => once(command, element, &mut self.json_schema, document()?)?,
            "csfleEncryptionSchemas" => once(command, element, &mut self.csfle, document()?)?,
            "isRemoteSchema" => {
                let is_remote =
                    element.boolean().ok_or_else(|| wrong_type(command, element, "bool"))?;
                once(command, element, &mut self.is_remote, is_remote)?;
            }
            "encryptionInformation" => {
                once(command, element, &mut self.information, document()?)?;
                // Stays in the command.
                return Ok(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set_db(&mut self, command: &str, element: &Element<'a>) -> Result<(), AnalyzeError> {
        let db = element.text().ok_or_else(|| wrong_type(command, element, "string"))?;
        if self.db.is_some_and(|known| known != db) {
            return Err(RequestError::BadFieldValue {
                field: format!("{command}.$db"),
                expected: "the database of the whole command",
            }
            .into());
        }
        self.db = Some(db);
        Ok(())
    }

    /// The schemas that were given. `namespace` is the command's own, if it has one.
    fn schemas(
        &self,
        namespace: Option<&str>,
        spec: &Spec,
        cache: &SchemaCache,
    ) -> Result<SchemaSet, AnalyzeError> {
        let both = |first, second| Err(RequestError::BothSchemasGiven { first, second }.into());
        let mut set = SchemaSet::new();
        match (self.json_schema, self.csfle, self.information) {
            (None, None, None) => return Err(RequestError::NoSchemaGiven.into()),
            (Some(_), Some(_), _) => return both("jsonSchema", "csfleEncryptionSchemas"),
            (Some(_), _, Some(_)) => return both("jsonSchema", "encryptionInformation"),
            (Some(schema), None, None) => {
                let is_remote = self.is_remote.ok_or_else(|| missing("isRemoteSchema"))?;
                let schema = cache.compile(schema, origin(is_remote))?;
                if let Some(namespace) = namespace {
                    set.insert(namespace, schema);
                } else if schema.requires_encryption() {
                    return Err(
                        RequestError::NotOnCollection { name: spec.name().to_owned() }.into()
                    );
                }
            }
            (None, csfle, information) => {
                if let Some(csfle) = csfle {
                    add_json_schemas(csfle, cache, &mut set)?;
                }
                if set.requires_encryption() && information.is_some() {
                    return both("encryptionInformation", "csfleEncryptionSchemas");
                }
                if let Some(information) = information {
                    add_encrypted_fields(information, csfle.is_some(), namespace, &mut set)?;
                }
            }
        }
        Ok(set)
    }
}

/// `csfleEncryptionSchemas`: `{<namespace>: {jsonSchema, isRemoteSchema}}`.
fn add_json_schemas(
    schemas: &RawDocument,
    cache: &SchemaCache,
    set: &mut SchemaSet,
) -> Result<(), AnalyzeError> {
    let command = "csfleEncryptionSchemas";
    for element in Elements::new(schemas.as_bytes())? {
        let element = element?;
        let entry = element.document().ok_or_else(|| wrong_type(command, &element, "object"))?;
        let mut inner = Envelope::default();
        for field in Elements::new(entry.as_bytes())? {
            let field = field?;
            let is_known = matches!(field.name, "jsonSchema" | "isRemoteSchema");
            if !is_known || !inner.take(command, &field)? {
                return Err(RequestError::UnknownField {
                    field: format!("{command}.{}", field.name),
                }
                .into());
            }
        }
        let schema =
            inner.json_schema.ok_or_else(|| missing("csfleEncryptionSchemas.jsonSchema"))?;
        let is_remote =
            inner.is_remote.ok_or_else(|| missing("csfleEncryptionSchemas.isRemoteSchema"))?;
        set.insert(element.name, cache.compile(schema, origin(is_remote))?);
    }
    Ok(())
}

/// `encryptionInformation`: `{type: 1, schema: {<namespace>: <encryptedFields>}}`. Only
/// collections without encrypted fields are let through.
fn add_encrypted_fields(
    information: &RawDocument,
    has_others: bool,
    namespace: Option<&str>,
    set: &mut SchemaSet,
) -> Result<(), AnalyzeError> {
    let name = "encryptionInformation";
    let kind = information.get("type").ok().flatten();
    if kind.and_then(as_integer) != Some(1) {
        let field = format!("{name}.type");
        return Err(match kind {
            None => missing(&field),
            Some(_) => RequestError::BadFieldValue { field, expected: "1" }.into(),
        });
    }
    let schemas =
        information.get_document("schema").map_err(|_| missing("encryptionInformation.schema"))?;
    for element in Elements::new(schemas.as_bytes())? {
        let element = element?;
        let fields = element.document().ok_or_else(|| wrong_type(name, &element, "object"))?;
        let is_empty = match fields.get("fields") {
            Ok(Some(bson::raw::RawBsonRef::Array(fields))) => fields.is_empty(),
            Ok(None) => true,
            _ => return Err(missing("encryptionInformation.schema.fields")),
        };
        if !is_empty {
            return Err(
                RequestError::QueryableEncryption { namespace: element.name.to_owned() }.into()
            );
        }
        if set.find(element.name).is_none() {
            set.insert(element.name, Arc::new(EncryptionSchema::empty()));
        }
    }
    match namespace {
        Some(expected) if set.find(expected).is_none() => {
            let given = Elements::new(schemas.as_bytes())?.next();
            match given {
                Some(Ok(given)) if !has_others => Err(RequestError::NamespaceMismatch {
                    given: given.name.to_owned(),
                    expected: expected.to_owned(),
                }
                .into()),
                _ => Err(RequestError::MissingSchema { namespace: expected.to_owned() }.into()),
            }
        }
        _ => Ok(()),
    }
}

fn once<T>(
    command: &str,
    element: &Element<'_>,
    slot: &mut Option<T>,
    value: T,
) -> Result<(), AnalyzeError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => {
            Err(RequestError::DuplicateField { field: format!("{command}.{}", element.name) }
                .into())
        }
    }
}

fn origin(is_remote: bool) -> SchemaOrigin {
    if is_remote { SchemaOrigin::Remote } else { SchemaOrigin::Local }
}

fn as_integer(value: bson::raw::RawBsonRef<'_>) -> Option<i64> {
    match value {
        bson::raw::RawBsonRef::Int32(number) => Some(number.into()),
        bson::raw::RawBsonRef::Int64(number) => Some(number),
        bson::raw::RawBsonRef::Double(1.0) => Some(1),
        _ => None,
    }
}

fn missing(field: &str) -> AnalyzeError {
    RequestError::MissingField { field: field.to_owned() }.into()
}

fn wrong_type(command: &str, element: &Element<'_>, expected: &'static str) -> AnalyzeError {
    RequestError::WrongType {
        field: format!("{command}.{}", element.name),
        expected,
        found: type_name(element.kind),
    }
    .into()
}
