//! Dotted paths.

use std::collections::HashMap;
use std::fmt;

use crate::{MAX_BSON_DEPTH, QueryError};

/// A dotted path such as `a.b.0`, as written in the command.
///
/// Filters and updates accept any text (also empty components); expressions are stricter, see
/// [`FieldPath::parse_strict`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(String);

impl FieldPath {
    /// A path as filters, sorts and updates have it.
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// A path as expressions and projections have it: no empty component, none that starts
    /// with `$`, at most 200 components.
    ///
    /// # Errors
    /// 40352, 40353, 15998, 16410 with the server's texts.
    pub fn parse_strict(path: &str) -> Result<Self, QueryError> {
        if path.is_empty() {
            return Err(QueryError::new(
                40352,
                "FieldPath cannot be constructed with empty string",
            ));
        }
        if path.ends_with('.') {
            return Err(QueryError::new(40353, "FieldPath must not end with a '.'."));
        }
        if path.contains('\0') {
            return Err(QueryError::new(16411, "FieldPath field names may not contain '\\0'."));
        }
        let mut count = 0;
        for component in path.split('.') {
            count += 1;
            if component.is_empty() {
                return Err(QueryError::new(
                    15998,
                    "FieldPath field names may not be empty strings.",
                ));
            }
            if component.starts_with('$') && !matches!(component, "$id" | "$ref" | "$db") {
                return Err(QueryError::new(
                    16410,
                    format!(
                        "FieldPath field names may not start with '$'. Consider using $getField \
                         or $setField. Field: '{component}'"
                    ),
                ));
            }
        }
        if count > MAX_BSON_DEPTH {
            return Err(QueryError::new(5984700, "FieldPath is too long"));
        }
        Ok(Self(path.to_owned()))
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components between the dots, from the outermost.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        self.0.split('.')
    }

    /// The outermost component.
    pub fn first(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }

    /// The innermost component.
    pub fn last(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or_default()
    }

    /// What follows the outermost component, if anything.
    pub fn tail(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, tail)| Self(tail.to_owned()))
    }

    /// The path without its innermost component, if it has more than one.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('.').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// This path with `rest` below it.
    #[must_use]
    pub fn join(&self, rest: &str) -> Self {
        Self(format!("{}.{rest}", self.0))
    }

    /// Whether one of the components may pick an element of an array; see [`array_index`].
    #[must_use]
    pub fn has_position(&self) -> bool {
        has_position(&self.0)
    }

    /// Whether `other` is this path or lies below it.
    pub fn is_prefix_of(&self, other: &Self) -> bool {
        match other.0.strip_prefix(&self.0) {
            Some(rest) => rest.is_empty() || rest.starts_with('.'),
            None => false,
        }
    }
}

/// Paths of which none is another or lies below it, so that each can be given a value of its own. A
/// new one is compared with all in the time of its own length.
///
/// ```
/// use fieldveil_query::{FieldPath, Overlap, PathSet};
///
/// let (name, first) = (FieldPath::new("name"), FieldPath::new("name.first"));
/// let mut set = PathSet::default();
/// assert_eq!(set.insert(&name), Ok(()));
/// assert_eq!(set.insert(&first), Err(Overlap::Below("name")));
/// ```
#[derive(Debug, Default)]
pub struct PathSet<'a> {
    root: Branch<'a>,
}

#[derive(Debug, Default)]
struct Branch<'a> {
    children: HashMap<&'a str, Self>,
    /// Whether a path ends here.
    is_path: bool,
    /// Whether a child is `$[]` or `$[identifier]`.
    has_elements: bool,
}

