//! Which fields of a document are looked at: what an answer needs of it, and no more.

use std::collections::BTreeSet;

use crate::FieldPath;
use crate::expression::Expression;
use crate::filter::Filter;
use crate::pipeline::{Accumulator, Group, Stage};
use crate::projection::{Mode, Projection, Rule};
use crate::sort::{Sort, SortOrder};

/// Paths that are looked at. Where that cannot be told, because the whole document may be, the
/// functions here answer `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// The paths as written.
    pub paths: BTreeSet<FieldPath>,
}

impl Dependencies {
    /// One path.
    pub fn of_path(path: &str) -> Self {
        Self { paths: BTreeSet::from([FieldPath::new(path)]) }
    }

    /// What a projection leaves of a document.
    pub fn of_projection(projection: &Projection) -> Option<Self> {
        let mut found = Self::default();
        found.add_projection(projection)?;
        Some(found)
    }

    /// What a pipeline looks at, if one of its stages makes new documents of the given ones.
    pub fn of_stages(stages: &[Stage]) -> Option<Self> {
        let mut found = Self::default();
        for stage in stages {
            match stage {
                Stage::Limit(_) | Stage::Skip(_) => {}
                Stage::Match(filter) => found.add_filter(filter)?,
                Stage::Sort(sort) => found.add_sort(sort)?,
                Stage::Project(projection) => {
                    found.add_projection(projection)?;
                    return Some(found);
                }
                Stage::Group(group) => {
                    found.add_group(group)?;
                    return Some(found);
                }
                Stage::SortByCount(expression) => {
                    found.add_expression(expression)?;
                    return Some(found);
                }
                Stage::Count(_) => return Some(found),
                _ => return None,
            }
        }
        None
    }

    /// Adds what a filter looks at.
    #[must_use = "`None` says that it may be anything"]
    pub fn add_filter(&mut self, filter: &Filter) -> Option<()> {
        match filter {
            Filter::And(parts) | Filter::Or(parts) | Filter::Nor(parts) => {
                parts.iter().try_for_each(|part| self.add_filter(part))
            }
            Filter::Field { path, .. } => {
                self.paths.insert(path.clone());
                Some(())
            }
            Filter::Expr(expression) => self.add_expression(expression),
            Filter::JsonSchema(_) | Filter::Text(_) | Filter::Where(_) => None,
            Filter::Comment(_)
            | Filter::AlwaysTrue
            | Filter::AlwaysFalse
            | Filter::SampleRate(_) => Some(()),
        }
    }

    /// Adds what a sort looks at.
    #[must_use = "`None` says that it may be anything"]
    pub fn add_sort(&mut self, sort: &Sort) -> Option<()> {
        for key in &sort.keys {
            if matches!(key.order, SortOrder::Meta(_)) {
                return None;
            }
            self.paths.insert(key.path.clone());
        }
        Some(())
    }

    fn add_projection(&mut self, projection: &Projection) -> Option<()> {
        if projection.mode != Mode::Inclusion {
            return None;
        }
        let id = FieldPath::new("_id");
        if projection.fields.iter().all(|field| field.path != id) {
            self.paths.insert(id);
        }
        for field in &projection.fields {
            match &field.rule {
                Rule::Include => drop(self.paths.insert(field.path.clone())),
                Rule::Exclude => {}
                // Further in, it depends on what is there.
                Rule::Computed(_) if field.path.components().count() > 1 => return None,
                Rule::Computed(expression) => self.add_expression(expression)?,
                Rule::Slice { .. } | Rule::ElemMatch(_) | Rule::Positional | Rule::Meta(_) => {
                    return None;
                }
            }
        }
        Some(())
    }

    fn add_group(&mut self, group: &Group) -> Option<()> {
        self.add_expression(&group.id)?;
        group.fields.iter().try_for_each(|(_, accumulator)| self.add_accumulator(accumulator))
    }

