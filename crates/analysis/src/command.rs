//! Commands: which parts of each are analysed, and how.
//!
//! A command is a row in [`COMMANDS`]: its name and a table of its fields. A field is kept as it
//! is, or worked on by a function; a field that is in no table is refused. The order of fields
//! stays.

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};

use crate::{
    AnalyzeError, RequestError, SchemaSet,
    marking::Marker,
    pipeline::check_namespaces,
    raw::{self, Element, Elements, write_document, write_name},
    shape::Shape,
    types::type_name,
};

mod admin;
mod aggregate;
mod bulk_write;
mod count;
mod delete;
mod distinct;
mod find;
mod find_and_modify;
mod insert;
pub(crate) mod part;
mod projection;
mod update;

/// A command after analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Whether `command` holds a marking.
    pub has_encryption_placeholders: bool,
    /// Whether any schema that was given has an encrypted field, whatever the command is about.
    pub schema_requires_encryption: bool,
    /// The command to send, once its markings are replaced by ciphertext.
    pub command: RawDocumentBuf,
}

/// Rewrites a command so that every value to encrypt is a marking.
///
/// `schemas` has the schema of every collection that the command touches, an empty one for those
/// without encryption. If none of them has an encrypted field, the command is returned as it is.
///
/// # Errors
/// Whatever could let a plaintext through, or give another answer than the command on plaintext
/// data would.
pub fn analyze(
    command: &RawDocument,
    db: &str,
    schemas: &SchemaSet,
) -> Result<Analysis, AnalyzeError> {
    analyze_with(&mut Marker::default(), command, db, schemas)
}

pub(crate) fn analyze_with(
    marker: &mut Marker,
    command: &RawDocument,
    db: &str,
    schemas: &SchemaSet,
) -> Result<Analysis, AnalyzeError> {
    let (spec, first) = Spec::of(command)?;
    let schema_requires_encryption = schemas.requires_encryption();
    let command = if spec.name == "explain" {
        explain(spec, marker, command, db, schemas)?
    } else {
        analyze_plain(marker, spec, first, command, db, schemas)?
    };
    Ok(Analysis {
        has_encryption_placeholders: marker.count() > 0,
        schema_requires_encryption,
        command,
    })
}

fn analyze_plain(
    marker: &mut Marker,
    spec: &'static Spec,
    first: Element<'_>,
    command: &RawDocument,
    db: &str,
    schemas: &SchemaSet,
) -> Result<RawDocumentBuf, AnalyzeError> {
    if !schemas.requires_encryption() {
        if spec.joins_collections {
            check_namespaces(command, db, schemas)?;
        }
        return Ok(command.to_owned());
    }
    raw::check(command)?;
    if spec.name == "bulkWrite" {
        bulk_write::check(command, schemas)?;
        return Ok(command.to_owned());
    }
    let not_on_collection = || RequestError::NotOnCollection { name: spec.name.to_owned() };
    let collection = first.text().filter(|name| !name.is_empty()).ok_or_else(not_on_collection)?;
    let namespace = format!("{db}.{collection}");
    let schema = schemas
        .find(&namespace)
        .ok_or_else(|| RequestError::MissingSchema { namespace: namespace.clone() })?;
    let mut context =
        Context { spec, db, collection, schemas, shape: schema.root.clone(), command, marker };
    if context.shape.is_plain() && !spec.joins_collections {
        return Ok(command.to_owned());
    }
    let mut out = Vec::with_capacity(command.as_bytes().len() * 2);
    write_document(&mut out, |out| context.write_fields(out))?;
    raw::into_document(out)
}

/// Analyses the command inside of an `explain`.
fn explain(
    spec: &'static Spec,
    marker: &mut Marker,
    command: &RawDocument,
    db: &str,
    schemas: &SchemaSet,
) -> Result<RawDocumentBuf, AnalyzeError> {
    let mut out = Vec::with_capacity(command.as_bytes().len() * 2);
    write_document(&mut out, |out| {
        for (index, element) in Elements::new(command.as_bytes())?.enumerate() {
            let element = element?;
            if index > 0 {
                let is_known = element.name == "verbosity" || GENERIC.contains(&element.name);
                if schemas.requires_encryption() && !is_known {
                    return Err(RequestError::unknown_field("explain", element.name).into());
                }
                out.extend(element.whole);
                continue;
            }
            let inner = element
                .document()
                .ok_or_else(|| wrong_type("explain", "explain", &element, "object"))?;
            let (spec, first) = spec.explained(inner, element)?;
            let inner = marker.within("explain", |marker| {
                analyze_plain(marker, spec, first, inner, db, schemas)
            })?;
            write_name(out, element.kind, element.name);
            out.extend(inner.as_bytes());
        }
        // The server's default, spelled out as MongoDB's analysis does.
        if schemas.requires_encryption() && matches!(command.get("verbosity"), Ok(None)) {
            raw::write_value(out, "verbosity", RawBsonRef::String("allPlansExecution"))?;
        }
        Ok(())
    })?;
    raw::into_document(out)
}