/// Why a path cannot be beside those of a [`PathSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap<'a> {
    /// It is there.
    Same,
    /// It lies below this one.
    Below(&'a str),
    /// Another lies below it.
    Above,
    /// It has a field where another has the elements of an array, or the other way round: below
    /// this path, which is empty for the document itself.
    Mixed(&'a str),
}

impl<'a> PathSet<'a> {
    /// Adds a path.
    ///
    /// # Errors
    /// How it overlaps with another. The set is of no more use then.
    pub fn insert(&mut self, path: &'a FieldPath) -> Result<(), Overlap<'a>> {
        let text = path.as_str();
        let mut branch = &mut self.root;
        let mut at = 0;
        for component in path.components() {
            let parent = text.get(..at.max(1) - 1).unwrap_or_default();
            if branch.is_path {
                return Err(Overlap::Below(parent));
            }
            let is_element = component.starts_with("$[");
            if branch.children.is_empty() {
                branch.has_elements = is_element;
            } else if branch.has_elements != is_element {
                return Err(Overlap::Mixed(parent));
            }
            branch = branch.children.entry(component).or_default();
            at += component.len() + 1;
        }
        if branch.is_path {
            return Err(Overlap::Same);
        }
        if !branch.children.is_empty() {
            return Err(Overlap::Above);
        }
        branch.is_path = true;
        Ok(())
    }
}

/// [`FieldPath::has_position`] of a path that is not one yet.
pub fn has_position(path: &str) -> bool {
    path.split('.').any(|component| array_index(component).is_some())
}

/// The array index a path component names: decimal digits without leading zero.
pub fn array_index(component: &str) -> Option<usize> {
    let digits = component.as_bytes();
    if digits.is_empty() || digits.len() > 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if digits.len() > 1 && digits.first() == Some(&b'0') {
        return None;
    }
    component.parse().ok()
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for FieldPath {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefixes_end_at_a_dot() {
        let a = FieldPath::new("a");
        assert!(a.is_prefix_of(&FieldPath::new("a")));
        assert!(a.is_prefix_of(&FieldPath::new("a.b")));
        assert!(!a.is_prefix_of(&FieldPath::new("ab")));
    }

    #[test]
    fn strict_paths_have_no_empty_or_dollar_component() {
        for (path, code) in
            [("", 40352), ("a.", 40353), (".a", 15998), ("a..b", 15998), ("a.$b", 16410)]
        {
            assert_eq!(FieldPath::parse_strict(path).unwrap_err().code(), code, "{path}");
        }
        assert!(FieldPath::parse_strict("a.b.$id").is_ok());
    }

    proptest! {
        #[test]
        fn a_set_finds_what_comparing_all_pairs_finds(
            paths in proptest::collection::vec("(a|b|\\$\\[\\])(\\.(a|b|\\$\\[\\])){0,2}", 1..6),
        ) {
            let paths: Vec<_> = paths.iter().map(|path| FieldPath::new(path.as_str())).collect();
            let mut set = PathSet::default();
            for (index, path) in paths.iter().enumerate() {
                let before = &paths[..index];
                let outer = before.iter().find(|other| other.is_prefix_of(path));
                let is_outer = before.iter().any(|other| path.is_prefix_of(other));
                match set.insert(path) {
                    Ok(()) => prop_assert!(outer.is_none() && !is_outer),
                    Err(Overlap::Same) => {
                        prop_assert_eq!(outer, Some(path));
                        break;
                    }
                    Err(Overlap::Below(at)) => {
                        prop_assert_eq!(outer.map(FieldPath::as_str), Some(at));
                        break;
                    }
                    Err(Overlap::Above) => {
                        prop_assert!(is_outer);
                        break;
                    }
                    Err(Overlap::Mixed(at)) => {
                        let parts_there = |other: &FieldPath| {
                            let pairs = path.components().zip(other.components());
                            let same = pairs.clone().take_while(|(left, right)| left == right);
                            let common: Vec<_> = same.map(|(left, _)| left).collect();
                            let next = pairs.clone().nth(common.len());
                            common.join(".") == at
                                && next.is_some_and(|(left, right)| (left == "$[]") != (right == "$[]"))
                        };
                        prop_assert!(before.iter().any(parts_there));
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn only_plain_digits_are_an_index() {
        assert_eq!(array_index("0"), Some(0));
        assert_eq!(array_index("12"), Some(12));
        for text in ["", "01", "00", "-1", "+1", "1a", "99999999999"] {
            assert_eq!(array_index(text), None, "{text}");
            assert!(!FieldPath::new(format!("a.{text}.b")).has_position(), "{text}");
        }
        assert!(FieldPath::new("a.10.b").has_position());
    }
}
