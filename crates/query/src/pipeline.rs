//! Aggregation pipelines.
//!
//! Stages that either tenant looks into are parsed; the others of MongoDB's manual are known by
//! name and held as written ([`Stage::Other`]), so that they can be refused by name. A stage nobody
//! knows is error 40324.

use bson::raw::{RawArray, RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};

use crate::expression::Expression;
use crate::filter::Filter;
use crate::projection::Projection;
use crate::sort::Sort;
use crate::{FieldPath, QueryError};

mod accumulator;
mod nested;
mod parse;
mod print;
mod reach;

pub use accumulator::{Accumulator, WINDOW_ONLY};
pub use reach::Reach;

/// A sequence of stages.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pipeline {
    /// In the order documents flow through them.
    pub stages: Vec<Stage>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// `$match`
    Match(Filter),
    /// `$project`
    Project(Projection),
    /// `$addFields`, or `$set`
    AddFields {
        /// Which of the two names.
        name: &'static str,
        /// Nested documents of fields are flattened to paths.
        fields: Vec<(FieldPath, Expression)>,
    },
    /// `$unset`
    Unset(Vec<FieldPath>),
    /// `$group`
    Group(Group),
    /// `$sort`
    Sort(Sort),
    /// `$skip`
    Skip(i64),
    /// `$limit`
    Limit(i64),
    /// `$sample`
    Sample(i64),
    /// `$unwind`
    Unwind {
        /// The array.
        path: FieldPath,
        /// The field for the element's index.
        include_array_index: Option<FieldPath>,
        /// Whether documents without elements stay.
        preserve_null_and_empty: bool,
    },
    /// `$replaceRoot`, or `$replaceWith`
    ReplaceRoot {
        /// Which of the two names.
        name: &'static str,
        /// What the document becomes.
        new_root: Expression,
    },
    /// `$redact`
    Redact(Expression),
    /// `$count`: the output's field
    Count(String),
    /// `$sortByCount`
    SortByCount(Expression),
    /// `$bucket`
    Bucket {
        /// What is put into buckets.
        group_by: Expression,
        /// The lower bounds, and the last upper bound.
        boundaries: Vec<Expression>,
        /// The bucket for everything else.
        default: Option<Expression>,
        /// Fields of a bucket; `count` if not given.
        output: Option<Vec<(String, Accumulator)>>,
    },
    /// `$bucketAuto`
    BucketAuto {
        /// What is put into buckets.
        group_by: Expression,
        /// How many.
        buckets: i64,
        /// Fields of a bucket; `count` if not given.
        output: Option<Vec<(String, Accumulator)>>,
        /// A series of preferred numbers for the bounds.
        granularity: Option<String>,
    },
    /// `$facet`
    Facet(Vec<(String, Pipeline)>),
    /// `$unionWith`
    UnionWith {
        /// Whose documents follow.
        from: Option<Namespace>,
        /// Applied to them.
        pipeline: Pipeline,
    },
    /// `$lookup`
    Lookup(Lookup),
    /// `$graphLookup`
    GraphLookup(GraphLookup),
    /// `$setWindowFields`
    SetWindowFields {
        /// What documents of one partition share.
        partition_by: Option<Expression>,
        /// Order within a partition.
        sort_by: Option<Sort>,
        /// The new fields.
        output: Vec<(FieldPath, WindowFunction)>,
    },
    /// `$out`
    Out(Namespace),
    /// `$merge`
    Merge(Merge),
    /// `$documents`
    Documents(Expression),
    /// A stage of the manual that is not parsed.
    Other {
        /// With its `$`.
        name: &'static str,
        /// Its argument.
        value: RawBson,
    },
}

/// `$group`
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What documents of one group share.
    pub id: Expression,
    /// The other fields of the output.
    pub fields: Vec<(String, Accumulator)>,
}

/// A collection, in the aggregated database unless named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// `None`: the aggregated one.
    pub database: Option<String>,
    /// The name.
    pub collection: String,
}