/// What is done with a field of a command.
enum Part {
    /// It is copied.
    Keep,
    /// It is checked or rewritten. The function writes the whole element.
    Work(fn(&mut Context<'_>, &Element<'_>, &mut Vec<u8>) -> Result<(), AnalyzeError>),
}

/// How one command is analysed.
pub(crate) struct Spec {
    /// Its name, as messages spell it.
    name: &'static str,
    /// Other spellings.
    aliases: &'static [&'static str],
    /// Its fields, without the generic ones and the first.
    fields: &'static [(&'static str, Part)],
    /// Whether it may read other collections than its own.
    joins_collections: bool,
    /// Whether `explain` takes it.
    is_explainable: bool,
    /// Looks at the whole after all fields are written.
    finish: fn(&mut Context<'_>) -> Result<(), AnalyzeError>,
}

impl Spec {
    /// The row for a command, and its first element.
    pub(crate) fn of(command: &RawDocument) -> Result<(&'static Self, Element<'_>), AnalyzeError> {
        let first = match Elements::new(command.as_bytes())?.next() {
            Some(element) => element?,
            None => return Err(RequestError::UnknownCommand { name: String::new() }.into()),
        };
        let spec = COMMANDS
            .iter()
            .find(|spec| spec.name == first.name || spec.aliases.contains(&first.name))
            .ok_or_else(|| RequestError::UnknownCommand { name: first.name.to_owned() })?;
        Ok((spec, first))
    }

    /// The row for the command that this one is really about: `command` is the inner one if this
    /// is `explain`, and the same one otherwise, of which `first` is the first element.
    pub(crate) fn explained<'a>(
        &'static self,
        command: &'a RawDocument,
        first: Element<'a>,
    ) -> Result<(&'static Self, Element<'a>), AnalyzeError> {
        if !self.is_explain() {
            return Ok((self, first));
        }
        let (spec, first) = Self::of(command)?;
        if !spec.is_explainable {
            return Err(RequestError::NotExplainable { name: first.name.to_owned() }.into());
        }
        Ok((spec, first))
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn is_explain(&self) -> bool {
        self.name == "explain"
    }

    /// The namespace that the command is about.
    pub(crate) fn namespace(
        &self,
        command: &RawDocument,
        first: Element<'_>,
        db: &str,
    ) -> Option<String> {
        if self.name == "bulkWrite" {
            let info = command.get_array("nsInfo").ok()?.get_document(0).ok()?;
            return info.get_str("ns").ok().map(str::to_owned);
        }
        first.text().map(|collection| format!("{db}.{collection}"))
    }
}

/// A command in work.
pub(crate) struct Context<'a> {
    spec: &'static Spec,
    db: &'a str,
    collection: &'a str,
    schemas: &'a SchemaSet,
    /// The shape of the documents in the command's collection.
    shape: Shape,
    command: &'a RawDocument,
    marker: &'a mut Marker,
}

