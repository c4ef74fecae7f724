//! Changing collections: `collMod` and `renameCollection`.

use std::sync::Arc;

use bson::raw::{RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use bson::rawdoc;
use fieldveil_query::document::put;
use fieldveil_query::value::compare_documents;

use crate::admin::create;
use crate::catalog::{Collection, Data, Index, IndexSpec, Kind, ViewDefinition, whole_number};
use crate::code::Code;
use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::store::Store;
use crate::transaction::Transaction;
use crate::validation::Validation;

impl Store {
    /// Changes a collection or view by the fields of `collMod` (`index`, `validator`,
    /// `validationLevel`, `validationAction`, `viewOn`, `pipeline`, `cappedSize`, `cappedMax`);
    /// answers the further fields of its reply.
    ///
    /// # Errors
    /// `NamespaceNotFound`, `IndexNotFound`, `InvalidOptions` and others of MongoDB.
    pub fn modify_collection(
        &self,
        namespace: &Namespace,
        changes: &RawDocument,
    ) -> Result<RawDocumentBuf> {
        let (namespace, changes) = (namespace.clone(), changes.to_owned());
        self.write(move |transaction| modify(transaction, &namespace, &changes))
    }

    /// Gives a collection another name, in this database or another.
    ///
    /// # Errors
    /// `NamespaceNotFound`; `NamespaceExists` unless `drop_target`; `IllegalOperation` if both
    /// names are the same; `CommandNotSupportedOnView`.
    pub fn rename_collection(
        &self,
        from: &Namespace,
        to: &Namespace,
        drop_target: bool,
    ) -> Result<()> {
        let (from, to) = (from.clone(), to.clone());
        self.write(move |transaction| rename(transaction, &from, &to, drop_target))
    }
}

fn modify(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
    changes: &RawDocument,
) -> Result<RawDocumentBuf> {
    let collection = transaction.catalog().get(namespace).cloned().ok_or_else(|| {
        StoreError::new(Code::NAMESPACE_NOT_FOUND, format!("ns does not exist: {namespace}"))
    })?;
    match &collection.kind {
        Kind::View(_) => modify_view(transaction, &collection, changes),
        Kind::Data(data) => modify_data(transaction, &collection, data, changes),
    }
}

fn modify_view(
    transaction: &mut Transaction<'_>,
    view: &Collection,
    changes: &RawDocument,
) -> Result<RawDocumentBuf> {
    let mut options = view.options.clone();
    for field in changes.iter() {
        let (name, value) = field?;
        match name.as_str() {
            "viewOn" | "pipeline" => options = with(&options, name.as_str(), Some(value))?,
            other => {
                return Err(StoreError::new(
                    Code::INVALID_OPTIONS,
                    format!("option not supported on a view: {other}"),
                ));
            }
        }
    }
    let definition = ViewDefinition::from_options(&options)?;
    transaction.check_view(&view.namespace, &definition)?;
    let kind = Kind::View(definition);
    transaction.save(Collection { options, kind, ..view.clone() })?;
    Ok(RawDocumentBuf::new())
}

fn modify_data(
    transaction: &mut Transaction<'_>,
    collection: &Collection,
    data: &Data,
    changes: &RawDocument,
) -> Result<RawDocumentBuf> {
    let mut reply = RawDocumentBuf::new();
    let mut options = collection.options.clone();
    let mut indexes = data.indexes.clone();
    for field in changes.iter() {
        let (name, value) = field?;
        match (name.as_str(), value) {
            ("index", RawBsonRef::Document(change)) => {
                modify_index(&collection.namespace, &mut indexes, change, &mut reply)?;
            }
            ("validator", RawBsonRef::Document(document)) => {
                let value = (!document.is_empty()).then_some(value);
                options = with(&options, "validator", value)?;
            }
            ("validationLevel" | "validationAction", RawBsonRef::String(_)) => {
                options = with(&options, name.as_str(), Some(value))?;
            }
            ("cappedSize" | "cappedMax", _) => {
                if data.capped.is_none() {
                    return Err(StoreError::new(
                        Code::INVALID_OPTIONS,
                        "Collection must be capped.",
                    ));
                }
                let number = whole_number(value).ok_or_else(|| wrong_type(name.as_str()))?;
                let (option, number) = match name.as_str() {
                    "cappedSize" => ("size", create::capped_size(number)),
                    _ => ("max", number),
                };
                options = with(&options, option, Some(RawBsonRef::Int64(number)))?;
            }
            ("viewOn" | "pipeline", _) => {
                return Err(StoreError::new(
                    Code::INVALID_OPTIONS,
                    format!("'{name}' option only supported on a view"),
                ));
            }
            ("index" | "validator" | "validationLevel" | "validationAction", _) => {
                return Err(wrong_type(name.as_str()));
            }
            (other, _) => {
                return Err(StoreError::new(
                    Code::location(40_415),
                    format!("BSON field 'collMod.{other}' is an unknown field."),
                ));
            }
        }
    }
    let data = Data::new(data.id, indexes, Validation::parse(&options)?, &options)?;
    transaction.save(Collection { options, kind: Kind::Data(data), ..collection.clone() })?;
    Ok(reply)
}

fn modify_index(
    namespace: &Namespace,
    indexes: &mut [Arc<Index>],
    change: &RawDocument,
    reply: &mut RawDocumentBuf,
) -> Result<()> {
    let by_key = change.get("keyPattern")?;
    let by_name = change.get("name")?;
    let found = match (by_key, by_name) {
        (Some(RawBsonRef::Document(key)), None) => {
            indexes.iter_mut().find(|index| compare_documents(&index.spec.key, key).is_eq())
        }
        (None, Some(RawBsonRef::String(name))) => {
            indexes.iter_mut().find(|index| index.spec.name == name)
        }
        _ => {
            return Err(StoreError::new(
                Code::INVALID_OPTIONS,
                "must specify either index name or key pattern",
            ));
        }
    };
    let index = found.ok_or_else(|| {
        let wanted = crate::render::render(change);
        StoreError::new(
            Code::INDEX_NOT_FOUND,
            format!("cannot find index {wanted} for ns {namespace}"),
        )
    })?;
    let mut spec = index.spec.document.clone();
    let mut has_change = false;
    for field in change.iter() {
        let (name, value) = field?;
        match name.as_str() {
            "keyPattern" | "name" => continue,
            "expireAfterSeconds" => {
                let old = index.spec.expire_after_secs.map_or(RawBson::Null, RawBson::Int64);
                if old != RawBson::Null {
                    put(reply, "expireAfterSeconds_old", &old);
                }
                put(reply, "expireAfterSeconds_new", value);
                spec = with(&spec, "expireAfterSeconds", Some(value))?;
            }
            "hidden" => {
                if index.spec.is_id_index() {
                    return Err(StoreError::bad_value("can't hide _id index"));
                }
                let hidden = value.as_bool().ok_or_else(|| wrong_type("index.hidden"))?;
                if hidden != index.spec.hidden {
                    put(reply, "hidden_old", index.spec.hidden);
                    put(reply, "hidden_new", hidden);
                }
                let value = hidden.then_some(RawBsonRef::Boolean(true));
                spec = with(&spec, "hidden", value)?;
            }
            other => {
                return Err(StoreError::new(
                    Code::COMMAND_NOT_SUPPORTED,
                    format!("collMod cannot change '{other}' of an index"),
                ));
            }
        }
        has_change = true;
    }
    if !has_change {
        return Err(StoreError::new(
            Code::INVALID_OPTIONS,
            "no expireAfterSeconds, hidden, unique, or prepareUnique field",
        ));
    }
    Arc::make_mut(index).spec = IndexSpec::parse(&spec)?;
    Ok(())
}

/// The document with one field set in its place, added, or left out.
fn with(
    document: &RawDocument,
    name: &str,
    value: Option<RawBsonRef<'_>>,
) -> Result<RawDocumentBuf> {
    let mut out = rawdoc! {};
    let mut value = value;
    for field in document.iter() {
        let (found, old) = field?;
        if found.as_str() != name {
            out.append(found, old);
        } else if let Some(value) = value.take() {
            out.append(found, value);
        }
    }
    if let Some(value) = value {
        put(&mut out, name, value);
    }
    Ok(out)
}

fn wrong_type(name: &str) -> StoreError {
    StoreError::new(Code::TYPE_MISMATCH, format!("BSON field 'collMod.{name}' is the wrong type"))
}

fn rename(
    transaction: &mut Transaction<'_>,
    from: &Namespace,
    to: &Namespace,
    drop_target: bool,
) -> Result<()> {
    let source = transaction.catalog().get(from).cloned().ok_or_else(|| {
        StoreError::new(
            Code::NAMESPACE_NOT_FOUND,
            format!("Source collection {from} does not exist"),
        )
    })?;
    if from == to {
        return Err(StoreError::new(
            Code::ILLEGAL_OPERATION,
            "Can't rename a collection to itself",
        ));
    }
    if source.data().is_none() {
        return Err(StoreError::new(
            Code::COMMAND_NOT_SUPPORTED_ON_VIEW,
            format!("cannot rename view: {from}"),
        ));
    }
    match transaction.catalog().get(to).cloned() {
        Some(_) if !drop_target => {
            return Err(StoreError::new(Code::NAMESPACE_EXISTS, "target namespace exists"));
        }
        Some(target) => transaction.drop_collection(&target)?,
        None => create::check_letter_case(transaction, to.database())?,
    }
    transaction.forget(from)?;
    transaction.save(Collection { namespace: to.clone(), ..(*source).clone() })
}