/// `$lookup`
#[derive(Debug, Clone, PartialEq)]
pub struct Lookup {
    /// The other collection; absent where the pipeline begins with `$documents`.
    pub from: Option<Namespace>,
    /// The field for the array of found documents.
    pub as_field: FieldPath,
    /// Equality of this field with the foreign one.
    pub local_field: Option<FieldPath>,
    /// Equality of this field with the local one.
    pub foreign_field: Option<FieldPath>,
    /// Variables for the pipeline.
    pub variables: Option<Vec<(String, Expression)>>,
    /// Applied to the other collection.
    pub pipeline: Option<Pipeline>,
}

/// `$graphLookup`
#[derive(Debug, Clone, PartialEq)]
pub struct GraphLookup {
    /// The collection that is searched.
    pub from: Namespace,
    /// The first values.
    pub start_with: Expression,
    /// Where a found document has the next values.
    pub connect_from_field: FieldPath,
    /// Where documents are found by a value.
    pub connect_to_field: FieldPath,
    /// The field for the array of found documents.
    pub as_field: FieldPath,
    /// How often to go on.
    pub max_depth: Option<i64>,
    /// The field for the depth at which a document was found.
    pub depth_field: Option<FieldPath>,
    /// A filter for documents to find.
    pub restrict: Option<Filter>,
}

/// `$merge`
#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    /// The collection that is written.
    pub into: Namespace,
    /// The fields that identify a document; `_id` if not given.
    pub on: Option<Vec<FieldPath>>,
    /// Variables for the pipeline.
    pub variables: Option<Vec<(String, Expression)>>,
    /// `merge` if not given.
    pub when_matched: Option<WhenMatched>,
    /// `insert`, `discard` or `fail`; `insert` if not given.
    pub when_not_matched: Option<String>,
}

/// What `$merge` does with a document that is there.
#[derive(Debug, Clone, PartialEq)]
pub enum WhenMatched {
    /// `replace`, `keepExisting`, `merge` or `fail`
    Action(String),
    /// An update by pipeline.
    Pipeline(Pipeline),
}

/// A field of `$setWindowFields`.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowFunction {
    /// The function.
    pub function: Accumulator,
    /// The window, as written.
    pub window: Option<RawDocumentBuf>,
}

impl Pipeline {
    /// Parses an array of stages.
    ///
    /// # Errors
    /// MongoDB's, among them 40323 and 40324.
    pub fn parse(stages: &RawArray) -> Result<Self, QueryError> {
        parse::pipeline(stages, 0)
    }

    /// Prints the stages.
    pub fn to_raw(&self) -> RawArrayBuf {
        let mut array = RawArrayBuf::new();
        for stage in &self.stages {
            array.push(stage.to_raw());
        }
        array
    }
}

impl Stage {
    /// Parses one stage.
    ///
    /// # Errors
    /// MongoDB's, among them 40323 and 40324.
    pub fn parse(document: &RawDocument) -> Result<Self, QueryError> {
        parse::stage(RawBsonRef::Document(document), 0)
    }

    /// The stage's name with its `$`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Match(_) => "$match",
            Self::Project(_) => "$project",
            Self::AddFields { name, .. }
            | Self::ReplaceRoot { name, .. }
            | Self::Other { name, .. } => name,
            Self::Unset(_) => "$unset",
            Self::Group(_) => "$group",
            Self::Sort(_) => "$sort",
            Self::Skip(_) => "$skip",
            Self::Limit(_) => "$limit",
            Self::Sample(_) => "$sample",
            Self::Unwind { .. } => "$unwind",
            Self::Redact(_) => "$redact",
            Self::Count(_) => "$count",
            Self::SortByCount(_) => "$sortByCount",
            Self::Bucket { .. } => "$bucket",
            Self::BucketAuto { .. } => "$bucketAuto",
            Self::Facet(_) => "$facet",
            Self::UnionWith { .. } => "$unionWith",
            Self::Lookup(_) => "$lookup",
            Self::GraphLookup(_) => "$graphLookup",
            Self::SetWindowFields { .. } => "$setWindowFields",
            Self::Out(_) => "$out",
            Self::Merge(_) => "$merge",
            Self::Documents(_) => "$documents",
        }
    }

    /// Prints the stage.
    pub fn to_raw(&self) -> RawDocumentBuf {
        print::stage(self)
    }
}

#[cfg(test)]
mod tests;
