//! The schema compiler: from a JSON schema to a [`Shape`], with every fault on the way.

use std::sync::Arc;

use bson::{
    raw::{RawBsonRef, RawDocument},
    spec::ElementType,
};
use regex::Regex;

use crate::{
    shape::{EncryptedField, ObjectShape, Shape},
    types::{TypeSet, type_name},
};

use super::{
    SchemaOrigin,
    keyword::{Form, Keyword, UNSUPPORTED, check_value},
    options::{self, Options},
    problem::{SchemaError, SchemaProblem},
};

/// How deeply subschemas may be nested.
const DEPTH_LIMIT: usize = 100;

/// A schema on its way to a shape.
pub(super) struct Compiler {
    pub(super) origin: SchemaOrigin,
    /// Every fault so far, in the order of the schema.
    pub(super) faults: Vec<SchemaError>,
    /// Every encrypted field so far.
    pub(super) fields: Vec<Arc<EncryptedField>>,
    /// `encryptMetadata` objects that nothing inherits from: places.
    pub(super) unused_metadata: Vec<String>,
    /// Keywords and names from the root to the subschema in work.
    place: Vec<String>,
}

/// What a subschema gets from those above it.
#[derive(Clone)]
struct Outer {
    inherited: Options,
    /// Dotted path of the field that the subschema is about.
    path: String,
    /// Whether `encrypt` may stand here.
    encrypt_here: bool,
    /// Whether `encrypt` may stand below, if this is a schema of an object.
    encrypt_below: bool,
    /// Whether `encryptMetadata` may stand here.
    allows_metadata: bool,
}

impl Compiler {
    pub(super) fn new(origin: SchemaOrigin) -> Self {
        Self {
            origin,
            faults: Vec::new(),
            fields: Vec::new(),
            unused_metadata: Vec::new(),
            place: Vec::new(),
        }
    }

    pub(super) fn root(&mut self, schema: &RawDocument) -> Shape {
        let outer = Outer {
            inherited: Options::default(),
            path: String::new(),
            encrypt_here: false,
            encrypt_below: true,
            allows_metadata: true,
        };
        self.schema(schema, &outer)
    }

    fn fault(&mut self, problem: SchemaProblem) {
        self.faults.push(SchemaError { place: self.place.join("."), problem });
    }

    fn fault_at(&mut self, name: &str, problem: SchemaProblem) {
        self.within(name, |this| this.fault(problem));
    }

    fn within<T>(&mut self, name: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        self.place.push(name.to_owned());
        let result = work(self);
        self.place.pop();
        result
    }

    fn schema(&mut self, schema: &RawDocument, outer: &Outer) -> Shape {
        if self.place.len() > DEPTH_LIMIT * 2 {
            self.fault(SchemaProblem::TooDeep { limit: DEPTH_LIMIT });
            return Shape::Plain;
        }
        let keywords = self.keywords(schema);
        if let Some(encrypt) = find(&keywords, Form::Encrypt) {
            return self.encrypt(&keywords, encrypt, outer);
        }
        let is_object = self.is_object(&keywords);
        let allows_encrypt = is_object && outer.encrypt_below;
        let mut inner =
            Outer { encrypt_here: allows_encrypt, encrypt_below: allows_encrypt, ..outer.clone() };
        let fields_before = self.fields.len();
        let metadata = find(&keywords, Form::Metadata)
            .map(|value| self.metadata(value, is_object && outer.allows_metadata));
        if let Some(metadata) = &metadata {
            inner.inherited = metadata.clone().inherit(&outer.inherited);
        }
        let shape = self.children(&keywords, &inner);
        if metadata.is_some() && self.fields.len() == fields_before {
            self.unused_metadata.push(self.place.join("."));
        }
        shape
    }

