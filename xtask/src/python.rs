//! The Python environment of the interop tests: made when missing, remade when its list changes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{root, step};

/// The interpreter of the virtual environment `.venv`, with `interop/requirements.txt` installed.
///
/// A stamp in the environment holds the list it was made from, so an unchanged list costs nothing.
pub(crate) fn interpreter() -> Result<PathBuf> {
    let list = root().join("interop/requirements.txt");
    let wanted =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let venv = root().join(".venv");
    let python = venv.join("bin/python");
    let stamp = venv.join("requirements.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|made_from| made_from == wanted) && python.exists() {
        return Ok(python);
    }
    step("Python environment", Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    step(
        "Python packages",
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&list),
    )?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(python)
}
