//! Aggregation: pipelines over collections, views, or nothing.
//!
//! What a pipeline begins with (`$match`, then `$sort`) is left to the planner; the rest runs in
//! [`crate::eval::pipeline`], which reaches other collections through [`source`].

use std::sync::Arc;

use bson::raw::{RawArray, RawArrayBuf, RawBson, RawDocumentBuf};
use fieldveil_query::dependencies::Dependencies;
use fieldveil_query::filter::Filter;
use fieldveil_query::pipeline::{Pipeline, Stage};
use fieldveil_query::sort::Sort;

use crate::catalog::Kind;
use crate::code::Code;
use crate::cursor::Cursor;
use crate::environment::Interrupt;
use crate::error::{Result, StoreError};
use crate::eval::pipeline::{self, Documents, Environment};
use crate::find::FindOptions;
use crate::namespace::{Namespace, check_database};
use crate::plan::Plan;
use crate::read::Read;
use crate::scan::{Scan, SharedInterrupt};
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::transaction::VIEW_DEPTH_MAX;

mod source;

use source::StoreSource;

/// An `aggregate` command.
#[derive(Clone, Debug, Default)]
pub struct AggregateOptions {
    /// An index by name or key.
    pub hint: Option<RawBson>,
    /// The command's `let`.
    pub let_variables: Option<RawDocumentBuf>,
    /// How strings compare; without, as the collection says, and else by bytes.
    pub collation: Option<RawDocumentBuf>,
    /// Whether a sort may use temporary files; without, it may.
    pub allow_disk_use: Option<bool>,
    /// Whether validators are left out of `$out` and `$merge`.
    pub bypass_document_validation: bool,
    /// When to give up.
    pub interrupt: Interrupt,
    /// What a first stage `$collStats` tells of the time that commands on the collection took.
    pub latency_stats: Option<RawDocumentBuf>,
}

impl Store {
    /// Runs a pipeline on a collection or view of `database`, or on none (`aggregate: 1`).
    /// `$out` and `$merge` have done their work when this returns.
    ///
    /// # Errors
    /// MongoDB's for a bad pipeline; those of evaluation may come from the cursor.
    pub fn aggregate(
        &self,
        database: &str,
        collection: Option<&str>,
        pipeline: &RawArray,
        options: AggregateOptions,
    ) -> Result<Cursor> {
        check_database(database)?;
        let pipeline = Pipeline::parse(pipeline)?;
        let writes = matches!(pipeline.stages.last(), Some(Stage::Out(_) | Stage::Merge(_)));
        let interrupt = SharedInterrupt::new(options.interrupt.clone());
        let run = Run::new(self, database, collection, &options, &interrupt)?;
        let cursor = match collection {
            Some(name) => run.cursor(&Namespace::new(database, name)?, pipeline, options.hint)?,
            None => run.cursor_of(run.without_collection(&pipeline)?),
        };
        if !writes {
            return Ok(cursor);
        }
        for document in cursor {
            document?;
        }
        Ok(Cursor::empty())
    }

    /// A `find` on a view.
    pub(crate) fn find_on_view(
        &self,
        namespace: &Namespace,
        options: FindOptions,
    ) -> Result<Cursor> {
        let (stages, options) = view_stages(options);
        self.aggregate(namespace.database(), Some(namespace.collection()), &stages, options)
    }
}

/// The parts of a `find` as stages that come after a view's pipeline.
pub(crate) fn view_stages(options: FindOptions) -> (RawArrayBuf, AggregateOptions) {
    let mut stages = RawArrayBuf::new();
    let mut push = |stage: RawDocumentBuf| stages.push(stage);
    if let Some(filter) = options.filter.filter(|filter| !filter.is_empty()) {
        push(bson::rawdoc! {"$match": filter});
    }
    if let Some(sort) = options.sort.filter(|sort| !sort.is_empty()) {
        push(bson::rawdoc! {"$sort": sort});
    }
    if options.skip > 0 {
        push(bson::rawdoc! {"$skip": i64::try_from(options.skip).unwrap_or(i64::MAX)});
    }
    if options.limit > 0 {
        push(bson::rawdoc! {"$limit": i64::try_from(options.limit).unwrap_or(i64::MAX)});
    }
    if let Some(projection) = options.projection.filter(|projection| !projection.is_empty()) {
        push(bson::rawdoc! {"$project": projection});
    }
    let options = AggregateOptions {
        hint: options.hint,
        let_variables: options.let_variables,
        collation: options.collation,
        allow_disk_use: options.allow_disk_use,
        bypass_document_validation: false,
        interrupt: options.interrupt,
        latency_stats: None,
    };
    (stages, options)
}

/// What the pipelines of one command share.
#[derive(Clone)]
pub(crate) struct Run {
    snapshot: Arc<Snapshot>,
    environment: Environment,
    interrupt: SharedInterrupt,
}

impl Run {
    fn new(
        store: &Store,
        database: &str,
        collection: Option<&str>,
        options: &AggregateOptions,
        interrupt: &SharedInterrupt,
    ) -> Result<Self> {
        let snapshot = store.snapshot();
        let mut collation = options.collation.clone();
        if let Some(collection) = collection {
            snapshot.inherit_collation(&Namespace::new(database, collection)?, &mut collation);
        }
        let variables = options.let_variables.as_deref();
        let context = store.context(variables, collation.as_deref(), interrupt)?;
        let budget = store.sort_budget(options.allow_disk_use);
        let source = StoreSource {
            store: store.clone(),
            snapshot: Arc::clone(&snapshot),
            context: context.clone(),
            budget: budget.clone(),
            database: database.to_owned(),
            collection: collection.map(str::to_owned),
            bypass_document_validation: options.bypass_document_validation,
            interrupt: interrupt.clone(),
            latency_stats: options.latency_stats.clone(),
        };
        let environment = Environment {
            context,
            source: Arc::new(source),
            memory_limit: budget.memory_bytes,
            spill: budget.spill,
        };
        Ok(Self { snapshot, environment, interrupt: interrupt.clone() })
    }