    /// The keywords of a schema that are known and stand once.
    fn keywords<'a>(&mut self, schema: &'a RawDocument) -> Vec<(&'static Keyword, RawBsonRef<'a>)> {
        let mut keywords: Vec<(&'static Keyword, RawBsonRef<'a>)> = Vec::new();
        for element in schema {
            let Ok((name, value)) = element else {
                self.fault(SchemaProblem::Malformed);
                break;
            };
            let name = name.as_str();
            let owned = || name.to_owned();
            let Some(keyword) = Keyword::find(name) else {
                let problem = if UNSUPPORTED.contains(&name) {
                    SchemaProblem::UnsupportedKeyword { keyword: owned() }
                } else {
                    SchemaProblem::UnknownKeyword { keyword: owned() }
                };
                self.fault(problem);
                continue;
            };
            if keywords.iter().any(|(known, _)| known.name == name) {
                self.fault(SchemaProblem::DuplicateKeyword { keyword: owned() });
                continue;
            }
            if keyword.form.is_value() {
                self.check_origin(keyword);
            }
            if let Err(problem) = check_value(keyword, value) {
                self.fault_at(name, problem);
            }
            keywords.push((keyword, value));
        }
        keywords
    }

    /// A client's own schema may only have keywords that say what is encrypted.
    fn check_origin(&mut self, keyword: &Keyword) {
        if self.origin == SchemaOrigin::Local && !keyword.is_local {
            self.fault(SchemaProblem::RemoteOnlyKeyword { keyword: keyword.name.to_owned() });
        }
    }

    /// Whether the schema says, by `bsonType` or `type`, that the value is an object.
    fn is_object(&mut self, keywords: &[(&'static Keyword, RawBsonRef<'_>)]) -> bool {
        let mut named: Vec<_> =
            keywords.iter().filter(|(keyword, _)| keyword.form == Form::Type).collect();
        let Some((keyword, value)) = named.pop() else { return false };
        if !named.is_empty() {
            self.fault(SchemaProblem::TypeAndBsonType);
        }
        let types = match keyword.name {
            "type" => options::json_types(*value),
            _ => options::types(*value),
        };
        match types {
            Ok(types) => types == TypeSet::of(&[ElementType::EmbeddedDocument]),
            Err(problem) => {
                self.fault_at(keyword.name, problem);
                false
            }
        }
    }

    fn encrypt(
        &mut self,
        keywords: &[(&'static Keyword, RawBsonRef<'_>)],
        value: RawBsonRef<'_>,
        outer: &Outer,
    ) -> Shape {
        let faults_before = self.faults.len();
        for (keyword, _) in keywords.iter().filter(|(keyword, _)| keyword.form != Form::Encrypt) {
            self.fault(SchemaProblem::EncryptWith { keyword: keyword.name.to_owned() });
        }
        let RawBsonRef::Document(document) = value else {
            self.fault(SchemaProblem::WrongType {
                keyword: "encrypt".to_owned(),
                expected: "an object",
                found: type_name(value.element_type()),
            });
            return Shape::Plain;
        };
        if !outer.encrypt_here {
            self.fault(SchemaProblem::EncryptNotAllowedHere);
        }
        let options = self
            .within("encrypt", |this| {
                Options::parse("encrypt", document, |name, problem| this.fault_at(name, problem))
            })
            .inherit(&outer.inherited);
        let field = match (options.algorithm, options.key) {
            // A wrong option was reported already; that it is missing as well is no news.
            _ if self.faults.len() > faults_before => return Shape::Plain,
            (None, _) => Err(SchemaProblem::NoAlgorithm),
            (_, None) => Err(SchemaProblem::NoKey),
            (Some(algorithm), Some(key)) => options::check_field(algorithm, &key, options.types)
                .map(|()| EncryptedField {
                    path: outer.path.clone(),
                    algorithm,
                    key,
                    types: options.types,
                }),
        };
        match field {
            Ok(field) => {
                let field = Arc::new(field);
                self.fields.push(Arc::clone(&field));
                Shape::Encrypted(field)
            }
            Err(problem) => {
                self.fault_at("encrypt", problem);
                Shape::Plain
            }
        }
    }

    fn metadata(&mut self, value: RawBsonRef<'_>, is_allowed: bool) -> Options {
        let keyword = "encryptMetadata";
        let RawBsonRef::Document(document) = value else {
            self.fault(SchemaProblem::WrongType {
                keyword: keyword.to_owned(),
                expected: "an object",
                found: type_name(value.element_type()),
            });
            return Options::default();
        };
        if !is_allowed {
            self.fault_at(keyword, SchemaProblem::MetadataNotAllowedHere);
        }
        if document.is_empty() {
            self.fault_at(keyword, SchemaProblem::EmptyMetadata);
        }
        self.within(keyword, |this| {
            Options::parse(keyword, document, |name, problem| this.fault_at(name, problem))
        })
    }

    /// The shape that the subschemas give the fields of an object.
    fn children(
        &mut self,
        keywords: &[(&'static Keyword, RawBsonRef<'_>)],
        outer: &Outer,
    ) -> Shape {
        let barren = Outer { encrypt_here: false, encrypt_below: false, ..outer.clone() };
        let array = Outer { allows_metadata: false, ..barren.clone() };
        let mut named = Vec::new();
        let mut object = ObjectShape::default();
        let mut unusable = Vec::new();
        for (keyword, value) in keywords {
            self.place.push(keyword.name.to_owned());
            match (keyword.form, *value) {
                (Form::Properties, RawBsonRef::Document(properties)) => {
                    named = self.fields(properties, outer, false);
                }
                (Form::Patterns, RawBsonRef::Document(patterns)) => {
                    for (pattern, shape) in self.fields(patterns, outer, true) {
                        match Regex::new(&pattern) {
                            Ok(regex) => object.patterns.push((regex, shape)),
                            Err(error) => unusable.push((pattern, error.to_string(), shape)),
                        }
                    }
                }
                (Form::Additional, RawBsonRef::Document(schema)) => {
                    let inner = Outer { path: join(&outer.path, "*"), ..outer.clone() };
                    object.additional = Some(self.schema(schema, &inner));
                }
                (Form::Schema, RawBsonRef::Document(schema)) => {
                    self.schema(schema, &barren);
                }
                (Form::SchemaOrBool | Form::SchemaOrArray, RawBsonRef::Document(schema)) => {
                    self.schema(schema, &array);
                }
                (Form::SchemaOrArray, RawBsonRef::Array(schemas)) => {
                    self.schemas(schemas.as_bytes(), &array, false);
                }
                (Form::SchemaArray, RawBsonRef::Array(schemas)) => {
                    self.schemas(schemas.as_bytes(), &barren, false);
                }
                (Form::Dependencies, RawBsonRef::Document(dependencies)) => {
                    self.schemas(dependencies.as_bytes(), &barren, true);
                }
                (Form::Additional | Form::SchemaOrBool, RawBsonRef::Boolean(_)) => {}
                (form, value) => {
                    if let Some(expected) = expected(form) {
                        self.fault(SchemaProblem::WrongType {
                            keyword: keyword.name.to_owned(),
                            expected,
                            found: type_name(value.element_type()),
                        });
                    }
                }
            }
            self.place.pop();
            // That something is encrypted in the wrong place is the graver fault, so it is first.
            if !keyword.form.is_value() {
                self.check_origin(keyword);
            }
        }
        self.check_patterns(&object, unusable);
        for (name, shape) in named {
            let matching = object.patterns.iter().filter(|(pattern, _)| pattern.is_match(&name));
            let merged = matching.map(|(_, shape)| shape.clone()).try_fold(shape, Shape::both);
            match merged {
                Some(shape) => object.set(&name, shape),
                None => {
                    let field = join(&outer.path, &name);
                    self.fault(SchemaProblem::Conflict { field });
                }
            }
        }
        Shape::object(object)
    }

    /// Patterns that cannot be compiled matter as soon as any field's encryption hangs on them.
    fn check_patterns(&mut self, object: &ObjectShape, unusable: Vec<(String, String, Shape)>) {
        let has_fallback = object.additional.as_ref().is_some_and(|shape| !shape.is_plain());
        for (pattern, reason, shape) in unusable {
            if !shape.is_plain() || has_fallback {
                let reason = reason.lines().last().unwrap_or_default().trim().to_owned();
                self.within("patternProperties", |this| {
                    this.fault(SchemaProblem::Pattern { pattern, reason });
                });
            }
        }
    }

    /// The shapes of `properties` or `patternProperties`, by name or pattern.
    fn fields(
        &mut self,
        subschemas: &RawDocument,
        outer: &Outer,
        are_patterns: bool,
    ) -> Vec<(String, Shape)> {
        let mut shapes: Vec<(String, Shape)> = Vec::new();
        for element in subschemas {
            let Ok((name, value)) = element else {
                self.fault(SchemaProblem::Malformed);
                break;
            };
            let name = name.as_str();
            let RawBsonRef::Document(schema) = value else {
                self.fault_at(
                    name,
                    SchemaProblem::WrongType {
                        keyword: name.to_owned(),
                        expected: "an object",
                        found: type_name(value.element_type()),
                    },
                );
                continue;
            };
            let step = if are_patterns { format!("/{name}/") } else { name.to_owned() };
            let inner = Outer { path: join(&outer.path, &step), ..outer.clone() };
            let shape = self.within(name, |this| this.schema(schema, &inner));
            if shapes.iter().any(|(known, _)| known == name) {
                self.fault_at(name, SchemaProblem::DuplicateKeyword { keyword: name.to_owned() });
            }
            shapes.push((name.to_owned(), shape));
        }
        shapes
    }

    /// Subschemas that no field's encryption can come from; only their faults matter.
    fn schemas(&mut self, bytes: &[u8], outer: &Outer, allows_names: bool) {
        let Ok(items) = RawDocument::from_bytes(bytes) else {
            self.fault(SchemaProblem::Malformed);
            return;
        };
        for item in items {
            match item {
                Ok((name, RawBsonRef::Document(schema))) => {
                    self.within(name.as_str(), |this| this.schema(schema, outer));
                }
                Ok((_, RawBsonRef::Array(_))) if allows_names => {}
                Ok((name, value)) => self.fault_at(
                    name.as_str(),
                    SchemaProblem::WrongType {
                        keyword: name.as_str().to_owned(),
                        expected: "an object",
                        found: type_name(value.element_type()),
                    },
                ),
                Err(_) => self.fault(SchemaProblem::Malformed),
            }
        }
    }
}

fn find<'a>(keywords: &[(&'static Keyword, RawBsonRef<'a>)], form: Form) -> Option<RawBsonRef<'a>> {
    keywords.iter().find(|(keyword, _)| keyword.form == form).map(|(_, value)| *value)
}

/// What a keyword with subschemas wants.
fn expected(form: Form) -> Option<&'static str> {
    match form {
        Form::Properties | Form::Patterns | Form::Schema | Form::Dependencies => Some("an object"),
        Form::Additional | Form::SchemaOrBool => Some("an object or a boolean"),
        Form::SchemaOrArray => Some("an object or an array"),
        Form::SchemaArray => Some("an array"),
        _ => None,
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
