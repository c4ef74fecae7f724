//! Projections, and the fields that `$addFields` adds.
//!
//! The paths of a projection become a tree that is walked with the document. Fields that are kept
//! stay in the document's order; computed ones follow in the order written, or take the place of the
//! field they replace where everything else is kept.

use std::collections::HashMap;

use bson::raw::{RawArrayBuf, RawBson, RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::document::{append, single};
use fieldveil_query::expression::Expression;
use fieldveil_query::filter::{ElemMatch, Filter, Predicate};
use fieldveil_query::projection::{Mode, Projection, Rule};
use fieldveil_query::value::Number;
use fieldveil_query::{FieldPath, QueryError};

use super::Context;
use super::expression::Compiled;
use super::matcher::Matcher;

/// A projection ready to be applied.
pub struct Projector {
    root: Branch,
    /// What happens to fields without a rule.
    keeps_others: bool,
    context: Context,
}

#[derive(Default)]
struct Branch {
    children: Vec<(String, Node)>,
    /// Where each child is.
    places: HashMap<String, usize>,
    computes: bool,
}

enum Node {
    Branch(Branch),
    Include,
    Exclude,
    Computed(Compiled),
    Slice {
        skip: Option<i64>,
        limit: i64,
    },
    /// Elements are wrapped as the field `a`.
    ElemMatch(Matcher),
    Positional,
}

/// What a walk needs besides the tree.
struct Walk<'a> {
    root: &'a RawDocument,
    position: Option<usize>,
    /// Whether an array further out has been cut to the element already.
    is_cut: bool,
    keeps_others: bool,
    context: &'a Context,
}

impl Projector {
    /// Compiles a projection.
    ///
    /// # Errors
    /// Those of compiling its expressions and filters; `$meta` is not supported.
    pub fn compile(projection: &Projection, context: &Context) -> Result<Self, QueryError> {
        let mut root = Branch::default();
        for field in &projection.fields {
            let node = match &field.rule {
                Rule::Include => Node::Include,
                Rule::Exclude => Node::Exclude,
                Rule::Computed(expression) => {
                    Node::Computed(Compiled::compile(expression, context)?)
                }
                Rule::Slice { skip, limit } => Node::Slice { skip: *skip, limit: *limit },
                Rule::ElemMatch(inner) => {
                    if field.path.tail().is_some() {
                        return Err(QueryError::new(
                            31275,
                            "Cannot use $elemMatch projection on a nested field.",
                        ));
                    }
                    Node::ElemMatch(element_matcher(inner, context)?)
                }
                Rule::Positional => Node::Positional,
                Rule::Meta(what) => {
                    return Err(QueryError::not_supported(format!("{{$meta: '{what}'}}")));
                }
            };
            root.add(&field.path, node);
        }
        let keeps_others = projection.mode == Mode::Exclusion;
        if !keeps_others && root.place("_id").is_none() {
            root.push("_id", Node::Include);
        }
        Ok(Self { root, keeps_others, context: context.clone() })
    }

    /// Compiles the fields of `$addFields`.
    ///
    /// # Errors
    /// Those of compiling the expressions.
    pub fn add_fields(
        fields: &[(FieldPath, Expression)],
        context: &Context,
    ) -> Result<Self, QueryError> {
        let mut root = Branch::default();
        for (path, expression) in fields {
            root.add(path, Node::Computed(Compiled::compile(expression, context)?));
        }
        Ok(Self { root, keeps_others: true, context: context.clone() })
    }

    /// Compiles the paths of `$unset`.
    pub fn unset(paths: &[FieldPath], context: &Context) -> Self {
        let mut root = Branch::default();
        for path in paths {
            root.add(path, Node::Exclude);
        }
        Self { root, keeps_others: true, context: context.clone() }
    }

    /// Whether the projection has a positional `$`, so that [`Projector::apply`] needs a position.
    pub fn needs_position(&self) -> bool {
        self.root.any(&|node| matches!(node, Node::Positional))
    }

