//! Walking the plan and the document together.

use bson::raw::RawBson;
use fieldveil_query::{QueryError, array_index};

use super::Scope;
use super::modify::Action;
use super::plan::{Branch, Key, Node};
use super::tree::Tree;
use crate::eval::describe::describe_element;

/// How far beyond its end an array may grow at once.
const MAX_PADDING: usize = 1_500_000;

/// Applies what stands below a branch to the value there, a document or array taken apart.
pub(super) fn apply(
    branch: &Branch,
    target: &mut Tree,
    path: &str,
    scope: &Scope<'_>,
) -> Result<(), QueryError> {
    target.expand()?;
    check_positions(branch, path, scope)?;
    for (key, node) in &branch.children {
        match key {
            Key::Name(name) => apply_named(node, name, target, path, scope)?,
            Key::Position => {
                let Some(index) = scope.position else {
                    return Err(QueryError::bad_value(
                        "The positional operator did not find the match needed from the query.",
                    ));
                };
                apply_named(node, &index.to_string(), target, path, scope)?;
            }
            Key::All | Key::Filtered(..) => apply_elements(key, node, branch, target, path, scope)?,
        }
    }
    Ok(())
}

fn apply_named(
    node: &Node,
    name: &str,
    target: &mut Tree,
    path: &str,
    scope: &Scope<'_>,
) -> Result<(), QueryError> {
    let full = join(path, name);
    match target {
        Tree::Document(fields) => {
            match fields.iter().position(|(known, _)| known == name) {
                Some(index) => {
                    let Some((_, value)) = fields.get_mut(index) else { return Ok(()) };
                    if apply_node(node, value, &full, scope)? == Effect::Remove {
                        fields.remove(index);
                    }
                }
                None => {
                    if let Some(value) = create(node, &full, scope)? {
                        fields.push((name.to_owned(), value));
                    }
                }
            }
            Ok(())
        }
        Tree::Array(items) => {
            let Some(index) = array_index(name) else {
                let value = target.to_bson()?;
                return not_viable(node, name, path, &value, scope);
            };
            match items.get_mut(index) {
                Some(value) => {
                    // An element that goes leaves a null, so that the others keep their indexes.
                    if apply_node(node, value, &full, scope)? == Effect::Remove {
                        *value = Tree::Raw(RawBson::Null);
                    }
                }
                None => {
                    if let Some(value) = create(node, &full, scope)? {
                        if index - items.len() > MAX_PADDING {
                            return Err(QueryError::bad_value(format!(
                                "can't backfill more than {MAX_PADDING} elements"
                            )));
                        }
                        items.resize(index, Tree::Raw(RawBson::Null));
                        items.push(value);
                    }
                }
            }
            Ok(())
        }
        Tree::Raw(value) => {
            let value = value.clone();
            not_viable(node, name, path, &value, scope)
        }
    }
}

/// What a node did to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Keep,
    Remove,
}

fn apply_node(
    node: &Node,
    value: &mut Tree,
    path: &str,
    scope: &Scope<'_>,
) -> Result<Effect, QueryError> {
    match node {
        Node::Leaf(action) => action.change(value, path, scope),
        Node::Branch(branch) => {
            apply(branch, value, path, scope)?;
            Ok(Effect::Keep)
        }
    }
}

/// The value a node makes where there was none.
fn create(node: &Node, path: &str, scope: &Scope<'_>) -> Result<Option<Tree>, QueryError> {
    match node {
        Node::Leaf(action) => action.create(scope),
        Node::Branch(branch) => {
            check_positions(branch, path, scope)?;
            let mut fields = Vec::new();
            for (key, child) in &branch.children {
                let name = match key {
                    Key::Name(name) => name.clone(),
                    Key::Position => scope.position.map(|at| at.to_string()).ok_or_else(|| {
                        QueryError::bad_value(
                            "The positional operator did not find the match needed from the query.",
                        )
                    })?,
                    Key::All | Key::Filtered(..) => {
                        return Err(QueryError::bad_value(format!(
                            "The path '{path}' must exist in the document in order to apply array \
                             updates."
                        )));
                    }
                };
                if let Some(value) = create(child, &join(path, &name), scope)? {
                    fields.push((name, value));
                }
            }
            Ok((!fields.is_empty()).then_some(Tree::Document(fields)))
        }
    }
}