impl Context<'_> {
    fn write_fields(&mut self, out: &mut Vec<u8>) -> Result<(), AnalyzeError> {
        let mut seen: Vec<&str> = Vec::new();
        for (index, element) in Elements::new(self.command.as_bytes())?.enumerate() {
            let element = element?;
            if seen.contains(&element.name) {
                return Err(RequestError::DuplicateField { field: self.field(element.name) }.into());
            }
            seen.push(element.name);
            let part = self.spec.fields.iter().find(|(name, _)| *name == element.name);
            match part {
                _ if index == 0 => out.extend(element.whole),
                Some((_, Part::Keep)) => out.extend(element.whole),
                Some((_, Part::Work(work))) => {
                    let place = self.marker.enter(element.name);
                    work(self, &element, out)?;
                    self.marker.leave(place);
                }
                None if GENERIC.contains(&element.name) => out.extend(element.whole),
                None => {
                    return Err(
                        RequestError::UnknownField { field: self.field(element.name) }.into()
                    );
                }
            }
        }
        (self.spec.finish)(self)?;
        part::check_collation(self.marker, self.command.get("collation").ok().flatten())
    }

    /// Writes an array of statements, each of which `write` works on.
    fn write_statements(
        &mut self,
        element: &Element<'_>,
        out: &mut Vec<u8>,
        write: fn(&mut Self, &Statement<'_>, &mut Vec<u8>) -> Result<(), AnalyzeError>,
    ) -> Result<(), AnalyzeError> {
        let statements = element.array().ok_or_else(|| self.wrong_type(element, "array"))?;
        write_name(out, element.kind, element.name);
        write_document(out, |out| {
            for statement in statements {
                let item = statement?;
                let document =
                    item.document().ok_or_else(|| self.wrong_type(element, "array of objects"))?;
                write_name(out, item.kind, item.name);
                let place = self.marker.enter(item.name);
                write_document(out, |out| write(self, &Statement { document }, out))?;
                self.marker.leave(place);
            }
            Ok(())
        })
    }

    /// Writes one field of a statement by `work`.
    fn write_part(
        &mut self,
        element: &Element<'_>,
        out: &mut Vec<u8>,
        work: fn(&mut Self, &Element<'_>, &mut Vec<u8>) -> Result<(), AnalyzeError>,
    ) -> Result<(), AnalyzeError> {
        let place = self.marker.enter(element.name);
        work(self, element, out)?;
        self.marker.leave(place);
        Ok(())
    }

    /// Writes `element` with another document as its value.
    fn write_replaced(&self, element: &Element<'_>, value: &RawDocument, out: &mut Vec<u8>) {
        write_name(out, element.kind, element.name);
        out.extend(value.as_bytes());
    }

    /// A field of the command as messages name it.
    fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.spec.name)
    }

    fn wrong_type(&self, element: &Element<'_>, expected: &'static str) -> AnalyzeError {
        wrong_type(self.spec.name, element.name, element, expected)
    }
}

fn wrong_type(
    command: &str,
    field: &str,
    element: &Element<'_>,
    expected: &'static str,
) -> AnalyzeError {
    RequestError::WrongType {
        field: format!("{command}.{field}"),
        expected,
        found: type_name(element.kind),
    }
    .into()
}

/// One of the statements of a command that has several.
pub(crate) struct Statement<'a> {
    document: &'a RawDocument,
}

impl<'a> Statement<'a> {
    /// The fields, none of which stands twice.
    fn fields(
        &self,
    ) -> Result<impl Iterator<Item = Result<Element<'a>, AnalyzeError>>, AnalyzeError> {
        let mut seen: Vec<&str> = Vec::new();
        let elements = Elements::new(self.document.as_bytes())?;
        Ok(elements.map(move |element| {
            let element = element?;
            if seen.contains(&element.name) {
                return Err(RequestError::DuplicateField { field: element.name.to_owned() }.into());
            }
            seen.push(element.name);
            Ok(element)
        }))
    }

    fn check_collation(&self, marker: &mut Marker) -> Result<(), AnalyzeError> {
        part::check_collation(marker, self.document.get("collation").ok().flatten())
    }
}

/// Nothing is to be looked at in the end.
fn nothing(_: &mut Context<'_>) -> Result<(), AnalyzeError> {
    Ok(())
}

/// Every command that can be analysed.
const COMMANDS: [Spec; 13] = [
    aggregate::SPEC,
    bulk_write::SPEC,
    admin::COLL_MOD,
    admin::CREATE,
    admin::CREATE_INDEXES,
    count::SPEC,
    delete::SPEC,
    distinct::SPEC,
    find::SPEC,
    find_and_modify::SPEC,
    insert::SPEC,
    update::SPEC,
    Spec {
        name: "explain",
        aliases: &[],
        fields: &[],
        joins_collections: false,
        is_explainable: false,
        finish: nothing,
    },
];

/// Fields that any command may have, and that say nothing about documents.
const GENERIC: [&str; 24] = [
    "$audit",
    "$client",
    "$clusterTime",
    "$configServerState",
    "$configTime",
    "$db",
    "$oplogQueryData",
    "$queryOptions",
    "$readPreference",
    "$replData",
    "$topologyTime",
    "apiDeprecationErrors",
    "apiStrict",
    "apiVersion",
    "autocommit",
    "comment",
    "lsid",
    "maxTimeMS",
    "readConcern",
    "startTransaction",
    "stmtId",
    "txnNumber",
    "txnRetryCounter",
    "writeConcern",
];