    /// Projects a document; `position` is what the filter's matcher found.
    ///
    /// # Errors
    /// Those of the expressions; 51246 if the positional `$` has no element.
    pub fn apply(
        &self,
        document: &RawDocument,
        position: Option<usize>,
    ) -> Result<RawDocumentBuf, QueryError> {
        let walk = Walk {
            root: document,
            position,
            is_cut: false,
            keeps_others: self.keeps_others,
            context: &self.context,
        };
        walk.document(document, &self.root)
    }
}

fn element_matcher(inner: &ElemMatch, context: &Context) -> Result<Matcher, QueryError> {
    let filter =
        Filter::Field { path: FieldPath::new("a"), predicate: Predicate::ElemMatch(inner.clone()) };
    Matcher::compile(&filter, context)
}

impl Branch {
    fn add(&mut self, path: &FieldPath, node: Node) {
        let computes = matches!(node, Node::Computed(_));
        let mut branch = self;
        let components: Vec<&str> = path.components().collect();
        let Some((last, outer)) = components.split_last() else { return };
        for name in outer {
            branch.computes |= computes;
            let index = match branch.place(name) {
                Some(index) => index,
                None => branch.push(name, Node::Branch(Self::default())),
            };
            match branch.children.get_mut(index) {
                Some((_, Node::Branch(inner))) => branch = inner,
                // Paths do not collide, so there is always a branch.
                _ => return,
            }
        }
        branch.computes |= computes;
        branch.push(last, node);
    }

    /// Adds a child; its place.
    fn push(&mut self, name: &str, node: Node) -> usize {
        let place = self.children.len();
        self.places.insert(name.to_owned(), place);
        self.children.push((name.to_owned(), node));
        place
    }

    /// Where a child is. A few are looked through sooner than one is found by its hash.
    fn place(&self, name: &str) -> Option<usize> {
        if self.children.len() <= 8 {
            return self.children.iter().position(|(known, _)| known == name);
        }
        self.places.get(name).copied()
    }

    /// Whether a document can get fields that it has not.
    fn adds(&self) -> bool {
        self.computes || self.children.iter().any(|(_, node)| matches!(node, Node::ElemMatch(_)))
    }

    fn any(&self, test: &dyn Fn(&Node) -> bool) -> bool {
        self.children.iter().any(|(_, node)| match node {
            Node::Branch(inner) => inner.any(test),
            node => test(node),
        })
    }
}

