//! `explain`: how a command would be run, and what that costs.

use std::time::Instant;

use bson::raw::{RawArrayBuf, RawDocumentBuf, cstr};
use bson::rawdoc;
use fieldveil_query::sort::Sort;

use crate::aggregate::{ExplainTarget, Verbosity};
use crate::error::{Result, StoreError};
use crate::find::FindOptions;
use crate::namespace::Namespace;
use crate::plan::{Access, Plan, Statistics};
use crate::read::Read;
use crate::store::Store;

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
        let (find, top) = match target {
            ExplainTarget::Find(options) => ((**options).clone(), None),
            ExplainTarget::Count(options) => ((**options).clone().into_find(), Some("COUNT")),
            ExplainTarget::Distinct(_, options) => ((**options).clone().into_find(), None),
            ExplainTarget::Update(statement) => {
                let find = FindOptions {
                    filter: Some(statement.filter.clone()),
                    sort: statement.sort.clone(),
                    hint: statement.hint.clone(),
                    collation: statement.collation.clone(),
                    limit: u64::from(!statement.multi),
                    ..FindOptions::default()
                };
                (find, Some("UPDATE"))
            }
            ExplainTarget::Delete(statement) => {
                let find = FindOptions {
                    filter: Some(statement.filter.clone()),
                    hint: statement.hint.clone(),
                    collation: statement.collation.clone(),
                    limit: u64::from(statement.only_one),
                    ..FindOptions::default()
                };
                (find, Some("DELETE"))
            }
            ExplainTarget::FindAndModify(command) => {
                let find = FindOptions {
                    filter: Some(command.filter.clone()),
                    sort: command.sort.clone(),
                    hint: command.hint.clone(),
                    collation: command.collation.clone(),
                    limit: 1,
                    ..FindOptions::default()
                };
                (find, Some("UPDATE"))
            }
            ExplainTarget::Aggregate(..) => {
                return Err(StoreError::internal("explain of aggregate is to come"));
            }
        };
        self.explain_find(namespace, find, top, verbosity)
    }

    fn explain_find(
        &self,
        namespace: &Namespace,
        options: FindOptions,
        top: Option<&str>,
        verbosity: Verbosity,
    ) -> Result<RawDocumentBuf> {
        let read = Read::compile(self, options)?;
        let snapshot = self.snapshot();
        let data = snapshot.collection(namespace).and_then(|found| found.data());
        let plan = match data {
            Some(data) => read.plan(data)?,
            None => Plan { access: Access::Nothing, is_sorted: true },
        };
        let mut stages = stages(&read, &plan);
        if let Some(stage) = top {
            stages = rawdoc! {"stage": stage, "inputStage": stages};
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
        let (mut returned, mut statistics) = (0, Statistics::default());
        if let Some(data) = data {
            let wanted = read.skip.saturating_add(read.limit);
            let stops_early = !read.has_to_sort(&plan);
            let mut scan = read.scan(&snapshot, data, &plan)?;
            let mut matched = 0;
            while !stops_early || matched < wanted {
                match scan.next() {
                    Some(row) => row.map(|_| matched += 1)?,
                    None => break,
                }
            }
            returned = matched.min(wanted).saturating_sub(read.skip);
            statistics = scan.statistics();
        }
        let millis = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let mut executed = stages;
        executed.append(cstr!("nReturned"), number(returned));
        let mut stats = rawdoc! {
            "executionSuccess": true,
            "nReturned": number(returned),
            "executionTimeMillis": millis,
            "totalKeysExamined": count_of(statistics.keys_examined),
            "totalDocsExamined": count_of(statistics.documents_examined),
            "executionStages": executed,
        };
        if verbosity == Verbosity::AllPlansExecution {
            stats.append(cstr!("allPlansExecution"), RawArrayBuf::new());
        }
        out.append(cstr!("executionStats"), stats);
        Ok(out)
    }
}

/// The stages from the outermost to the one that reads.
fn stages(read: &Read, plan: &Plan) -> RawDocumentBuf {
    let filter = match read.filter.is_empty() {
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
    if let Some(projection) = &read.projection {
        out = rawdoc! {
            "stage": "PROJECTION_DEFAULT", "transformBy": projection.clone(), "inputStage": out,
        };
    }
    out
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn count_of(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
