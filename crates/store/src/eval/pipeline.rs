//! Running aggregation pipelines.
//!
//! Stages are iterators over iterators: a document is pulled through all of them before the next is
//! read, except where a stage must have seen everything (`$sort`, `$group`). Those do their work at
//! the first pull and hold no more bytes than the environment allows. Other collections are reached
//! through a [`Source`] that the store implements.

use std::path::Path;
use std::sync::Arc;

use bson::raw::{RawBson, RawDocument, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::filter::Filter;
use fieldveil_query::pipeline::{Namespace, Pipeline, Stage};

use super::Context;
use super::matcher::Matcher;

mod accumulator;
mod bucket;
mod compose;
mod densify;
mod fill;
mod graph;
mod group;
mod lookup;
mod order;
mod output;
mod packed;
mod transform;
mod unwind;
mod window;

pub use transform::Transform;

/// Bytes that one stage may hold unless the caller says otherwise: MongoDB's 100 MiB.
pub const DEFAULT_MEMORY_LIMIT: usize = 100 * 1024 * 1024;

/// Documents on their way; an error ends them.
pub type Documents = Box<dyn Iterator<Item = Result<RawDocumentBuf, QueryError>> + Send>;

/// Where stages find other collections.
pub trait Source: Send + Sync {
    /// All documents of a collection or view; none if it does not exist.
    ///
    /// # Errors
    /// Whatever reading comes to.
    fn documents(&self, namespace: &Namespace) -> Result<Documents, QueryError>;

    /// The documents that match a filter. A store with indexes does better than looking at all.
    ///
    /// # Errors
    /// Those of compiling the filter, and whatever reading comes to.
    fn find(
        &self,
        namespace: &Namespace,
        filter: &Filter,
        context: &Context,
    ) -> Result<Documents, QueryError> {
        Ok(filtered(self.documents(namespace)?, Matcher::compile(filter, context)?))
    }

    /// `$out`: the collection's documents become these.
    ///
    /// # Errors
    /// Whatever writing comes to; the old documents stay then.
    fn replace(&self, namespace: &Namespace, documents: Documents) -> Result<(), QueryError>;

    /// `$merge`: for each document of the batch looks for the one whose fields equal those of its
    /// key, asks `decide` with it, and does what that says, in one step that others see whole or
    /// not.
    ///
    /// # Errors
    /// 51183 if no unique index covers the keys' fields, and whatever writing comes to.
    fn merge(
        &self,
        namespace: &Namespace,
        batch: Vec<Merging>,
        decide: Decide,
    ) -> Result<(), QueryError>;

    /// Stages that report on the server or a collection: `$collStats`, `$indexStats`, `$currentOp`,
    /// `$listSessions` and others. `None` for one that is not there.
    ///
    /// # Errors
    /// Those of the stage.
    fn report(&self, stage: &str, argument: &RawBson) -> Result<Option<Documents>, QueryError>;

    /// Whether the pipeline may go on; asked where it works long on what it has read already.
    ///
    /// # Errors
    /// When its time is over, or it was killed.
    fn go_on(&self) -> Result<(), QueryError> {
        Ok(())
    }
}

/// A document on its way into the target of `$merge`.
pub struct Merging {
    /// The fields by which its counterpart is known; empty for one without `_id`, which has none.
    pub key: RawDocumentBuf,
    /// The document.
    pub document: RawDocumentBuf,
}

/// Says what becomes of a document and its counterpart in the target.
pub type DecideFn =
    dyn Fn(&Merging, Option<&RawDocument>) -> Result<Write, QueryError> + Send + Sync;

/// A [`DecideFn`] that may be handed to another thread.
pub type Decide = Arc<DecideFn>;

/// What `$merge` does to the target.
pub enum Write {
    /// Nothing.
    Nothing,
    /// A new document.
    Insert(RawDocumentBuf),
    /// In place of the one found.
    Replace(RawDocumentBuf),
}

/// What a pipeline runs in.
#[derive(Clone)]
pub struct Environment {
    /// Time, variables, collation.
    pub context: Context,
    /// Other collections.
    pub source: Arc<dyn Source>,
    /// Bytes one stage may hold; see [`DEFAULT_MEMORY_LIMIT`].
    pub memory_limit: usize,
    /// Where a stage may put what it may not hold.
    pub spill: Option<Arc<Path>>,
}

impl Environment {
    /// What a stage that sorts may use.
    pub(crate) fn sort_budget(&self) -> crate::order::Budget {
        crate::order::Budget { memory_bytes: self.memory_limit, spill: self.spill.clone() }
    }

    fn with_variables(&self, variables: Vec<(String, RawBson)>) -> Self {
        let mut inner = self.clone();
        inner.context.variables.retain(|(name, _)| !variables.iter().any(|(new, _)| new == name));
        inner.context.variables.extend(variables);
        inner
    }
}

/// Runs a pipeline on documents.
///
/// The first stage may be one that takes none (`$documents`, `$collStats`); the input is dropped
/// then. `$out` and `$merge` do their work at the first pull.
///
/// # Errors
/// Those of compiling the stages; errors of evaluation come with the documents.
pub fn run(
    pipeline: &Pipeline,
    input: Documents,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let mut documents = input;
    let mut stages = pipeline.stages.iter().peekable();
    while let Some(stage) = stages.next() {
        let limit = match (stage, stages.peek()) {
            (Stage::Sort(_), Some(Stage::Limit(limit))) => usize::try_from(*limit).ok(),
            _ => None,
        };
        documents = apply(stage, documents, limit, environment)?;
        if matches!(stage, Stage::Unwind { .. }) {
            // Much can come out of it after little was read.
            documents = interruptible(documents, Arc::clone(&environment.source));
        }
    }
    Ok(documents)
}

/// How many documents come out of a stage before it is asked whether to go on.
const DOCUMENTS_PER_CHECK: u32 = 64;

fn interruptible(documents: Documents, source: Arc<dyn Source>) -> Documents {
    let mut count = 0_u32;
    Box::new(documents.map(move |document| {
        count = count.wrapping_add(1);
        if count.is_multiple_of(DOCUMENTS_PER_CHECK) {
            source.go_on()?;
        }
        document
    }))
}

/// Compiles a pipeline for its faults only.
///
/// # Errors
/// As [`run`].
pub fn check(pipeline: &Pipeline, environment: &Environment) -> Result<(), QueryError> {
    run(pipeline, listed(Vec::new()), environment).map(drop)
}

fn apply(
    stage: &Stage,
    input: Documents,
    limit: Option<usize>,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let context = &environment.context;
    Ok(match stage {
        Stage::Match(filter) => filtered(input, Matcher::compile(filter, context)?),
        Stage::Project(_)
        | Stage::AddFields { .. }
        | Stage::Unset(_)
        | Stage::ReplaceRoot { .. } => {
            let transform = Transform::compile(stage, context)?;
            Box::new(input.map(move |document| transform.apply(&document?)))
        }
        Stage::Redact(expression) => transform::redact(input, expression, context)?,
        Stage::Group(stage) => group::group(input, stage, environment)?,
        Stage::Sort(sort) => order::sort(input, sort, limit, environment)?,
        Stage::Skip(count) => Box::new(input.skip(usize::try_from(*count).unwrap_or(usize::MAX))),
        Stage::Limit(count) => Box::new(input.take(usize::try_from(*count).unwrap_or(usize::MAX))),
        Stage::Sample(size) => order::sample(input, *size, environment),
        Stage::Unwind { path, include_array_index, preserve_null_and_empty } => {
            unwind::unwind(input, path, include_array_index.as_ref(), *preserve_null_and_empty)
        }
        Stage::Count(field) => group::count(input, field),
        Stage::SortByCount(expression) => group::sort_by_count(input, expression, environment)?,
        Stage::Bucket { group_by, boundaries, default, output } => bucket::bucket(
            input,
            group_by,
            boundaries,
            default.as_ref(),
            output.as_deref(),
            environment,
        )?,
        Stage::BucketAuto { group_by, buckets, output, granularity } => {
            let (output, granularity) = (output.as_deref(), granularity.as_deref());
            bucket::bucket_auto(input, group_by, *buckets, output, granularity, environment)?
        }
        Stage::Facet(facets) => compose::facet(input, facets, environment)?,
        Stage::UnionWith { from, pipeline } => {
            compose::union_with(input, from.as_ref(), pipeline, environment)?
        }
        Stage::Lookup(stage) => lookup::lookup(input, stage, environment)?,
        Stage::GraphLookup(stage) => graph::graph_lookup(input, stage, environment)?,
        Stage::SetWindowFields { partition_by, sort_by, output } => window::set_window_fields(
            input,
            partition_by.as_ref(),
            sort_by.as_ref(),
            output,
            environment,
        )?,
        Stage::Out(target) => output::out(input, target, environment),
        Stage::Merge(merge) => output::merge(input, merge, environment)?,
        Stage::Documents(expression) => compose::documents(expression, context)?,
        Stage::Other { name: "$densify", value } => densify::densify(input, value, environment)?,
        Stage::Other { name: "$fill", value } => fill::fill(input, value, environment)?,
        Stage::Other { name: "$changeStream", .. } => {
            return Err(QueryError::new(
                40573,
                "The $changeStream stage is only supported on replica sets",
            ));
        }
        Stage::Other { name, value } => match environment.source.report(name, value)? {
            Some(documents) => documents,
            None => return Err(QueryError::not_supported(format!("the stage {name}"))),
        },
    })
}

fn filtered(input: Documents, matcher: Matcher) -> Documents {
    Box::new(input.filter_map(move |document| match document {
        Ok(document) => match matcher.matches(&document) {
            Ok(true) => Some(Ok(document)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        },
        Err(error) => Some(Err(error)),
    }))
}

/// What makes a [`Deferred`]'s documents.
type Make = Box<dyn FnOnce() -> Result<Documents, QueryError> + Send>;

/// Documents that are made at the first pull.
struct Deferred {
    make: Option<Make>,
    documents: Documents,
}

/// Puts work off until the first document is wanted.
fn deferred(make: impl FnOnce() -> Result<Documents, QueryError> + Send + 'static) -> Documents {
    Box::new(Deferred { make: Some(Box::new(make)), documents: Box::new(std::iter::empty()) })
}

impl Iterator for Deferred {
    type Item = Result<RawDocumentBuf, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(make) = self.make.take() {
            match make() {
                Ok(documents) => self.documents = documents,
                Err(error) => return Some(Err(error)),
            }
        }
        self.documents.next()
    }
}

/// The documents of a list.
fn listed(documents: Vec<RawDocumentBuf>) -> Documents {
    Box::new(documents.into_iter().map(Ok))
}

/// Counts bytes against the environment's limit.
struct Budget {
    stage: &'static str,
    used: usize,
    limit: usize,
}

impl Budget {
    fn new(stage: &'static str, environment: &Environment) -> Self {
        Self { stage, used: 0, limit: environment.memory_limit }
    }

    fn take(&mut self, bytes: usize) -> Result<(), QueryError> {
        self.used = self.used.saturating_add(bytes);
        self.check()
    }

    /// Counts without a check; less for what was given back.
    fn add(&mut self, bytes: isize) {
        self.used = self.used.saturating_add_signed(bytes);
    }

    fn is_exceeded(&self) -> bool {
        self.used > self.limit
    }

    fn check(&self) -> Result<(), QueryError> {
        if !self.is_exceeded() {
            return Ok(());
        }
        Err(QueryError::new(
            292,
            if self.stage == "$group" {
                "Exceeded memory limit for $group, but didn't allow external sort. Pass \
                 allowDiskUse:true to opt in."
                    .to_owned()
            } else {
                format!(
                    "{} exceeded memory limit of {} bytes, but did not opt in to external sorting.",
                    self.stage, self.limit
                )
            },
        ))
    }

    fn give_back(&mut self, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
    }
}

/// About how many bytes a value takes.
fn size_of(value: &RawBson) -> usize {
    16 + match value {
        RawBson::Document(document) => document.as_bytes().len(),
        RawBson::Array(array) => array.as_bytes().len(),
        RawBson::String(text) => text.len(),
        RawBson::Binary(binary) => binary.bytes.len(),
        _ => 16,
    }
}

#[cfg(test)]
mod tests;
