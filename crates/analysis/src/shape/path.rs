//! Looking up dotted paths in a shape.

use std::sync::Arc;

use super::{EncryptedField, Shape};

/// What a dotted path means for encryption.
#[derive(Debug, Clone)]
pub(crate) enum PathState {
    /// Nothing encrypted at, above or below the path.
    Plain,
    /// The path is an encrypted field.
    Encrypted(Arc<EncryptedField>),
    /// There are encrypted fields below the path.
    Prefix(Shape),
    /// A part of the path is an encrypted field already.
    Below {
        /// The encrypted part.
        encrypted: String,
    },
    /// Only at run time it is known whether the path is encrypted.
    Unknown,
}

/// Why a path has no one meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ambiguity {
    /// Several subschemas apply to this part of the path, and contradict each other.
    Conflict(String),
    /// This part of the path ends in a number: an array element, or a field of that name.
    Index(String),
}

impl Shape {
    /// What `path`, a dotted path from this value, means.
    ///
    /// A number in a path, but for its first component, may be a position in an array or a
    /// field's name. If anything is encrypted under either reading, the path is ambiguous.
    pub(crate) fn at(&self, path: &str) -> Result<PathState, Ambiguity> {
        // All readings of the part of the path walked so far; a plain reading is dropped.
        let mut readings = vec![self.clone()];
        let mut index_end = None;
        let mut start = 0;
        for name in path.split('.') {
            let end = start + name.len();
            let reads_as_index = start > 0 && is_index(name);
            if reads_as_index {
                index_end.get_or_insert(end);
            }
            let mut next: Vec<Self> = Vec::with_capacity(readings.len());
            for shape in readings {
                let child = match &shape {
                    Self::Object(object) => {
                        object.child(name).ok_or_else(|| Ambiguity::Conflict(upto(path, end)))?
                    }
                    Self::Plain => Self::Plain,
                    _ if index_end.is_some_and(|at| at < end) => {
                        return Err(Ambiguity::Index(upto(path, index_end.unwrap_or(end))));
                    }
                    Self::Encrypted(_) => {
                        return Ok(PathState::Below {
                            encrypted: upto(path, start.saturating_sub(1)),
                        });
                    }
                    Self::Array(_) | Self::Unknown(_) => return Ok(PathState::Unknown),
                };
                if reads_as_index {
                    add(&mut next, shape);
                }
                add(&mut next, child);
            }
            readings = next;
            start = end + 1;
        }
        match (readings.pop(), index_end) {
            (None, _) => Ok(PathState::Plain),
            (Some(_), Some(end)) => Err(Ambiguity::Index(upto(path, end))),
            (Some(shape), None) => Ok(shape.state()),
        }
    }

    /// What a path that ends at this value means.
    pub(crate) fn state(&self) -> PathState {
        match self {
            Self::Plain => PathState::Plain,
            Self::Encrypted(field) => PathState::Encrypted(Arc::clone(field)),
            Self::Object(_) | Self::Array(_) => PathState::Prefix(self.clone()),
            Self::Unknown(_) => PathState::Unknown,
        }
    }
}

/// Adds a reading unless it is plain or there already.
fn add(readings: &mut Vec<Shape>, shape: Shape) {
    let is_known = readings.iter().any(|known| match (known, &shape) {
        (Shape::Object(a), Shape::Object(b)) => Arc::ptr_eq(a, b),
        (Shape::Encrypted(a), Shape::Encrypted(b)) => Arc::ptr_eq(a, b),
        _ => false,
    });
    if !shape.is_plain() && !is_known {
        readings.push(shape);
    }
}

fn upto(path: &str, end: usize) -> String {
    path.get(..end).unwrap_or(path).to_owned()
}

/// Whether a path component could be a position in an array.
fn is_index(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}
