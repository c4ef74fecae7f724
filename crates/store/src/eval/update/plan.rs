//! The modifiers of an update as one tree by path.

use std::cmp::Ordering;
use std::sync::Arc;

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};
use fieldveil_query::collation::Collation;
use fieldveil_query::document::single;
use fieldveil_query::update::{ArrayFilter, Modifier, Operation};
use fieldveil_query::{FieldPath, QueryError, array_index};

use super::Scope;
use super::modify::Action;
use super::tree::Tree;
use super::walk;
use crate::eval::Context;
use crate::eval::describe::describe_id;
use crate::eval::matcher::Matcher;

/// A compiled operator update.
pub(super) struct Plan {
    root: Branch,
    /// Source and target of each `$rename`.
    renames: Vec<(FieldPath, FieldPath)>,
    now: bson::DateTime,
    collation: Option<Arc<Collation>>,
}

/// What happens below one point of the document, in order.
#[derive(Default)]
pub(super) struct Branch {
    pub(super) children: Vec<(Key, Node)>,
}

/// Where a child stands.
pub(super) enum Key {
    Name(String),
    /// `$`
    Position,
    /// `$[]`
    All,
    /// `$[name]` with its compiled filter
    Filtered(String, Matcher),
}

/// A child: more branches or something to do.
pub(super) enum Node {
    Branch(Branch),
    Leaf(Action),
}

impl Plan {
    pub(super) fn compile(
        modifiers: &[Modifier],
        array_filters: &[ArrayFilter],
        context: &Context,
    ) -> Result<Self, QueryError> {
        let mut plan = Self {
            root: Branch::default(),
            renames: Vec::new(),
            now: context.now,
            collation: context.collation.clone(),
        };
        for modifier in modifiers {
            let path = &modifier.path;
            match &modifier.operation {
                Operation::Rename(target) => {
                    plan.renames.push((path.clone(), target.clone()));
                    plan.add(path, Action::RenameFrom, array_filters, context)?;
                    plan.add(target, Action::RenameTo(path.clone()), array_filters, context)?;
                }
                operation => {
                    let action = Action::compile(operation, context)?;
                    plan.add(path, action, array_filters, context)?;
                }
            }
        }
        sort(&mut plan.root);
        Ok(plan)
    }

    fn add(
        &mut self,
        path: &FieldPath,
        action: Action,
        array_filters: &[ArrayFilter],
        context: &Context,
    ) -> Result<(), QueryError> {
        let components: Vec<&str> = path.components().collect();
        let Some((last, outer)) = components.split_last() else { return Ok(()) };
        let mut branch = &mut self.root;
        for component in outer {
            branch = descend(branch, component, array_filters, context)?;
        }
        branch.children.push((key(last, array_filters, context)?, Node::Leaf(action)));
        Ok(())
    }

    pub(super) fn apply(
        &self,
        document: &RawDocument,
        position: Option<usize>,
        is_insert: bool,
    ) -> Result<RawDocumentBuf, QueryError> {
        for (source, target) in &self.renames {
            check_rename(document, source, "source")?;
            if find(document, source)?.is_some() {
                check_rename(document, target, "destination")?;
            }
        }
        let scope = Scope {
            position,
            is_insert,
            now: self.now,
            collation: self.collation.clone(),
            original: document,
        };
        let mut tree = Tree::document(document)?;
        walk::apply(&self.root, &mut tree, "", &scope)?;
        tree.to_document()
    }
}

fn descend<'b>(
    branch: &'b mut Branch,
    component: &str,
    array_filters: &[ArrayFilter],
    context: &Context,
) -> Result<&'b mut Branch, QueryError> {
    let index = branch
        .children
        .iter()
        .position(|(key, node)| key.is(component) && matches!(node, Node::Branch(_)));
    let index = match index {
        Some(index) => index,
        None => {
            let key = key(component, array_filters, context)?;
            branch.children.push((key, Node::Branch(Branch::default())));
            branch.children.len() - 1
        }
    };
    match branch.children.get_mut(index) {
        Some((_, Node::Branch(inner))) => Ok(inner),
        // Not reached: the index is that of a branch.
        _ => Err(QueryError::new(1, "an update path lost its branch")),
    }
}

fn key(
    component: &str,
    array_filters: &[ArrayFilter],
    context: &Context,
) -> Result<Key, QueryError> {
    if component == "$" {
        return Ok(Key::Position);
    }
    if component == "$[]" {
        return Ok(Key::All);
    }
    let Some(name) = component.strip_prefix("$[").and_then(|rest| rest.strip_suffix(']')) else {
        return Ok(Key::Name(component.to_owned()));
    };
    match array_filters.iter().find(|filter| filter.identifier == name) {
        Some(filter) => {
            Ok(Key::Filtered(name.to_owned(), Matcher::compile(&filter.filter, context)?))
        }
        None => {
            Err(QueryError::bad_value(format!("No array filter found for identifier '{name}'")))
        }
    }
}

impl Key {
    fn is(&self, component: &str) -> bool {
        match self {
            Self::Name(name) => name == component,
            Self::Position => component == "$",
            Self::All => component == "$[]",
            Self::Filtered(name, _) => {
                component.strip_prefix("$[").and_then(|rest| rest.strip_suffix(']')) == Some(name)
            }
        }
    }

    /// The component as written.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Position => "$".to_owned(),
            Self::All => "$[]".to_owned(),
            Self::Filtered(name, _) => format!("$[{name}]"),
        }
    }

    /// Whether an array element is meant.
    pub(super) fn matches_element(&self, value: RawBsonRef<'_>) -> Result<bool, QueryError> {
        match self {
            Self::All => Ok(true),
            Self::Filtered(name, matcher) => matcher.matches(&single(name, value)),
            Self::Name(_) | Self::Position => Ok(false),
        }
    }
}

/// Fields by name, array indexes by number.
fn sort(branch: &mut Branch) {
    branch.children.sort_by(|(left, _), (right, _)| match (left, right) {
        (Key::Name(left), Key::Name(right)) => match (array_index(left), array_index(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.cmp(right),
        },
        (Key::Name(_), _) => Ordering::Less,
        (_, Key::Name(_)) => Ordering::Greater,
        (left, right) => left.text().cmp(&right.text()),
    });
    for (_, node) in &mut branch.children {
        if let Node::Branch(inner) = node {
            sort(inner);
        }
    }
}

/// The value at a path that leads through documents only.
pub(super) fn find<'a>(
    document: &'a RawDocument,
    path: &FieldPath,
) -> Result<Option<RawBsonRef<'a>>, QueryError> {
    let mut value = RawBsonRef::Document(document);
    for component in path.components() {
        let RawBsonRef::Document(inner) = value else { return Ok(None) };
        match inner.get(component)? {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// `$rename` does not go through arrays.
fn check_rename(document: &RawDocument, path: &FieldPath, which: &str) -> Result<(), QueryError> {
    let mut value = RawBsonRef::Document(document);
    let mut previous = "";
    for component in path.components() {
        match value {
            RawBsonRef::Document(inner) => match inner.get(component)? {
                Some(next) => value = next,
                None => return Ok(()),
            },
            RawBsonRef::Array(_) => {
                return Err(QueryError::bad_value(format!(
                    "The {which} field cannot be an array element, '{path}' in doc with {} has an \
                     array field called '{previous}'",
                    describe_id(document).trim_matches(['{', '}'])
                )));
            }
            _ => return Ok(()),
        }
        previous = component;
    }
    Ok(())
}
