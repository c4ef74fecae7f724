//! `explain`: how a command would be run, and what that costs.

use std::sync::Arc;
use std::time::Instant;

use bson::raw::{RawArrayBuf, RawBson, RawDocumentBuf, cstr};
use bson::rawdoc;
use fieldveil_query::dependencies::Dependencies;
use fieldveil_query::document::put;
use fieldveil_query::pipeline::Pipeline;
use fieldveil_query::sort::Sort;

use crate::aggregate::{AggregateOptions, Start, resolve, view_stages};
use crate::catalog::Collection;
use crate::error::Result;
use crate::find::{CountOptions, DistinctOptions, FindOptions};
use crate::namespace::Namespace;
use crate::plan::{Plan, Statistics};
use crate::read::Read;
use crate::scan::SharedInterrupt;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::write::{DeleteStatement, FindAndModify, UpdateStatement};

/// How much `explain` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// The plan.
    QueryPlanner,
    /// The plan is run and what it did is counted.
    ExecutionStats,
    /// As `ExecutionStats`, with the plans not chosen.
    AllPlansExecution,
}

/// What `explain` explains.
#[derive(Clone, Debug)]
pub enum ExplainTarget {
    /// A `find`.
    Find(Box<FindOptions>),
    /// A `count`.
    Count(Box<CountOptions>),
    /// A `distinct` of a key.
    Distinct(String, Box<DistinctOptions>),
    /// An `aggregate` with this pipeline.
    Aggregate(RawArrayBuf, Box<AggregateOptions>),
    /// An `update`; nothing is changed.
    Update(Box<UpdateStatement>),
    /// A `delete`; nothing is removed.
    Delete(Box<DeleteStatement>),
    /// A `findAndModify`; nothing is changed.
    FindAndModify(Box<FindAndModify>),
}

/// The stage above those that a count reads by.
const COUNT: &str = "COUNT";

impl ExplainTarget {
    /// What the command needs of the documents that it reads, unless that depends on a projection.
    fn needs(&self) -> Option<Dependencies> {
        match self {
            Self::Count(_) => Some(Dependencies::default()),
            Self::Distinct(key, _) => Some(Dependencies::of_path(key)),
            _ => None,
        }
    }

    /// The `find` that does the reading, and the name of the stage above it.
    fn to_find(&self) -> Option<(FindOptions, Option<&'static str>)> {
        let none = FindOptions::default;
        Some(match self {
            Self::Find(options) => ((**options).clone(), None),
            Self::Count(options) => ((**options).clone().into_find(), Some(COUNT)),
            Self::Distinct(_, options) => ((**options).clone().into_find(), None),
            Self::Aggregate(..) => return None,
            Self::Update(statement) => {
                let find = FindOptions {
                    filter: Some(statement.filter.clone()),
                    sort: statement.sort.clone(),
                    hint: statement.hint.clone(),
                    collation: statement.collation.clone(),
                    limit: u64::from(!statement.multi),
                    ..none()
                };
                (find, Some("UPDATE"))
            }
            Self::Delete(statement) => {
                let find = FindOptions {
                    filter: Some(statement.filter.clone()),
                    hint: statement.hint.clone(),
                    collation: statement.collation.clone(),
                    limit: u64::from(statement.only_one),
                    ..none()
                };
                (find, Some("DELETE"))
            }
            Self::FindAndModify(command) => {
                let find = FindOptions {
                    filter: Some(command.filter.clone()),
                    sort: command.sort.clone(),
                    hint: command.hint.clone(),
                    collation: command.collation.clone(),
                    limit: 1,
                    ..none()
                };
                (find, Some("UPDATE"))
            }
        })
    }
}

impl Store {
    /// Tells how a command would be run: the reply of `explain` without the server's own fields.
    /// Nothing is changed.
    ///
    /// # Errors
    /// As of the command that is explained.
    pub fn explain(
        &self,
        namespace: &Namespace,
        target: &ExplainTarget,
        verbosity: Verbosity,
    ) -> Result<RawDocumentBuf> {
        let snapshot = self.snapshot();
        let collection = snapshot.collection(namespace);
        let is_view = collection.is_some_and(|found| found.data().is_none());
        match (target, target.to_find()) {
            (ExplainTarget::Aggregate(pipeline, options), _) => {
                self.explain_pipeline(&snapshot, namespace, pipeline, options, verbosity)
            }
            (_, Some((find, _))) if is_view => {
                let (pipeline, options) = view_stages(find);
                self.explain_pipeline(&snapshot, namespace, &pipeline, &options, verbosity)
            }
            (_, Some((mut find, top))) => {
                snapshot.inherit_collation(namespace, &mut find.collation);
                let mut read = Read::compile(self, find)?;
                read.needs = target.needs().or(read.needs);
                explain_read(&snapshot, namespace, &read, top, verbosity)
            }
            (_, None) => Ok(RawDocumentBuf::new()),
        }
    }

