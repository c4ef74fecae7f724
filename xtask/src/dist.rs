//! `cargo xtask dist`: the C libraries as packages lay them out.
//!
//! ```text
//! include/mongocrypt/mongocrypt.h
//! lib/libmongocrypt.so -> libmongocrypt.so.0 -> libmongocrypt.so.0.0.0
//! lib/libmongocrypt.a
//! lib/mongo_crypt_v1.so
//! lib/pkgconfig/libmongocrypt.pc
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::guided;
use crate::process::{built, cargo, root, step};

/// The shared library as a file; its links are made from it by taking parts off its end.
const SHARED: &str = "libmongocrypt.so.0.0.0";

#[derive(Args)]
pub(crate) struct Options {
    /// Where to; made when missing.
    #[arg(default_value = "dist")]
    out: PathBuf,
    /// Build them by a profile of the benchmark's operations, which takes some minutes and makes short
    /// operations up to a tenth faster. Needs `rustup component add llvm-tools`.
    #[arg(long)]
    guided: bool,
}

const PACKAGES: [&str; 2] = ["fieldveil-mongocrypt", "fieldveil-mongo-crypt-v1"];

/// Builds the libraries and lays them out.
pub(crate) fn run(options: &Options) -> Result<()> {
    let libraries = if options.guided {
        guided::build(&PACKAGES)?
    } else {
        let mut build = cargo(["build", "--profile", "dist"]);
        build.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        step("C libraries", &mut build)?;
        built("dist")
    };
    lay_out(&libraries, &options.out)?;
    println!("laid out under {}", options.out.display());
    Ok(())
}

/// Lays out the `libraries` that were built there, in place of what an earlier run left under `out`.
pub(crate) fn lay_out(libraries: &Path, out: &Path) -> Result<()> {
    let lib = out.join("lib");
    let include = out.join("include/mongocrypt");
    for directory in [&lib.join("pkgconfig"), &include] {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {directory:?}"))?;
    }
    let header = root().join("crates/ffi/mongocrypt/include/mongocrypt/mongocrypt.h");
    copy(&header, &include.join("mongocrypt.h"))?;
    copy(&libraries.join("libmongocrypt.so"), &lib.join(SHARED))?;
    copy(&libraries.join("libmongocrypt.a"), &lib.join("libmongocrypt.a"))?;
    copy(&libraries.join("libmongo_crypt_v1.so"), &lib.join("mongo_crypt_v1.so"))?;
    link(&lib, SHARED, "libmongocrypt.so.0")?;
    link(&lib, "libmongocrypt.so.0", "libmongocrypt.so")?;
    let version = version(&fs::read_to_string(&header)?)?;
    fs::write(lib.join("pkgconfig/libmongocrypt.pc"), package_config(&version))?;
    check(out, &version)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {from:?} to {to:?}"))?;
    Ok(())
}

fn link(directory: &Path, target: &str, name: &str) -> Result<()> {
    let path = directory.join(name);
    if path.symlink_metadata().is_ok() {
        fs::remove_file(&path)?;
    }
    std::os::unix::fs::symlink(target, &path).with_context(|| format!("cannot link {path:?}"))
}

/// The release whose interface the header has.
fn version(header: &str) -> Result<String> {
    let line = header.lines().find_map(|line| line.strip_prefix("#define MONGOCRYPT_VERSION "));
    Ok(line.context("the header names no version")?.trim().trim_matches('"').to_owned())
}

/// Relative to its own place, so that the tree can be moved.
fn package_config(version: &str) -> String {
    format!(
        "prefix=${{pcfiledir}}/../..\n\
         libdir=${{prefix}}/lib\n\
         includedir=${{prefix}}/include\n\
         \n\
         Name: mongocrypt\n\
         Description: Client-side encryption for MongoDB, by Fieldveil\n\
         Version: {version}\n\
         Libs: -L${{libdir}} -lmongocrypt\n\
         Libs.private: -lgcc_s -lutil -lrt -lpthread -lm -ldl\n\
         Cflags: -I${{includedir}} -I${{includedir}}/mongocrypt\n"
    )
}

/// Compiles a program by the layout alone, and has it say its version.
fn check(out: &Path, version: &str) -> Result<()> {
    let lib = out.join("lib").canonicalize()?;
    let source = out.join("check.c");
    let program = out.join("check");
    fs::write(
        &source,
        "#include <mongocrypt/mongocrypt.h>\n#include <stdio.h>\n\
         int main(void) { puts(mongocrypt_version(NULL)); return 0; }\n",
    )?;
    let mut compile = Command::new("cc");
    compile.arg(&source).arg("-I").arg(out.join("include")).arg("-L").arg(&lib);
    compile.arg(format!("-Wl,-rpath,{}", lib.display())).args(["-lmongocrypt", "-o"]).arg(&program);
    step("A program linked to it", &mut compile)?;
    let output = Command::new(program.canonicalize()?).output()?;
    fs::remove_file(&source)?;
    fs::remove_file(&program)?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(said == version, "the library says {said:?}, its header {version:?}");
    Ok(())
}