    /// Others name fields in their arguments, as `$topN` does in `sortBy`.
    fn add_accumulator(&mut self, accumulator: &Accumulator) -> Option<()> {
        const PLAIN: [&str; 9] =
            ["$sum", "$avg", "$min", "$max", "$first", "$last", "$push", "$addToSet", "$count"];
        if !PLAIN.contains(&accumulator.operator) {
            return None;
        }
        self.add_expression(&accumulator.argument)
    }

    fn add_expression(&mut self, expression: &Expression) -> Option<()> {
        match expression {
            Expression::Field(path) => {
                self.paths.insert(path.clone());
                return Some(());
            }
            Expression::Variable { name, .. } if matches!(name.as_str(), "ROOT" | "CURRENT") => {
                return None;
            }
            // They look at the document without naming it.
            Expression::Call(call) if matches!(call.operator, "$getField" | "$meta") => {
                return None;
            }
            _ => {}
        }
        expression.children().into_iter().try_for_each(|child| self.add_expression(child))
    }
}

#[cfg(test)]
mod tests {
    use bson::raw::RawArrayBuf;
    use bson::{RawDocumentBuf, rawdoc};

    use super::*;
    use crate::pipeline::Pipeline;

    fn paths(found: Option<Dependencies>) -> Option<Vec<String>> {
        found.map(|found| found.paths.iter().map(ToString::to_string).collect())
    }

    fn of_find(projection: &RawDocumentBuf) -> Option<Vec<String>> {
        paths(Dependencies::of_projection(&Projection::parse_find(projection).unwrap()))
    }

    fn of_pipeline<const N: usize>(stages: [RawDocumentBuf; N]) -> Option<Vec<String>> {
        let stages: RawArrayBuf = stages.into_iter().collect();
        paths(Dependencies::of_stages(&Pipeline::parse(&stages).unwrap().stages))
    }

    fn some(paths: &[&str]) -> Option<Vec<String>> {
        Some(paths.iter().map(|path| (*path).to_owned()).collect())
    }

    #[test]
    fn inclusions_name_what_they_need() {
        assert_eq!(of_find(&rawdoc! {"a": 1, "b.c": 1}), some(&["_id", "a", "b.c"]));
        assert_eq!(of_find(&rawdoc! {"a": 1, "_id": 0}), some(&["a"]));
        assert_eq!(
            of_find(&rawdoc! {"x": {"$add": ["$a", {"$ifNull": ["$b", 1]}]}, "_id": 0}),
            some(&["a", "b"])
        );
        for whole in [
            rawdoc! {"a": 0},
            rawdoc! {"x": "$$ROOT"},
            rawdoc! {"x": "$$CURRENT.a"},
            rawdoc! {"x": {"$getField": "a"}},
            rawdoc! {"x.y": {"$add": [1, 1]}},
            rawdoc! {"a": {"$slice": 1}, "_id": 1},
            rawdoc! {"a": {"$elemMatch": {"b": 1}}},
        ] {
            assert_eq!(of_find(&whole), None, "{whole:?}");
        }
    }

    #[test]
    fn pipelines_need_what_their_first_stages_do() {
        let count = rawdoc! {"$group": {"_id": 1, "n": {"$sum": 1}}};
        assert_eq!(of_pipeline([count.clone()]), some(&[]));
        let filter = rawdoc! {"$match": {"$or": [{"a": 1}, {"$expr": {"$gt": ["$b", 1]}}]}};
        assert_eq!(of_pipeline([filter, rawdoc! {"$limit": 5}, count]), some(&["a", "b"]));
        let group = rawdoc! {"$group": {"_id": "$a.b", "c": {"$max": "$c"}}};
        assert_eq!(of_pipeline([rawdoc! {"$sort": {"d": 1}}, group]), some(&["a.b", "c", "d"]));
        for whole in [
            rawdoc! {"$match": {"a": 1}},
            rawdoc! {"$unwind": "$a"},
            rawdoc! {"$group": {"_id": 1, "n": {"$push": "$$ROOT"}}},
            rawdoc! {"$group": {
                "_id": 1, "n": {"$topN": {"n": 1, "sortBy": {"a": 1}, "output": "$b"}}
            }},
        ] {
            assert_eq!(of_pipeline([whole.clone()]), None, "{whole:?}");
        }
    }
}