    fn explain_pipeline(
        &self,
        snapshot: &Arc<Snapshot>,
        namespace: &Namespace,
        pipeline: &bson::RawArray,
        options: &AggregateOptions,
        verbosity: Verbosity,
    ) -> Result<RawDocumentBuf> {
        let pipeline = Pipeline::parse(pipeline)?;
        let mut collation = options.collation.clone();
        snapshot.inherit_collation(namespace, &mut collation);
        let (namespace, pipeline) = resolve(snapshot, namespace, pipeline)?;
        let (start, rest) = Start::split(pipeline);
        let interrupt = SharedInterrupt::new(options.interrupt.clone());
        let variables = options.let_variables.as_deref();
        let context = self.context(variables, collation.as_deref(), &interrupt)?;
        let budget = self.sort_budget(options.allow_disk_use);
        let read = Read::for_pipeline(budget, context, start, options.hint.clone(), interrupt)?;
        let explained = explain_read(snapshot, &namespace, &read, None, verbosity)?;
        if rest.stages.is_empty() {
            return Ok(explained);
        }
        let mut stages = RawArrayBuf::new();
        stages.push(rawdoc! {"$cursor": explained});
        for stage in rest.stages {
            stages.push(stage.to_raw());
        }
        Ok(rawdoc! {"explainVersion": "1", "stages": stages})
    }
}

fn explain_read(
    snapshot: &Arc<Snapshot>,
    namespace: &Namespace,
    read: &Read,
    top: Option<&str>,
    verbosity: Verbosity,
) -> Result<RawDocumentBuf> {
    let data = snapshot.collection(namespace).and_then(|found| Collection::data(found));
    let plan = match data {
        Some(data) => read.plan(data)?,
        None => Plan::nothing(),
    };
    let mut stages = stages(read, &plan);
    if let Some(stage) = top {
        let count_scan = if stage == COUNT { plan.count_scan() } else { None };
        let input = count_scan.unwrap_or(stages);
        stages = rawdoc! {"stage": stage, "inputStage": input};
    }
    let mut out = rawdoc! {
        "explainVersion": "1",
        "queryPlanner": {
            "namespace": namespace.as_str(),
            "parsedQuery": read.selector.filter().to_raw(),
            "indexFilterSet": false,
            "maxIndexedOrSolutionsReached": false,
            "maxIndexedAndSolutionsReached": false,
            "maxScansToExplodeReached": false,
            "winningPlan": stages.clone(),
            "rejectedPlans": RawArrayBuf::new(),
        },
    };
    if verbosity == Verbosity::QueryPlanner {
        return Ok(out);
    }
    let started = Instant::now();
    let (returned, statistics) = match data {
        Some(data) => {
            let wanted = read.skip.saturating_add(read.limit);
            let stops_early = !read.has_to_sort(&plan);
            let mut scan = read.scan(snapshot, data, &plan)?;
            let mut matched = 0;
            while !stops_early || matched < wanted {
                match scan.next() {
                    Some(row) => row.map(|_| matched += 1)?,
                    None => break,
                }
            }
            (matched.min(wanted).saturating_sub(read.skip), scan.statistics())
        }
        None => (0, Statistics::default()),
    };
    stages.append(cstr!("nReturned"), number(returned));
    let mut stats = rawdoc! {
        "executionSuccess": true,
        "nReturned": number(returned),
        "executionTimeMillis": number(started.elapsed().as_millis()),
        "totalKeysExamined": number(statistics.keys_examined),
        "totalDocsExamined": number(statistics.documents_examined),
        "executionStages": stages,
    };
    if verbosity == Verbosity::AllPlansExecution {
        stats.append(cstr!("allPlansExecution"), RawArrayBuf::new());
    }
    out.append(cstr!("executionStats"), stats);
    Ok(out)
}

/// The stages from the outermost to the one that reads.
fn stages(read: &Read, plan: &Plan) -> RawDocumentBuf {
    // What the bounds say already is not said again.
    let filter = match plan.is_exact {
        true => RawDocumentBuf::new(),
        false => read.selector.filter().to_raw(),
    };
    let mut out = plan.access.to_document(&filter);
    let sort_pattern = read.sort.as_ref().map(Sort::to_raw);
    if let Some(pattern) = sort_pattern.filter(|_| read.has_to_sort(plan)) {
        out = rawdoc! {"stage": "SORT", "sortPattern": pattern, "inputStage": out};
    }
    if read.skip > 0 {
        out = rawdoc! {"stage": "SKIP", "skipAmount": number(read.skip), "inputStage": out};
    }
    if read.limit < usize::MAX {
        out = rawdoc! {"stage": "LIMIT", "limitAmount": number(read.limit), "inputStage": out};
    }
    if let Some((stage, projection)) = projection_stage(read, plan) {
        out = rawdoc! {"stage": stage, "transformBy": projection, "inputStage": out};
    }
    out
}

/// The name of the stage that projects, and the projection: the command's, or what the stages of a
/// pipeline look at.
fn projection_stage(read: &Read, plan: &Plan) -> Option<(&'static str, RawDocumentBuf)> {
    if let Some(projection) = &read.projection {
        return Some((read.projector.stage(plan.is_covered())?, projection.clone()));
    }
    let needs = read.needs.as_ref().filter(|_| plan.is_covered())?;
    let mut projection = RawDocumentBuf::new();
    for path in &needs.paths {
        put(&mut projection, path.as_str(), 1);
    }
    if projection.is_empty() {
        return None;
    }
    if !needs.paths.iter().any(|path| path.as_str() == "_id") {
        put(&mut projection, "_id", 0);
    }
    Some(("PROJECTION_COVERED", projection))
}

/// A count as MongoDB writes it: in 32 bits where they suffice.
fn number(count: impl TryInto<i64>) -> RawBson {
    let count = count.try_into().unwrap_or(i64::MAX);
    i32::try_from(count).map_or(RawBson::Int64(count), RawBson::Int32)
}
