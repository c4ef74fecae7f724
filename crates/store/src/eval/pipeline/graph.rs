//! `$graphLookup`.

use std::collections::BTreeMap;

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::QueryError;
use fieldveil_query::pipeline::GraphLookup;

use super::lookup::{Foreign, join_values};
use super::unwind::set;
use super::{Documents, Environment};
use crate::eval::expression::Compiled;
use crate::eval::matcher::Matcher;
use crate::eval::path::Path;

struct Search {
    stage: GraphLookup,
    start: Compiled,
    restrict: Option<Matcher>,
    from_path: Path,
    as_path: Vec<String>,
    depth_path: Option<Vec<String>>,
    environment: Environment,
    foreign: Option<Foreign>,
}

pub(super) fn graph_lookup(
    input: Documents,
    stage: &GraphLookup,
    environment: &Environment,
) -> Result<Documents, QueryError> {
    let split = |path: &fieldveil_query::FieldPath| path.components().map(str::to_owned).collect();
    let mut search = Search {
        start: Compiled::compile(&stage.start_with, &environment.context)?,
        restrict: stage
            .restrict
            .as_ref()
            .map(|filter| Matcher::compile(filter, &environment.context))
            .transpose()?,
        from_path: Path::new(stage.connect_from_field.as_str()),
        as_path: split(&stage.as_field),
        depth_path: stage.depth_field.as_ref().map(split),
        stage: stage.clone(),
        environment: environment.clone(),
        foreign: None,
    };
    Ok(Box::new(input.map(move |document| search.apply(&document?))))
}

impl Search {
    fn apply(&mut self, document: &RawDocument) -> Result<RawDocumentBuf, QueryError> {
        let foreign = match self.foreign.take() {
            Some(foreign) => foreign,
            None => Foreign::read(
                "$graphLookup",
                Some(&self.stage.from),
                Some(&self.stage.connect_to_field),
                &self.environment,
            )?,
        };
        let found = self.search(document, &foreign);
        self.foreign = Some(foreign);
        set(document, &self.as_path, Some(RawBsonRef::Array(&found?)))
    }

    /// Breadth first; a document is found once, at its least depth.
    fn search(&self, document: &RawDocument, foreign: &Foreign) -> Result<RawArrayBuf, QueryError> {
        let mut frontier = match self.start.evaluate(document, &self.environment.context)? {
            None => Vec::new(),
            Some(RawBson::Array(array)) => {
                let mut values = Vec::new();
                for item in &array {
                    values.push(RawBson::from(item?));
                }
                values
            }
            Some(value) => vec![value],
        };
        let mut depths: BTreeMap<usize, i64> = BTreeMap::new();
        let mut order = Vec::new();
        let mut depth = 0;
        while !frontier.is_empty() && self.stage.max_depth.is_none_or(|max| depth <= max) {
            let mut next = Vec::new();
            for place in foreign.find(&frontier) {
                let Some(candidate) = foreign.documents.get(place) else { continue };
                if depths.contains_key(&place) {
                    continue;
                }
                if let Some(restrict) = &self.restrict
                    && !restrict.matches(candidate)?
                {
                    continue;
                }
                depths.insert(place, depth);
                order.push(place);
                next.extend(
                    join_values(candidate, &self.from_path)?
                        .into_iter()
                        .filter(|value| !matches!(value, RawBson::Null)),
                );
            }
            frontier = next;
            depth += 1;
        }
        let mut found = RawArrayBuf::new();
        for place in order {
            let Some(document) = foreign.documents.get(place) else { continue };
            match (&self.depth_path, depths.get(&place)) {
                (Some(path), Some(depth)) => {
                    found.push(set(document, path, Some(RawBsonRef::Int64(*depth)))?);
                }
                _ => found.push(document.clone()),
            }
        }
        Ok(found)
    }
}