impl Walk<'_> {
    fn document(
        &self,
        document: &RawDocument,
        branch: &Branch,
    ) -> Result<RawDocumentBuf, QueryError> {
        let mut out = RawDocumentBuf::new();
        let mut there = vec![None; if branch.adds() { branch.children.len() } else { 0 }];
        for element in document.iter() {
            let (name, value) = element?;
            let place = branch.place(name.as_str());
            let Some((place, (_, node))) =
                place.and_then(|place| Some((place, branch.children.get(place)?)))
            else {
                if self.keeps_others {
                    out.append(name, value);
                }
                continue;
            };
            if let Some(there) = there.get_mut(place) {
                *there = Some(value);
            }
            match node {
                Node::Include => out.append(name, value),
                Node::Exclude => {}
                Node::Branch(inner) => {
                    if let Some(value) = self.value(value, inner)? {
                        out.append(name, value);
                    }
                }
                Node::Slice { skip, limit } => out.append(name, slice(value, *skip, *limit)?),
                Node::Positional => out.append(name, self.positional(value)?),
                Node::Computed(expression) if self.keeps_others => {
                    if let Some(value) = expression.evaluate(self.root, self.context)? {
                        out.append(name, value);
                    }
                }
                Node::ElemMatch(matcher) if self.keeps_others => {
                    if let Some(value) = first_match(value, matcher)? {
                        out.append(name, value);
                    }
                }
                Node::Computed(_) | Node::ElemMatch(_) => {}
            }
        }
        self.additions(branch, &there, &mut out)?;
        Ok(out)
    }

    /// Computed fields that did not take the place of one that was `there`.
    fn additions(
        &self,
        branch: &Branch,
        there: &[Option<RawBsonRef<'_>>],
        out: &mut RawDocumentBuf,
    ) -> Result<(), QueryError> {
        for ((name, node), there) in branch.children.iter().zip(there) {
            match node {
                Node::Computed(expression) if there.is_none() || !self.keeps_others => {
                    if let Some(value) = expression.evaluate(self.root, self.context)? {
                        append(out, name, &value)?;
                    }
                }
                Node::ElemMatch(matcher) if !self.keeps_others => {
                    if let Some(value) = *there
                        && let Some(found) = first_match(value, matcher)?
                    {
                        append(out, name, &found)?;
                    }
                }
                Node::Branch(inner) if inner.computes && there.is_none() => {
                    let empty = RawDocumentBuf::new();
                    let made = self.document(&empty, inner)?;
                    append(out, name, &made)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A value below which the projection goes on; `None` drops it.
    fn value(&self, value: RawBsonRef<'_>, branch: &Branch) -> Result<Option<RawBson>, QueryError> {
        match value {
            RawBsonRef::Document(inner) => {
                Ok(Some(RawBson::Document(self.document(inner, branch)?)))
            }
            RawBsonRef::Array(array) => {
                let has_positional = !self.is_cut
                    && self.position.is_some()
                    && branch.any(&|node| matches!(node, Node::Positional));
                let inner = Walk { is_cut: self.is_cut || has_positional, ..*self };
                let mut out = RawArrayBuf::new();
                for (index, item) in array.into_iter().enumerate() {
                    let item = item?;
                    if has_positional && self.position != Some(index) {
                        continue;
                    }
                    if let Some(value) = inner.value(item, branch)? {
                        out.push(value);
                    }
                }
                Ok(Some(RawBson::Array(out)))
            }
            _ if branch.computes => {
                let empty = RawDocumentBuf::new();
                Ok(Some(RawBson::Document(self.document(&empty, branch)?)))
            }
            other => Ok(self.keeps_others.then(|| RawBson::from(other))),
        }
    }

    /// The element that the filter matched.
    fn positional(&self, value: RawBsonRef<'_>) -> Result<RawBson, QueryError> {
        let RawBsonRef::Array(array) = value else { return Ok(RawBson::from(value)) };
        if self.is_cut {
            return Ok(RawBson::from(value));
        }
        let element = match self.position {
            Some(position) => array.get(position)?,
            None => None,
        };
        match element {
            Some(element) => {
                let mut one = RawArrayBuf::new();
                one.push(element);
                Ok(RawBson::Array(one))
            }
            None => Err(QueryError::new(
                51246,
                "Executor error during find command :: caused by :: positional operator '.$' couldn't \
                 find a matching element in the array",
            )),
        }
    }
}

fn slice(value: RawBsonRef<'_>, skip: Option<i64>, limit: i64) -> Result<RawBson, QueryError> {
    let RawBsonRef::Array(array) = value else { return Ok(RawBson::from(value)) };
    let items: Vec<RawBsonRef<'_>> = array.into_iter().collect::<Result<_, _>>()?;
    let distance = |value: i64| usize::try_from(value.unsigned_abs()).unwrap_or(usize::MAX);
    let from_end = |value: i64| items.len().saturating_sub(distance(value));
    let (start, count) = match skip {
        None if limit < 0 => (from_end(limit), usize::MAX),
        None => (0, distance(limit)),
        Some(skip) if skip < 0 => (from_end(skip), distance(limit)),
        Some(skip) => (distance(skip), distance(limit)),
    };
    let mut out = RawArrayBuf::new();
    for item in items.into_iter().skip(start).take(count) {
        out.push(item);
    }
    Ok(RawBson::Array(out))
}

/// An array with the first element that matches.
fn first_match(value: RawBsonRef<'_>, matcher: &Matcher) -> Result<Option<RawBson>, QueryError> {
    let RawBsonRef::Array(array) = value else { return Ok(None) };
    let Some(Some(position)) = matcher.find_position(&single("a", array))? else { return Ok(None) };
    match array.get(position)? {
        Some(element) => {
            let mut one = RawArrayBuf::new();
            one.push(element);
            Ok(Some(RawBson::Array(one)))
        }
        None => Ok(None),
    }
}

/// A number as BSON stores whole numbers.
pub(crate) fn whole_number(value: usize) -> RawBson {
    Number::narrow(i64::try_from(value).unwrap_or(i64::MAX)).to_bson()
}

#[cfg(test)]
mod tests;
