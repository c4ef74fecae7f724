//! The directory of the quick start: a temporary one, or one that the user keeps.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use tempfile::TempDir;

/// Where the database and the master key lie.
#[derive(Debug)]
pub(crate) enum Place {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Place {
    /// The user's directory, which must be new or empty, or a temporary one.
    pub(crate) fn new(dir: Option<&Path>) -> anyhow::Result<Self> {
        let Some(dir) = dir else {
            let temporary = tempfile::Builder::new().prefix("fieldveil-").tempdir();
            return Ok(Self::Temporary(temporary.context("no temporary directory can be made")?));
        };
        let context = || format!("the directory {}", dir.display());
        fs::create_dir_all(dir).with_context(context)?;
        if fs::read_dir(dir).with_context(context)?.next().is_some() {
            bail!("{} is not empty: the quick start needs a new directory", dir.display());
        }
        Ok(Self::Kept(dir.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(dir) => dir.path(),
        }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn master_key(&self) -> PathBuf {
        self.path().join("master-key.bin")
    }

    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }

    /// Removes what is temporary.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        if let Self::Temporary(dir) = self {
            let path = dir.path().to_owned();
            dir.close().with_context(|| format!("{} cannot be removed", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_something_in_it_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Place::new(Some(&dir.path().join("new"))).unwrap().is_kept());
        let error = Place::new(Some(dir.path())).unwrap_err();
        assert!(error.to_string().contains("is not empty"), "{error}");
    }

    #[test]
    fn a_temporary_directory_is_removed() {
        let place = Place::new(None).unwrap();
        let path = place.path().to_owned();
        assert!(path.is_dir());
        place.close().unwrap();
        assert!(!path.exists());
    }
}
