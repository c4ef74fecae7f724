//! `$setWindowFields`.
//!
//! Documents are sorted by partition and by the sort of the stage, on disk if they do not fit into
//! memory. Of the sorted ones a partition is looked at a time: of a large one, a part of it is on disk,
//! too.

use bson::raw::{RawBson, RawDocumentBuf};
use fieldveil_query::expression::Expression;
use fieldveil_query::pipeline::WindowFunction;
use fieldveil_query::sort::Sort;
use fieldveil_query::value::compare_with;
use fieldveil_query::{FieldPath, QueryError};

use super::packed::{self, Rows};
use super::unwind::set;
use super::{Documents, Environment, deferred};
use crate::eval::expression::Compiled;
use crate::eval::sort::Sorter;

mod bounds;
mod function;
mod partition;
mod series;

use bounds::Window;
use function::{Function, Running};
use partition::{Gathering, Partition};

/// A new field: where, what, over which documents.
struct Output {
    path: Vec<String>,
    function: Function,
    window: Window,
}

pub(super) fn set_window_fields(
    input: Documents,
    partition_by: Option<&Expression>,
    sort_by: Option<&Sort>,
    output: &[(FieldPath, WindowFunction)],
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let context = &environment.context;
    let partition_by =
        partition_by.map(|expression| Compiled::compile(expression, context)).transpose()?;
    let sort = sort_by.cloned().unwrap_or_default();
    let sorter = Sorter::compile(&sort, context)?;
    let mut outputs = Vec::with_capacity(output.len());
    for (path, function) in output {
        outputs.push(Output {
            path: path.components().map(str::to_owned).collect(),
            window: bounds::window(function.window.as_deref(), &sort)?,
            function: function::compile(&function.function, &sort, context)?,
        });
    }
    let environment = environment.clone();
    Ok(deferred(move || {
        let mut sorted = packed::sorter(&sort, environment.memory_limit, &environment)?;
        for document in input {
            let document = document?;
            let partition = match &partition_by {
                Some(expression) => expression.evaluate(&document, &environment.context)?,
                None => None,
            };
            if let Some(RawBson::Array(_)) = partition {
                return Err(QueryError::type_mismatch(
                    "An expression used to partition cannot evaluate to value of type array",
                ));
            }
            let partition = partition.unwrap_or(RawBson::Null);
            sorted.add(0, packed::pack(&partition, &document)?)?;
        }
        let rows = Rows::new(sorted.finish()?, environment.clone())?;
        Ok(Box::new(Windows { rows, environment, sorter, outputs, current: None }))
    }))
}

/// Gives documents their new fields, one partition after the other.
struct Windows {
    rows: Rows,
    environment: Environment,
    sorter: Sorter,
    outputs: Vec<Output>,
    current: Option<Current>,
}

/// The partition whose documents are being given out.
struct Current {
    rows: Partition,
    /// The next row.
    index: usize,
    /// One for each output.
    running: Vec<Running>,
}

impl Windows {
    fn next_document(&mut self) -> Result<Option<RawDocumentBuf>, QueryError> {
        loop {
            if let Some(current) = &mut self.current
                && let Some(document) =
                    current.next(&self.outputs, &self.sorter, &self.environment)?
            {
                return Ok(Some(document));
            }
            let Some(rows) = self.next_partition()? else { return Ok(None) };
            let running = self.outputs.iter().map(|_| Running::default()).collect();
            self.current = Some(Current { rows, index: 0, running });
        }
    }

    fn next_partition(&mut self) -> Result<Option<Partition>, QueryError> {
        let Some((partition, first)) = self.rows.take()? else { return Ok(None) };
        let collation = self.environment.context.collation.as_deref();
        let mut gathering = Gathering::new(&self.environment, &self.sorter);
        gathering.add(first)?;
        let belongs = |next: &RawBson| {
            compare_with(next.as_raw_bson_ref(), partition.as_raw_bson_ref(), collation).is_eq()
        };
        while let Some((_, document)) = self.rows.take_if(belongs)? {
            gathering.add(document)?;
        }
        gathering.finish().map(Some)
    }
}

impl Current {
    /// The next document with its new fields.
    fn next(
        &mut self,
        outputs: &[Output],
        sorter: &Sorter,
        environment: &Environment,
    ) -> Result<Option<RawDocumentBuf>, QueryError> {
        let Some(row) = self.rows.row(self.index)? else { return Ok(None) };
        environment.source.go_on()?;
        let mut document = row.document.clone();
        for (Output { path, function, window }, running) in outputs.iter().zip(&mut self.running) {
            let tools = (sorter, environment);
            let value = function.value(window, &self.rows, self.index, running, tools)?;
            document = set(&document, path, Some(value.as_raw_bson_ref()))?;
        }
        self.index += 1;
        Ok(Some(document))
    }
}

impl Iterator for Windows {
    type Item = Result<RawDocumentBuf, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_document().transpose()
    }
}
