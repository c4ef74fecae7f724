//! pymongocrypt's own benchmark.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::process::{root, step};
use crate::python;

#[derive(Args)]
pub(crate) struct Options {
    /// Handed to `bench/pymongo.py`: `--rounds 5`, `--quick`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let library = super::library()?;
    let mut command = Command::new(python::interpreter()?);
    command.arg(root().join("bench/pymongo.py")).arg("--lib").arg(library).args(&options.options);
    step("pymongocrypt's benchmark", &mut command)
}
