//! Copies of the data in mongodump's layout: for each collection `<database>/<name>.bson`, its
//! documents one after the other, and `<database>/<name>.metadata.json`, its options and indexes.
//!
//! Source: MongoDB Database Tools manual, "mongodump", output files; observed files.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use bson::raw::{RawDocument, RawDocumentBuf, cstr};
use bson::{Bson, Document, rawdoc};

use crate::collation::with_known_locale;
use crate::document::DOCUMENT_MAX_BYTES;
use crate::environment::Interrupt;
use crate::error::StoreError;
use crate::find::FindOptions;
use crate::namespace::Namespace;
use crate::store::Store;
use crate::write::WriteOptions;

/// How many documents and bytes are restored in one write.
const BATCH_DOCUMENTS: usize = 1000;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyReport {
    /// Collections and views.
    pub collections: u64,
    /// Documents.
    pub documents: u64,
}

/// Why a copy could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The directory for a dump has files in it.
    #[error("{} is not empty; choose a new directory for the dump", .0.display())]
    NotEmpty(PathBuf),
    /// There is nothing to restore.
    #[error("{} has no database directories with .bson or .metadata.json files", .0.display())]
    NothingThere(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{}: {reason}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The store refused.
    #[error("{namespace}: {source}")]
    Store {
        /// The collection.
        namespace: Namespace,
        /// Why.
        source: StoreError,
    },
}