/// `$[]` and `$[name]`: the elements meant, each with all subtrees that mean it.
fn apply_elements(
    key: &Key,
    node: &Node,
    branch: &Branch,
    target: &mut Tree,
    path: &str,
    scope: &Scope<'_>,
) -> Result<(), QueryError> {
    let Tree::Array(items) = target else {
        let (_, last) = path.rsplit_once('.').unwrap_or(("", path));
        return Err(QueryError::bad_value(format!(
            "Cannot apply array updates to non-array element {}",
            describe_element(last, target.to_bson()?.as_raw_bson_ref())
        )));
    };
    for (index, item) in items.iter_mut().enumerate() {
        let value = item.to_bson()?;
        if !key.matches_element(value.as_raw_bson_ref())? {
            continue;
        }
        let full = join(path, &index.to_string());
        for (other_key, other) in &branch.children {
            let same = std::ptr::eq(other, node);
            let meant = match other_key {
                Key::Name(name) => array_index(name) == Some(index),
                Key::Position => scope.position == Some(index),
                array => array.matches_element(value.as_raw_bson_ref())?,
            };
            if !same && meant && overlap(node, other) {
                return Err(QueryError::new(40, format!("Update created a conflict at '{full}'")));
            }
        }
        if apply_node(node, item, &full, scope)? == Effect::Remove {
            *item = Tree::Raw(RawBson::Null);
        }
    }
    Ok(())
}

/// Whether two nodes change the same value, or one a part of the other's.
fn overlap(left: &Node, right: &Node) -> bool {
    match (left, right) {
        (Node::Branch(left), Node::Branch(right)) => {
            left.children.iter().any(|(left_key, left)| {
                right.children.iter().any(|(right_key, right)| {
                    let maybe_same = match (left_key, right_key) {
                        (Key::Name(left), Key::Name(right)) => left == right,
                        _ => true,
                    };
                    maybe_same && overlap(left, right)
                })
            })
        }
        _ => true,
    }
}

/// `$` may mean an element that another path names by its index.
fn check_positions(branch: &Branch, path: &str, scope: &Scope<'_>) -> Result<(), QueryError> {
    let position = branch.children.iter().find(|(key, _)| matches!(key, Key::Position));
    if let (Some((_, node)), Some(index)) = (position, scope.position) {
        for (key, other) in &branch.children {
            if let Key::Name(name) = key
                && array_index(name) == Some(index)
                && overlap(node, other)
            {
                return Err(QueryError::new(
                    40,
                    format!("Update created a conflict at '{}'", join(path, name)),
                ));
            }
        }
    }
    Ok(())
}

/// The path goes on below a value that has no fields.
fn not_viable(
    node: &Node,
    name: &str,
    path: &str,
    value: &RawBson,
    scope: &Scope<'_>,
) -> Result<(), QueryError> {
    let (_, last) = path.rsplit_once('.').unwrap_or(("", path));
    match demand(node, scope) {
        Demand::Nothing => Ok(()),
        Demand::Field => Err(QueryError::new(
            28,
            format!(
                "Cannot create field '{name}' in element {{{}}}",
                describe_element(last, value.as_raw_bson_ref())
            ),
        )),
        Demand::Viable => Err(QueryError::new(
            28,
            format!(
                "Cannot use the part ({name}) of ({path}.{name}) to traverse the element ({{{}}})",
                describe_element(last, value.as_raw_bson_ref())
            ),
        )),
    }
}

/// What a node demands of the value it cannot go below.
enum Demand {
    Nothing,
    Field,
    Viable,
}

fn demand(node: &Node, scope: &Scope<'_>) -> Demand {
    match node {
        Node::Leaf(Action::Unset | Action::RenameFrom) => Demand::Nothing,
        Node::Leaf(Action::SetOnInsert(_)) if !scope.is_insert => Demand::Nothing,
        Node::Leaf(Action::RenameTo(source)) => match super::plan::find(scope.original, source) {
            Ok(None) => Demand::Nothing,
            _ => Demand::Field,
        },
        Node::Leaf(Action::Pop { .. } | Action::Pull(_) | Action::PullAll(_)) => Demand::Viable,
        Node::Leaf(_) => Demand::Field,
        Node::Branch(branch) => {
            for (_, child) in &branch.children {
                match demand(child, scope) {
                    Demand::Nothing => {}
                    other => return other,
                }
            }
            Demand::Nothing
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
