//! Ratios against the C library.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::guided;
use crate::process::{built, step};

#[derive(Args)]
pub(crate) struct Options {
    /// The C library to compare with. Without it, Debian's package `libmongocrypt0` (1.7.2, native
    /// crypto) is downloaded.
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Build ours by a profile, as `cargo xtask dist --guided` does.
    #[arg(long)]
    guided: bool,
    /// Handed to the benchmark: `--rounds 21 --seconds 0.2`, `--only explicit`, `--json`, ...
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let library = if options.guided {
        guided::build(&["fieldveil-mongocrypt"])?.join("libmongocrypt.so")
    } else {
        super::library()?
    };
    let program = super::program()?;
    let peer = options.peer.clone().map_or_else(debian_library, Ok)?;
    step(
        "abi_bench",
        Command::new(program)
            .arg(library)
            .arg(&peer)
            .args(["--label-a", "ours", "--label-b", "C"])
            .args(&options.options)
            .env("LD_LIBRARY_PATH", library_path(&peer)?),
    )
}

/// `LD_LIBRARY_PATH` with the folder of `library` first: its own dependencies lie there.
fn library_path(library: &Path) -> Result<std::ffi::OsString> {
    let inherited = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let folder = library.parent().unwrap_or(Path::new(".")).to_path_buf();
    Ok(env::join_paths(std::iter::once(folder).chain(env::split_paths(&inherited)))?)
}

/// Debian's `libmongocrypt0` and what it needs, unpacked under the target directory.
fn debian_library() -> Result<PathBuf> {
    let folder = built("peers");
    let library = folder.join("usr/lib/x86_64-linux-gnu/libmongocrypt.so.0");
    if library.exists() {
        return Ok(library);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    step(
        "Debian's C library",
        Command::new("apt-get")
            .args(["download", "libmongocrypt0", "libbson-1.0-0"])
            .current_dir(&folder),
    )?;
    for entry in fs::read_dir(&folder)? {
        let package = entry?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            step("Unpacking", Command::new("dpkg").arg("-x").arg(&package).arg(&folder))?;
        }
    }
    if !library.exists() {
        bail!("no C library found under {}: give one with --peer", folder.display());
    }
    Ok(library)
}
