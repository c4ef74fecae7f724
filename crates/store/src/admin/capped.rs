//! Capped copies of collections, and indexes that are built anew.

use std::sync::Arc;

use bson::raw::{RawDocumentBuf, cstr};

use super::{create, indexes};
use crate::catalog::{Collection, Kind};
use crate::code::Code;
use crate::environment::Interrupt;
use crate::error::{Result, StoreError};
use crate::namespace::Namespace;
use crate::store::Store;
use crate::tables::View;
use crate::transaction::Transaction;
use crate::write::writable;

/// How many records are copied at a time.
const COPY_CHUNK: usize = 256;

impl Store {
    /// Makes a collection capped. The newest documents stay, as many as fit; of the indexes only
    /// the one on `_id`, as on MongoDB.
    ///
    /// # Errors
    /// `NamespaceNotFound`, `CommandNotSupportedOnView`.
    pub fn convert_to_capped(
        &self,
        namespace: &Namespace,
        max_bytes: i64,
        interrupt: Interrupt,
    ) -> Result<()> {
        let namespace = namespace.clone();
        self.write(move |transaction| {
            let old = existing(transaction, &namespace)?;
            let new = copy(transaction, &old, &namespace, max_bytes, &interrupt)?;
            transaction.drop_collection(&old)?;
            transaction.save(new)
        })
    }

    /// Copies a collection to a new capped one; the newest documents, as many as fit.
    ///
    /// # Errors
    /// `NamespaceNotFound`, `NamespaceExists`, `CommandNotSupportedOnView`.
    pub fn clone_as_capped(
        &self,
        from: &Namespace,
        to: &Namespace,
        max_bytes: i64,
        interrupt: Interrupt,
    ) -> Result<()> {
        let (from, to) = (from.clone(), to.clone());
        self.write(move |transaction| {
            let old = existing(transaction, &from)?;
            if transaction.catalog().get(&to).is_some() {
                return Err(StoreError::new(
                    Code::NAMESPACE_EXISTS,
                    format!(
                        "cloneCollectionAsCapped failed - destination collection {to} already \
                         exists. source collection: {from}"
                    ),
                ));
            }
            let new = copy(transaction, &old, &to, max_bytes, &interrupt)?;
            transaction.save(new)
        })
    }

    /// Builds all indexes of a collection anew, but for the one on `_id`, which writes keep whole;
    /// answers the specifications of all.
    ///
    /// # Errors
    /// `NamespaceNotFound`, `CommandNotSupportedOnView`.
    pub fn rebuild_indexes(&self, namespace: &Namespace) -> Result<Vec<RawDocumentBuf>> {
        let namespace = namespace.clone();
        self.write(move |transaction| indexes::rebuild(transaction, &namespace))
    }
}

fn existing(transaction: &Transaction<'_>, namespace: &Namespace) -> Result<Arc<Collection>> {
    writable(transaction, namespace)?.ok_or_else(|| {
        StoreError::new(
            Code::NAMESPACE_NOT_FOUND,
            format!("source collection {namespace} does not exist"),
        )
    })
}

/// Makes a capped collection with the documents of another; it has no name in the catalog yet.
fn copy(
    transaction: &mut Transaction<'_>,
    old: &Arc<Collection>,
    to: &Namespace,
    max_bytes: i64,
    interrupt: &Interrupt,
) -> Result<Collection> {
    let mut options = RawDocumentBuf::new();
    for field in old.options.iter() {
        let (name, value) = field?;
        if !matches!(name.as_str(), "capped" | "size" | "max") {
            options.append(name, value);
        }
    }
    options.append(cstr!("capped"), true);
    options.append(cstr!("size"), create::capped_size(max_bytes));
    let uuid = transaction.new_uuid();
    let kind = Kind::Data(transaction.new_data(&options)?);
    let new = Arc::new(Collection { namespace: to.clone(), uuid, options, kind });
    if let Err(error) = fill(transaction, old, &new, interrupt) {
        transaction.discard(&new)?;
        return Err(error);
    }
    Ok((*new).clone())
}

fn fill(
    transaction: &mut Transaction<'_>,
    old: &Arc<Collection>,
    new: &Arc<Collection>,
    interrupt: &Interrupt,
) -> Result<()> {
    transaction.with_collection(old, |transaction, reader| {
        transaction.with_collection(new, |_, writer| {
            let mut position = None;
            let mut chunk = Vec::new();
            loop {
                interrupt.check()?;
                chunk.clear();
                reader.records(position, false, COPY_CHUNK, &mut chunk)?;
                let Some((last, _)) = chunk.last() else { return Ok(()) };
                position = Some(*last);
                for (_, document) in &chunk {
                    writer.insert(document)?;
                }
            }
        })
    })
}