impl Store {
    /// Writes all collections and views to `directory`, which must be new or empty.
    ///
    /// # Errors
    /// See [`CopyError`].
    pub fn dump(&self, directory: &Path) -> Result<CopyReport, CopyError> {
        let io = |source| CopyError::Io { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(io)?;
        if fs::read_dir(directory).map_err(io)?.next().is_some() {
            return Err(CopyError::NotEmpty(directory.to_owned()));
        }
        let mut report = CopyReport::default();
        let snapshot = self.snapshot();
        let catalog = snapshot.catalog();
        for collection in catalog.databases().flat_map(|name| catalog.collections(name)) {
            let namespace = &collection.namespace;
            let database = directory.join(file_name(namespace.database()));
            fs::create_dir_all(&database)
                .map_err(|source| CopyError::Io { path: database.clone(), source })?;
            let name = file_name(namespace.collection());
            self.dump_metadata(namespace, &database.join(format!("{name}.metadata.json")))?;
            if collection.data().is_some() {
                report.documents +=
                    self.dump_documents(namespace, &database.join(format!("{name}.bson")))?;
            }
            report.collections += 1;
        }
        Ok(report)
    }

    fn dump_metadata(&self, namespace: &Namespace, path: &Path) -> Result<(), CopyError> {
        let invalid = |reason: String| CopyError::Invalid { path: path.to_owned(), reason };
        let info = self.collection_info(namespace).unwrap_or_default();
        let get = |name: &str| info.get(name).ok().flatten();
        let mut metadata = Document::new();
        let options = match get("options") {
            Some(bson::RawBsonRef::Document(options)) => to_document(options).map_err(invalid)?,
            _ => Document::new(),
        };
        metadata.insert("options", options);
        let mut indexes = Vec::new();
        for index in self.list_indexes(namespace).unwrap_or_default() {
            indexes.push(Bson::Document(to_document(&index).map_err(invalid)?));
        }
        metadata.insert("indexes", indexes);
        metadata.insert("collectionName", namespace.collection());
        metadata.insert("type", get("type").and_then(|kind| kind.as_str()).unwrap_or("collection"));
        let json = Bson::Document(metadata).into_canonical_extjson();
        fs::write(path, json.to_string())
            .map_err(|source| CopyError::Io { path: path.to_owned(), source })
    }

    fn dump_documents(&self, namespace: &Namespace, path: &Path) -> Result<u64, CopyError> {
        let io = |source| CopyError::Io { path: path.to_owned(), source };
        let store = |source| CopyError::Store { namespace: namespace.clone(), source };
        let mut file = BufWriter::new(File::create(path).map_err(io)?);
        let mut count = 0;
        for document in self.find(namespace, FindOptions::default()).map_err(store)? {
            file.write_all(document.map_err(store)?.as_bytes()).map_err(io)?;
            count += 1;
        }
        file.into_inner().map_err(|error| io(error.into_error()))?.sync_all().map_err(io)?;
        Ok(count)
    }

    /// Reads what [`Store::dump`] or mongodump wrote. Collections that exist keep their documents,
    /// unless `drop_existing`; a document whose `_id` is there already is an error.
    ///
    /// # Errors
    /// See [`CopyError`]; what was restored before the error stays.
    pub fn restore(&self, directory: &Path, drop_existing: bool) -> Result<CopyReport, CopyError> {
        let mut report = CopyReport::default();
        for (namespace, files) in collections(directory)? {
            self.restore_collection(&namespace, &files, drop_existing, &mut report)?;
            report.collections += 1;
        }
        match report.collections {
            0 => Err(CopyError::NothingThere(directory.to_owned())),
            _ => Ok(report),
        }
    }

    fn restore_collection(
        &self,
        namespace: &Namespace,
        files: &Files,
        drop_existing: bool,
        report: &mut CopyReport,
    ) -> Result<(), CopyError> {
        let store = |source| CopyError::Store { namespace: namespace.clone(), source };
        let mut metadata = match &files.metadata {
            Some(path) => read_metadata(path)?,
            None => Metadata::default(),
        };
        if drop_existing {
            self.drop_collection(namespace).map_err(store)?;
        }
        self.create_collection(namespace, &metadata.options).map_err(store)?;
        if let Some(path) = &files.documents {
            report.documents += self.restore_documents(namespace, path)?;
        }
        if !metadata.indexes.is_empty() {
            // What a dump shows without a collation has the simple one.
            for index in &mut metadata.indexes {
                if index.get("collation").is_ok_and(|found| found.is_none()) {
                    index.append(cstr!("collation"), rawdoc! {"locale": "simple"});
                }
            }
            self.create_indexes(namespace, &metadata.indexes, &Interrupt::never())
                .map_err(store)?;
        }
        Ok(())
    }

    fn restore_documents(&self, namespace: &Namespace, path: &Path) -> Result<u64, CopyError> {
        let store = |source| CopyError::Store { namespace: namespace.clone(), source };
        let options = WriteOptions { bypass_document_validation: true, ..WriteOptions::default() };
        let file =
            File::open(path).map_err(|source| CopyError::Io { path: path.to_owned(), source })?;
        let mut reader = BufReader::new(file);
        let (mut count, mut batch, mut bytes) = (0, Vec::new(), 0);
        loop {
            let next = read_document(&mut reader, path)?;
            let is_last = next.is_none();
            if let Some(document) = next {
                bytes += document.as_bytes().len();
                batch.push(document);
            }
            if is_last || batch.len() >= BATCH_DOCUMENTS || bytes >= BATCH_BYTES {
                let documents = std::mem::take(&mut batch);
                let outcome = self.insert(namespace, documents, &options).map_err(store)?;
                if let Some(failed) = outcome.errors.into_iter().next() {
                    return Err(store(failed.error));
                }
                count += outcome.inserted;
                bytes = 0;
            }
            if is_last {
                return Ok(count);
            }
        }
    }
}

/// The files of one collection.
#[derive(Debug, Default)]
struct Files {
    documents: Option<PathBuf>,
    metadata: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Metadata {
    options: RawDocumentBuf,
    indexes: Vec<RawDocumentBuf>,
}

/// Finds the collections of a dump by their files' names.
fn collections(directory: &Path) -> Result<BTreeMap<Namespace, Files>, CopyError> {
    let mut found: BTreeMap<Namespace, Files> = BTreeMap::new();
    for database in entries(directory)?.into_iter().filter(|path| path.is_dir()) {
        for path in entries(&database)? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let (stem, is_metadata) = match name.strip_suffix(".metadata.json") {
                Some(stem) => (stem, true),
                None => match name.strip_suffix(".bson") {
                    Some(stem) => (stem, false),
                    None => continue,
                },
            };
            let database = database.file_name().and_then(|name| name.to_str()).unwrap_or("");
            let namespace =
                Namespace::new(&original_name(database), &original_name(stem)).map_err(
                    |error| CopyError::Invalid { path: path.clone(), reason: error.to_string() },
                )?;
            let files = found.entry(namespace).or_default();
            let slot = if is_metadata { &mut files.metadata } else { &mut files.documents };
            *slot = Some(path);
        }
    }
    Ok(found)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, CopyError> {
    let io = |source| CopyError::Io { path: directory.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(io)? {
        paths.push(entry.map_err(io)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read_metadata(path: &Path) -> Result<Metadata, CopyError> {
    let invalid = |reason: String| CopyError::Invalid { path: path.to_owned(), reason };
    let text = fs::read_to_string(path)
        .map_err(|source| CopyError::Io { path: path.to_owned(), source })?;
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
    let Ok(Bson::Document(document)) = Bson::try_from(json) else {
        return Err(invalid("no object in extended JSON".into()));
    };
    let mut metadata = Metadata::default();
    if let Some(Bson::Document(options)) = document.get("options") {
        metadata.options = known(options).map_err(invalid)?;
    }
    if let Some(Bson::Array(indexes)) = document.get("indexes") {
        for index in indexes {
            let Bson::Document(index) = index else { continue };
            if !index.get_str("name").is_ok_and(|name| name == "_id_") {
                metadata.indexes.push(known(index).map_err(invalid)?);
            }
        }
    }
    Ok(metadata)
}

/// Options or an index as this version knows them.
fn known(owner: &Document) -> Result<RawDocumentBuf, String> {
    with_known_locale(&to_raw(owner)?).map_err(|error| error.to_string())
}

/// The next document of a file, or nothing at its end.
fn read_document(reader: &mut impl Read, path: &Path) -> Result<Option<RawDocumentBuf>, CopyError> {
    let io = |source| CopyError::Io { path: path.to_owned(), source };
    let invalid = |reason: String| CopyError::Invalid { path: path.to_owned(), reason };
    let mut length = [0; 4];
    let mut read = 0;
    while let Some(rest) = length.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) if read == 0 => return Ok(None),
            Ok(0) => return Err(invalid("ends in the middle of a document".into())),
            Ok(n) => read += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io(error)),
        }
    }
    let total = usize::try_from(i32::from_le_bytes(length)).unwrap_or(0);
    if !(5..=DOCUMENT_MAX_BYTES).contains(&total) {
        return Err(invalid(format!("a document of {total} bytes: this is no BSON file")));
    }
    let mut bytes = vec![0; total];
    let (head, body) = bytes.split_at_mut(4);
    head.copy_from_slice(&length);
    reader.read_exact(body).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => invalid("ends in the middle of a document".into()),
        _ => io(error),
    })?;
    RawDocumentBuf::from_bytes(bytes).map(Some).map_err(|error| invalid(error.to_string()))
}

fn to_document(document: &RawDocument) -> Result<Document, String> {
    Document::try_from(document).map_err(|error| error.to_string())
}

fn to_raw(document: &Document) -> Result<RawDocumentBuf, String> {
    RawDocumentBuf::try_from(document).map_err(|error| error.to_string())
}

/// A name with the characters that file names cannot have written as `%XX`, as mongodump does.
fn file_name(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        match letter {
            '/' | '\\' | '%' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '\0'..='\x1F' => {
                out.push_str(&format!("%{:02X}", u32::from(letter)));
            }
            _ => out.push(letter),
        }
    }
    out
}

/// The other way round. Only ASCII is escaped, so each escape is one letter.
fn original_name(name: &str) -> String {
    let mut parts = name.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                out.push(char::from(code));
                out.push_str(part.get(2..).unwrap_or_default());
            }
            None => {
                out.push('%');
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for name in ["plain", "a/b%c", "ä:ö", "100%", "%2F"] {
            let file = file_name(name);
            assert!(!file.contains('/'));
            assert_eq!(original_name(&file), name);
        }
    }
}
