//! `findAndModify`: change or remove one document and answer with it.

use bson::raw::{RawBson, RawDocumentBuf};

use super::target::Target;
use super::update::Compiled;
use super::{WriteOptions, insert, writable};
use crate::admin::create;
use crate::error::Result;
use crate::namespace::Namespace;
use crate::projector::Projector;
use crate::retry::Record;
use crate::store::Store;
use crate::transaction::Transaction;

/// A `findAndModify` command.
#[derive(Clone, Debug)]
pub struct FindAndModify {
    /// `query`
    pub filter: RawDocumentBuf,
    /// Which of the matching documents comes first.
    pub sort: Option<RawDocumentBuf>,
    /// What to do with it.
    pub change: Change,
    /// `fields`: a projection of the answer.
    pub projection: Option<RawDocumentBuf>,
    /// An index by name or key.
    pub hint: Option<RawBson>,
    /// How strings compare; without, as the collection says, and else by bytes.
    pub collation: Option<RawDocumentBuf>,
}

/// What [`FindAndModify`] does with the document.
#[derive(Clone, Debug)]
pub enum Change {
    /// Removes it.
    Remove,
    /// Changes it.
    Update {
        /// Operators or a replacement in a document, or a pipeline in an array.
        update: RawBson,
        /// Whether to insert if none matches.
        upsert: bool,
        /// Whether to answer with the document as it is afterwards.
        return_new: bool,
        /// `arrayFilters`
        array_filters: Vec<RawDocumentBuf>,
    },
}

/// What `findAndModify` found and did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FindAndModifyOutcome {
    /// `value`: the document before or after, if there is one.
    pub value: Option<RawDocumentBuf>,
    /// `lastErrorObject.updatedExisting`
    pub updated_existing: bool,
    /// `lastErrorObject.n`: 1 if a document was changed, removed or added.
    pub n: u64,
    /// `lastErrorObject.upserted`
    pub upserted: Option<RawBson>,
    /// The `stmtId` of a command that had been done before and was only answered.
    pub repeated: Option<i32>,
}

impl Store {
    /// Changes or removes the first document that matches, and answers with it.
    ///
    /// # Errors
    /// As for updates and deletes of one document.
    pub fn find_and_modify(
        &self,
        namespace: &Namespace,
        command: FindAndModify,
        options: &WriteOptions,
    ) -> Result<FindAndModifyOutcome> {
        let (namespace, options) = (namespace.clone(), options.clone());
        self.write(move |transaction| {
            let Some(key) = &options.retry else {
                return run(transaction, &namespace, &command, &options);
            };
            let mut record = Record::open(transaction, key)?;
            if let Some(outcome) = record.find_and_modify()? {
                return Ok(outcome);
            }
            let outcome = run(transaction, &namespace, &command, &options)?;
            record.note_find_and_modify(&outcome)?;
            record.close(transaction)?;
            Ok(outcome)
        })
    }
}

fn run(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
    command: &FindAndModify,
    options: &WriteOptions,
) -> Result<FindAndModifyOutcome> {
    let target = Target::compile(
        transaction,
        namespace,
        &command.filter,
        command.sort.as_deref(),
        command.hint.as_ref(),
        command.collation.as_deref(),
        options,
    )?;
    let projector = Projector::compile(command.projection.as_deref(), &target.context)?;
    match &command.change {
        Change::Remove => remove(transaction, namespace, &target, &projector, options),
        Change::Update { update, upsert, return_new, array_filters } => {
            let compiled = Compiled::new(update, array_filters, false, &target.context)?;
            let wish = Wish { compiled, upsert: *upsert, return_new: *return_new };
            change(transaction, namespace, &target, &projector, &wish, options)
        }
    }
}

fn remove(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
    target: &Target,
    projector: &Projector,
    options: &WriteOptions,
) -> Result<FindAndModifyOutcome> {
    let Some(collection) = writable(transaction, namespace)? else {
        return Ok(FindAndModifyOutcome::default());
    };
    let data = collection.writable_data()?;
    transaction.with_collection(&collection, |_, writer| {
        let Some((record, document)) = target.first(data, writer, options)? else {
            return Ok(FindAndModifyOutcome::default());
        };
        let value = projector.apply_changed(&target.selector, &document, &document)?;
        writer.remove(record, &document)?;
        Ok(FindAndModifyOutcome { value: Some(value), n: 1, ..FindAndModifyOutcome::default() })
    })
}

/// The update of a command, compiled.
struct Wish {
    compiled: Compiled,
    upsert: bool,
    return_new: bool,
}

fn change(
    transaction: &mut Transaction<'_>,
    namespace: &Namespace,
    target: &Target,
    projector: &Projector,
    wish: &Wish,
    options: &WriteOptions,
) -> Result<FindAndModifyOutcome> {
    let collection = match writable(transaction, namespace)? {
        Some(collection) => collection,
        None if wish.upsert => create::implicitly(transaction, namespace)?,
        None => return Ok(FindAndModifyOutcome::default()),
    };
    let data = collection.writable_data()?;
    transaction.with_collection(&collection, |transaction, writer| {
        if let Some((record, old)) = target.first(data, writer, options)? {
            let applied = wish.compiled.compute(target, data, &old, options)?;
            let shown = if wish.return_new { &applied.document } else { &old };
            let value = projector.apply_changed(&target.selector, &old, shown)?;
            if applied.modified {
                writer.replace(record, &old, &applied.document)?;
            }
            return Ok(FindAndModifyOutcome {
                value: Some(value),
                updated_existing: true,
                n: 1,
                ..FindAndModifyOutcome::default()
            });
        }
        if !wish.upsert {
            return Ok(FindAndModifyOutcome::default());
        }
        let document = wish.compiled.compute_upsert(target, transaction)?;
        let value = match wish.return_new {
            true => Some(projector.apply_changed(&target.selector, &document, &document)?),
            false => None,
        };
        let upserted = insert::insert_one(writer, data, &document, options)?;
        let upserted = Some(upserted);
        Ok(FindAndModifyOutcome { value, n: 1, upserted, ..FindAndModifyOutcome::default() })
    })
}
