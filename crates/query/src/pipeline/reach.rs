//! Which collections a pipeline reads and writes beside the one it runs on.

use super::{Lookup, Namespace, Pipeline, Stage};
use crate::QueryError;

/// A collection that a stage names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Its documents, or those of the view, flow into the pipeline.
    Reads(&'a Namespace),
    /// The pipeline's documents go into it.
    Writes(&'a Namespace),
}

/// Stages that are not parsed and name no collection.
const NAMELESS: &[&str] = &[
    "$collStats",
    "$currentOp",
    "$densify",
    "$fill",
    "$indexStats",
    "$listLocalSessions",
    "$planCacheStats",
];

impl Pipeline {
    /// The collections that stages name, those of pipelines inside of stages too. What the pipeline
    /// runs on, and what a view stands for, is not among them.
    ///
    /// # Errors
    /// `NotImplemented` for a stage that is not parsed and may name one.
    pub fn reaches(&self) -> Result<Vec<Reach<'_>>, QueryError> {
        self.all_stages().into_iter().filter_map(|stage| stage.reach().transpose()).collect()
    }
}

impl Stage {
    /// The collection that the stage names itself. Every stage is listed, so that a new one is not
    /// forgotten.
    fn reach(&self) -> Result<Option<Reach<'_>>, QueryError> {
        match self {
            Self::Match(_)
            | Self::Project(_)
            | Self::AddFields { .. }
            | Self::Unset(_)
            | Self::Group(_)
            | Self::Sort(_)
            | Self::Skip(_)
            | Self::Limit(_)
            | Self::Sample(_)
            | Self::Unwind { .. }
            | Self::ReplaceRoot { .. }
            | Self::Redact(_)
            | Self::Count(_)
            | Self::SortByCount(_)
            | Self::Bucket { .. }
            | Self::BucketAuto { .. }
            | Self::SetWindowFields { .. }
            | Self::Facet(_)
            | Self::Documents(_) => Ok(None),
            Self::UnionWith { from, .. } | Self::Lookup(Lookup { from, .. }) => {
                Ok(from.as_ref().map(Reach::Reads))
            }
            Self::GraphLookup(lookup) => Ok(Some(Reach::Reads(&lookup.from))),
            Self::Out(target) => Ok(Some(Reach::Writes(target))),
            Self::Merge(merge) => Ok(Some(Reach::Writes(&merge.into))),
            Self::Other { name, .. } if NAMELESS.contains(name) => Ok(None),
            Self::Other { name, .. } => Err(QueryError::not_supported(format!("the stage {name}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, rawdoc};

    use super::*;

    /// The names that `stage` reads, and those that it writes with a `>` before them.
    fn reaches(stage: RawDocumentBuf) -> Result<Vec<String>, i32> {
        let pipeline = Pipeline { stages: vec![Stage::parse(&stage).unwrap()] };
        let reaches = pipeline.reaches().map_err(|error| error.code())?;
        let shown = |namespace: &Namespace| match &namespace.database {
            Some(database) => format!("{database}.{}", namespace.collection),
            None => namespace.collection.clone(),
        };
        let named = |reach: Reach<'_>| match reach {
            Reach::Reads(namespace) => shown(namespace),
            Reach::Writes(namespace) => format!(">{}", shown(namespace)),
        };
        Ok(reaches.into_iter().map(named).collect())
    }

    #[test]
    fn every_place_that_names_a_collection_is_found() {
        let graph = rawdoc! {
            "from": "a", "startWith": "$x", "connectFromField": "x", "connectToField": "y",
            "as": "z", "restrictSearchWithMatch": { "from": "b" },
        };
        let join = rawdoc! { "from": "a", "localField": "x", "foreignField": "y", "as": "z" };
        for (stage, names) in [
            (rawdoc! { "$lookup": join.clone() }, &["a"][..]),
            (
                rawdoc! { "$lookup": { "from": { "db": "d", "coll": "a" }, "pipeline": [
                    { "$lookup": join.clone() },
                ], "as": "z" } },
                &["d.a", "a"],
            ),
            (rawdoc! { "$graphLookup": graph }, &["a"]),
            (rawdoc! { "$unionWith": "a" }, &["a"]),
            (
                rawdoc! { "$unionWith": { "coll": "a", "pipeline": [
                    { "$unionWith": { "coll": "b", "pipeline": [{ "$lookup": join.clone() }] } },
                ] } },
                &["a", "b", "a"],
            ),
            (
                rawdoc! { "$facet": { "x": [{ "$match": {} }], "y": [
                    { "$unionWith": { "coll": "b", "pipeline": [{ "$lookup": join.clone() }] } },
                ] } },
                &["b", "a"],
            ),
            (
                rawdoc! { "$lookup": { "pipeline": [
                    { "$documents": [{ "x": 1 }] }, { "$facet": { "y": [{ "$unionWith": "b" }] } },
                ], "as": "z" } },
                &["b"],
            ),
            (rawdoc! { "$out": "a" }, &[">a"]),
            (rawdoc! { "$out": { "db": "d", "coll": "a" } }, &[">d.a"]),
            (rawdoc! { "$merge": "a" }, &[">a"]),
            (
                rawdoc! { "$merge": { "into": { "db": "d", "coll": "a" }, "whenMatched": [
                    { "$lookup": join },
                ] } },
                &[">d.a", "a"],
            ),
        ] {
            assert_eq!(reaches(stage.clone()).unwrap(), names, "{stage:?}");
        }
    }

    #[test]
    fn a_value_is_no_name() {
        for stage in [
            rawdoc! { "$match": { "from": "a", "$expr": { "$eq": ["$x", "a"] } } },
            rawdoc! { "$addFields": { "lookup": { "$literal": { "$lookup": { "from": "a" } } } } },
            rawdoc! { "$documents": [{ "x": { "$literal": { "$unionWith": "a" } } }] },
            rawdoc! { "$fill": { "output": { "x": { "value": "a" } } } },
        ] {
            assert_eq!(reaches(stage.clone()), Ok(Vec::new()), "{stage:?}");
        }
    }

    #[test]
    fn a_stage_that_is_not_understood_is_refused() {
        for name in ["$rankFusion", "$geoNear", "$listSessions"] {
            let mut stage = RawDocumentBuf::new();
            stage.append(bson::raw::CString::try_from(name).unwrap(), rawdoc! {});
            assert_eq!(reaches(stage), Err(238), "{name}");
        }
        let nested =
            rawdoc! { "$unionWith": { "coll": "a", "pipeline": [{ "$scoreFusion": {} }] } };
        assert_eq!(reaches(nested), Err(238));
    }
}
