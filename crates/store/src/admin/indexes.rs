//! Creating and dropping indexes.

use std::sync::Arc;

use bson::raw::{RawDocument, RawDocumentBuf, cstr};

use super::create;
use crate::catalog::{Collection, Data, Index, IndexSpec, Kind};
use crate::code::Code;
use crate::environment::Interrupt;
use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::render::render;
use crate::store::Store;
use crate::tables::View;
use crate::transaction::{CollectionWriter, Transaction};
use crate::write::writable;

/// The most indexes of one collection (MongoDB's limit).
const INDEXES_MAX: usize = 64;

/// How many records an index build reads at a time.
const BUILD_CHUNK: usize = 256;

/// What `createIndexes` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateIndexesOutcome {
    /// How many indexes there were.
    pub before: usize,
    /// How many there are.
    pub after: usize,
    /// Whether the collection had to be made.
    pub created_collection: bool,
}

/// Which indexes to drop.
#[derive(Clone, Debug)]
pub enum IndexChoice {
    /// All but the one on `_id` (`"*"`).
    All,
    /// Those of these names.
    Names(Vec<String>),
    /// The one with exactly this key.
    Key(RawDocumentBuf),
}

impl Store {
    /// Creates indexes over the documents that are there. All are made, or none.
    ///
    /// # Errors
    /// The codes of MongoDB's `createIndexes`: `CannotCreateIndex`, `IndexOptionsConflict`,
    /// `IndexKeySpecsConflict`, `DuplicateKey` and others.
    pub fn create_indexes(
        &self,
        namespace: &Namespace,
        specs: &[RawDocumentBuf],
        interrupt: &Interrupt,
    ) -> Result<CreateIndexesOutcome> {
        let specs = specs.to_vec();
        // Before a collection is made for them.
        for spec in &specs {
            IndexSpec::parse(spec)?;
        }
        let (namespace, interrupt) = (namespace.clone(), interrupt.clone());
        self.write(move |transaction| create_indexes(transaction, &namespace, specs, &interrupt))
    }

    /// Drops indexes; answers how many there were.
    ///
    /// # Errors
    /// `NamespaceNotFound`, `IndexNotFound`, and `InvalidOptions` for the `_id` index.
    pub fn drop_indexes(&self, namespace: &Namespace, choice: &IndexChoice) -> Result<usize> {
        let (namespace, choice) = (namespace.clone(), choice.clone());
        self.write(move |transaction| drop_indexes(transaction, &namespace, &choice))
    }
}

/// Builds all indexes anew but the one on `_id`.
pub(super) fn rebuild(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
) -> Result<Vec<RawDocumentBuf>> {
    let before = writable(transaction, namespace)?.ok_or_else(|| {
        StoreError::new(Code::NAMESPACE_NOT_FOUND, format!("ns not found {namespace}"))
    })?;
    let specs = before.data().map_or_else(Vec::new, |data| {
        data.indexes.iter().map(|index| index.spec.document.clone()).collect()
    });
    drop_indexes(transaction, namespace, &IndexChoice::All)?;
    // Not to be interrupted, since the old ones are gone already.
    let built = create_indexes(transaction, namespace, specs.clone(), &Interrupt::never());
    if let Err(error) = built {
        transaction.fail(error.clone());
        return Err(error);
    }
    Ok(specs)
}

fn create_indexes(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
    specs: Vec<RawDocumentBuf>,
    interrupt: &Interrupt,
) -> Result<CreateIndexesOutcome> {
    let existing = writable(transaction, namespace)?;
    let created_collection = existing.is_none();
    let original = match existing {
        Some(collection) => collection,
        None => create::implicitly(transaction, namespace)?,
    };
    let Some(data) = original.data() else {
        return Err(StoreError::internal("an index on a view"));
    };
    let before = data.indexes.len();
    let mut collection = Arc::clone(&original);
    let mut built: Vec<Index> = Vec::new();
    for spec in specs {
        let step = inheriting(spec, &original)
            .and_then(|spec| add_index(transaction, &collection, spec, interrupt, &mut built));
        match step {
            Ok(Some(with_index)) => collection = Arc::new(with_index),
            Ok(None) => {}
            Err(error) => {
                for index in &built {
                    transaction.delete_index(index)?;
                }
                if created_collection {
                    transaction.drop_collection(&original)?;
                } else if !built.is_empty() {
                    // Building may have noted arrays in the catalog.
                    transaction.save((*original).clone())?;
                }
                return Err(error);
            }
        }
    }
    let after = collection.data().map_or(before, |data| data.indexes.len());
    if after != before {
        transaction.save((*collection).clone())?;
    }
    Ok(CreateIndexesOutcome { before, after, created_collection })
}

/// Reads a specification; an index that names no collation has that of its collection.
fn inheriting(mut spec: RawDocumentBuf, collection: &Collection) -> Result<IndexSpec> {
    if let Some(collation) = collection.collation()
        && spec.get("collation")?.is_none()
    {
        spec.append(cstr!("collation"), collation.to_owned());
    }
    IndexSpec::parse(&spec)
}

