//! Shapes of documents to which fields are added, or from which they are taken.

use std::sync::Arc;

use super::{ObjectShape, Shape};

impl Shape {
    /// What is known after the value at `path` became one of this shape.
    ///
    /// `None` if a part of the path is encrypted, so that there is no object to put it in.
    #[must_use]
    pub(crate) fn with(&self, path: &str, value: Self) -> Option<Self> {
        let (name, rest) = match path.split_once('.') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        match self {
            Self::Encrypted(_) => None,
            Self::Plain => {
                let mut object = ObjectShape::default();
                let inner = match rest {
                    Some(rest) => Self::Plain.with(rest, value)?,
                    None => value,
                };
                object.set(name, inner);
                Some(Self::object(object))
            }
            Self::Object(object) => {
                let inner = match rest {
                    Some(rest) => object.child(name)?.with(rest, value)?,
                    None => value,
                };
                let mut object = object.as_ref().clone();
                object.set(name, inner);
                Some(Self::object(object))
            }
            // Each element gets the field.
            Self::Array(elements) => Some(Self::array(elements.with(path, value)?)),
            Self::Unknown(_) if value.is_plain() => Some(self.clone()),
            Self::Unknown(example) => Some(Self::Unknown(Arc::clone(example))),
        }
    }

    /// What is known after the value at `path` was taken away.
    #[must_use]
    pub(crate) fn without(&self, path: &str) -> Self {
        let (name, rest) = match path.split_once('.') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        match self {
            Self::Object(object) => {
                let inner = match (object.child(name), rest) {
                    (Some(child), Some(rest)) => child.without(rest),
                    (_, None) => Self::Plain,
                    (None, Some(_)) => return self.clone(),
                };
                let mut object = object.as_ref().clone();
                object.set(name, inner);
                Self::object(object)
            }
            Self::Array(elements) => Self::array(elements.without(path)),
            other => other.clone(),
        }
    }
}
