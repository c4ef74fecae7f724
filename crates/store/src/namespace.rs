//! Names of databases and collections.

use std::fmt;

use crate::code::Code;
use crate::error::{Result, StoreError};

/// The longest full name of a collection, in bytes (MongoDB's limit for unsharded collections).
pub const NAMESPACE_MAX_BYTES: usize = 255;

/// The longest name of a database, in bytes.
pub const DATABASE_MAX_BYTES: usize = 63;

/// A database and a collection in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace {
    full: Box<str>,
    dot: usize,
}

impl Namespace {
    /// Checks both names by MongoDB's rules.
    ///
    /// # Errors
    /// `InvalidNamespace` if a name is empty, too long or has a character that is not allowed.
    pub fn new(database: &str, collection: &str) -> Result<Self> {
        check_database(database)?;
        let full = format!("{database}.{collection}");
        let invalid = collection.is_empty()
            || collection.starts_with('.')
            || collection.ends_with('.')
            || collection.contains(['$', '\0']);
        if invalid {
            return Err(StoreError::new(
                Code::INVALID_NAMESPACE,
                format!("Invalid namespace specified '{full}'"),
            ));
        }
        if full.len() > NAMESPACE_MAX_BYTES {
            return Err(StoreError::new(
                Code::INVALID_NAMESPACE,
                format!(
                    "Fully qualified namespace is too long. Namespace: {full} Max: \
                     {NAMESPACE_MAX_BYTES}"
                ),
            ));
        }
        Ok(Self { dot: database.len(), full: full.into_boxed_str() })
    }

    /// Splits `database.collection` at the first dot.
    ///
    /// # Errors
    /// As [`Namespace::new`].
    pub fn parse(full: &str) -> Result<Self> {
        match full.split_once('.') {
            Some((database, collection)) => Self::new(database, collection),
            None => Err(StoreError::new(
                Code::INVALID_NAMESPACE,
                format!("Invalid namespace specified '{full}'"),
            )),
        }
    }

    /// The database's name.
    #[must_use]
    pub fn database(&self) -> &str {
        self.full.get(..self.dot).unwrap_or_default()
    }

    /// The collection's name.
    #[must_use]
    pub fn collection(&self) -> &str {
        self.full.get(self.dot + 1..).unwrap_or_default()
    }

    /// `database.collection`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.full
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

/// Checks a database's name by MongoDB's rules.
///
/// # Errors
/// `InvalidNamespace` if it is empty, longer than 63 bytes, or has one of `/\. "$*<>:|?` or NUL.
pub fn check_database(database: &str) -> Result<()> {
    let forbidden = |c| matches!(c, '/' | '\\' | '.' | ' ' | '"' | '$' | '\0');
    if database.is_empty() || database.len() > DATABASE_MAX_BYTES || database.contains(forbidden) {
        return Err(StoreError::new(
            Code::INVALID_NAMESPACE,
            format!("Invalid database name: '{database}'"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_dot_ends_the_database() {
        let namespace = Namespace::parse("app.system.views").unwrap();
        assert_eq!(namespace.database(), "app");
        assert_eq!(namespace.collection(), "system.views");
    }

    #[test]
    fn bad_names_are_refused() {
        for bad in ["", "app", ".x", "app.", "a b.c", "app..x", "app.x.", "app.a$b", "app.a\0"] {
            assert!(Namespace::parse(bad).unwrap_err().is(Code::INVALID_NAMESPACE), "{bad:?}");
        }
        assert!(Namespace::new(&"d".repeat(64), "c").is_err());
        assert!(Namespace::new("d", &"c".repeat(253)).is_ok());
        assert!(Namespace::new("d", &"c".repeat(254)).is_err());
    }
}