/// Builds one index; answers the collection with it, or nothing if it exists already.
fn add_index(
    transaction: &mut Transaction<'_>,
    collection: &Arc<Collection>,
    spec: IndexSpec,
    interrupt: &Interrupt,
    built: &mut Vec<Index>,
) -> Result<Option<Collection>> {
    let Some(data) = collection.data() else { return Ok(None) };
    if exists(data, &spec)? {
        return Ok(None);
    }
    if data.indexes.len() >= INDEXES_MAX {
        return Err(StoreError::new(
            Code::CANNOT_CREATE_INDEX,
            format!(
                "add index fails, too many indexes for {} key:{}",
                collection.namespace,
                render(&spec.key)
            ),
        ));
    }
    let index = transaction.new_index(spec)?;
    built.push(index.clone());
    let mut data = data.clone();
    data.indexes.push(Arc::new(index));
    let collection = Collection { kind: Kind::Data(data), ..(**collection).clone() };
    let collection = Arc::new(collection);
    transaction.with_collection(&collection, |_, writer| index_all(writer, interrupt))?;
    // Closing may have noted arrays; take the collection as it is now.
    let noted = transaction.catalog().get(&collection.namespace).cloned();
    let with_index = noted.filter(|noted| {
        noted.data().map(|data| data.indexes.len())
            == collection.data().map(|data| data.indexes.len())
    });
    Ok(Some((*with_index.unwrap_or(collection)).clone()))
}

/// Adds the entries of all documents to the last index.
pub(super) fn index_all(writer: &mut CollectionWriter<'_>, interrupt: &Interrupt) -> Result<()> {
    let mut position = None;
    let mut chunk = Vec::new();
    loop {
        interrupt.check()?;
        chunk.clear();
        writer.records(position, false, BUILD_CHUNK, &mut chunk)?;
        let Some((last, _)) = chunk.last() else { return Ok(()) };
        position = Some(*last);
        for (record, document) in &chunk {
            writer.index_existing(*record, document)?;
        }
    }
}

/// Whether the index is there already.
///
/// # Errors
/// If one of that name or key is there with other options.
fn exists(data: &Data, spec: &IndexSpec) -> Result<bool> {
    if spec.is_id_index() {
        return Ok(true);
    }
    let conflict = |code, what: &str, other: &IndexSpec| {
        Err(StoreError::new(
            code,
            format!(
                "{what} Requested index: {}, existing index: {}",
                render(&spec.document),
                render(&other.document)
            ),
        ))
    };
    let by_name = data.index_by_name(&spec.name).map(|index| &index.spec);
    if let Some(other) = by_name {
        if !other.is_alike(spec) {
            return conflict(
                Code::INDEX_KEY_SPECS_CONFLICT,
                "An existing index has the same name as the requested index. When index names \
                 are not specified, they are auto generated and can cause conflicts. Please \
                 refer to our documentation.",
                other,
            );
        }
        if other.expire_after_secs != spec.expire_after_secs {
            return conflict(
                Code::INDEX_OPTIONS_CONFLICT,
                "An equivalent index already exists with the same name but different options.",
                other,
            );
        }
        return Ok(true);
    }
    let alike = data.indexes.iter().map(|index| &index.spec).find(|other| other.is_alike(spec));
    match alike {
        None => Ok(false),
        Some(other) if other.expire_after_secs == spec.expire_after_secs => Err(StoreError::new(
            Code::INDEX_OPTIONS_CONFLICT,
            format!("Index already exists with a different name: {}", other.name),
        )),
        Some(other) => conflict(
            Code::INDEX_OPTIONS_CONFLICT,
            "An equivalent index already exists with a different name and options.",
            other,
        ),
    }
}

fn drop_indexes(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
    choice: &IndexChoice,
) -> Result<usize> {
    let collection = writable(transaction, namespace)?.ok_or_else(|| {
        StoreError::new(Code::NAMESPACE_NOT_FOUND, format!("ns not found {namespace}"))
    })?;
    let Some(data) = collection.data() else {
        return Err(StoreError::internal("an index on a view"));
    };
    let chosen: Vec<Arc<Index>> = match choice {
        IndexChoice::All => {
            data.indexes.iter().filter(|index| !index.spec.is_id_index()).cloned().collect()
        }
        IndexChoice::Names(names) => names
            .iter()
            .map(|name| {
                data.index_by_name(name).cloned().ok_or_else(|| {
                    StoreError::new(
                        Code::INDEX_NOT_FOUND,
                        format!("index not found with name [{name}]"),
                    )
                })
            })
            .collect::<Result<_>>()?,
        IndexChoice::Key(key) => {
            let has_key = |index: &&Arc<Index>| same_key(&index.spec.key, key);
            vec![only_one(data.indexes.iter().filter(has_key), key)?]
        }
    };
    if chosen.iter().any(|index| index.spec.is_id_index()) {
        return Err(StoreError::new(Code::INVALID_OPTIONS, "cannot drop _id index"));
    }
    let before = data.indexes.len();
    let mut data = data.clone();
    data.indexes.retain(|index| chosen.iter().all(|chosen| chosen.id != index.id));
    for index in &chosen {
        transaction.delete_index(index)?;
    }
    transaction.save(Collection { kind: Kind::Data(data), ..(*collection).clone() })?;
    Ok(before)
}

/// The index that a key stands for.
fn only_one<'a>(
    mut found: impl Iterator<Item = &'a Arc<Index>>,
    key: &RawDocument,
) -> Result<Arc<Index>> {
    match (found.next(), found.next()) {
        (Some(index), None) => Ok(Arc::clone(index)),
        (Some(_), Some(_)) => Err(StoreError::new(
            Code::AMBIGUOUS_INDEX_KEY_PATTERN,
            format!("several indexes found for key: {}, identify by name instead", render(key)),
        )),
        (None, _) => Err(StoreError::new(
            Code::INDEX_NOT_FOUND,
            format!("can't find index with key: {}", render(key)),
        )),
    }
}

fn same_key(left: &RawDocument, right: &RawDocument) -> bool {
    fieldveil_query::value::compare_documents(left, right).is_eq()
}

impl IndexSpec {
    /// Whether both could not stand beside each other, whatever their names.
    fn is_alike(&self, other: &Self) -> bool {
        same_key(&self.key, &other.key)
            && self.unique == other.unique
            && self.sparse == other.sparse
            && self.partial == other.partial
            && self.collation == other.collation
    }
}