    /// Runs a pipeline that brings its own documents.
    fn without_collection(&self, pipeline: &Pipeline) -> Result<Documents> {
        let brings_own =
            matches!(pipeline.stages.first(), Some(Stage::Documents(_) | Stage::Other { .. }));
        if !brings_own {
            return Err(StoreError::new(
                Code::INVALID_NAMESPACE,
                "{aggregate: 1} is not valid for a pipeline that begins with this stage; name a \
                 collection",
            ));
        }
        Ok(pipeline::run(pipeline, Box::new(std::iter::empty()), &self.environment)?)
    }

    /// Runs a pipeline on a collection or view.
    fn on(
        &self,
        namespace: &Namespace,
        pipeline: Pipeline,
        hint: Option<RawBson>,
    ) -> Result<Documents> {
        let (input, rest) = self.read(namespace, pipeline, hint)?;
        self.through(&rest, input)
    }

    /// As [`Self::on`]. What the planner does alone is looked at where it is stored.
    fn cursor(
        &self,
        namespace: &Namespace,
        pipeline: Pipeline,
        hint: Option<RawBson>,
    ) -> Result<Cursor> {
        match self.read(namespace, pipeline, hint)? {
            (Some(input), rest) if rest.stages.is_empty() => {
                input.read.cursor(&input.plan, input.scan)
            }
            (input, rest) => Ok(self.cursor_of(self.through(&rest, input)?)),
        }
    }

    fn cursor_of(&self, documents: Documents) -> Cursor {
        let documents = documents.map(|item| item.map_err(StoreError::from));
        Cursor::new(self.interrupt.clone(), documents)
    }

    /// What a pipeline begins with, unless there is no collection, and the stages after that.
    fn read(
        &self,
        namespace: &Namespace,
        pipeline: Pipeline,
        hint: Option<RawBson>,
    ) -> Result<(Option<Input>, Pipeline)> {
        let (namespace, pipeline) = resolve(&self.snapshot, namespace, pipeline)?;
        let (start, rest) = Start::split(pipeline);
        let context = self.environment.context.clone();
        let budget = self.environment.sort_budget();
        let read = Read::for_pipeline(budget, context, start, hint, self.interrupt.clone())?;
        let collection = self.snapshot.collection(&namespace).and_then(|found| found.data());
        let Some(data) = collection else { return Ok((None, rest)) };
        let plan = read.plan(data)?;
        let scan = read.scan(&self.snapshot, data, &plan)?;
        Ok((Some(Input { read, plan, scan }), rest))
    }

    fn through(&self, stages: &Pipeline, input: Option<Input>) -> Result<Documents> {
        let documents: Documents = match input {
            Some(Input { read, plan, scan }) => {
                Box::new(read.finish(&plan, scan)?.map(|item| item.map_err(Into::into)))
            }
            None => Box::new(std::iter::empty()),
        };
        Ok(pipeline::run(stages, documents, &self.environment)?)
    }
}

/// A read that a pipeline begins with.
struct Input {
    read: Read,
    plan: Plan,
    scan: Scan,
}

/// What of a pipeline is left to the planner.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) filter: Filter,
    pub(crate) sort: Option<Sort>,
    /// What the stages after those look at, if that is known.
    pub(crate) needs: Option<Dependencies>,
    /// How many documents are wanted of those in order, if that is known.
    pub(crate) limit: Option<usize>,
}

impl Start {
    /// Takes the stages that the planner does off the beginning of a pipeline.
    pub(crate) fn split(pipeline: Pipeline) -> (Self, Pipeline) {
        let mut stages = pipeline.stages.into_iter().peekable();
        let mut filters = Vec::new();
        while let Some(Stage::Match(filter)) =
            stages.next_if(|stage| matches!(stage, Stage::Match(_)))
        {
            filters.push(filter);
        }
        let filter = match filters.len() {
            1 => filters.pop().unwrap_or_else(Filter::all),
            _ => Filter::And(filters),
        };
        let sort = match stages.next_if(|stage| matches!(stage, Stage::Sort(_))) {
            Some(Stage::Sort(sort)) => Some(sort),
            _ => None,
        };
        let limit = match stages.peek() {
            Some(Stage::Limit(limit)) => usize::try_from(*limit).ok(),
            _ => None,
        };
        let rest = Pipeline { stages: stages.collect() };
        let needs = Dependencies::of_stages(&rest.stages);
        (Self { filter, sort, needs, limit }, rest)
    }
}

/// Follows views down to a collection; their pipelines come before the given one.
pub(crate) fn resolve(
    snapshot: &Snapshot,
    namespace: &Namespace,
    pipeline: Pipeline,
) -> Result<(Namespace, Pipeline)> {
    let (mut namespace, mut pipeline) = (namespace.clone(), pipeline);
    for _ in 0..VIEW_DEPTH_MAX {
        let Some(Kind::View(view)) = snapshot.collection(&namespace).map(|found| &found.kind)
        else {
            return Ok((namespace, pipeline));
        };
        let mut stages = Pipeline::parse(&view.pipeline)?.stages;
        stages.append(&mut pipeline.stages);
        pipeline.stages = stages;
        namespace = Namespace::new(namespace.database(), &view.view_on)?;
    }
    Err(StoreError::new(
        Code::VIEW_DEPTH_LIMIT_EXCEEDED,
        format!("View depth limit exceeded; maximum depth is {VIEW_DEPTH_MAX}"),
    ))
}

#[cfg(test)]
mod tests;
