//! Builds of the C libraries that are guided by a profile: they are built once to count what the
//! operations of the benchmark run, and again with these counts. Rarely run code is then laid out
//! apart from what runs often, which matters to an operation that takes a microsecond and runs through
//! fifty kilobytes of code.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bench;
use crate::process::{built, cargo, step};

/// Builds the packages so; where their libraries are.
pub(crate) fn build(packages: &[&str]) -> Result<PathBuf> {
    let compiler = Compiler::find()?;
    let folder = built("guided");
    let counts = folder.join("counts");
    if counts.exists() {
        fs::remove_dir_all(&counts)?;
    }
    let flag = format!("-Cprofile-generate={}", counts.display());
    let counting = compiler.build("counting", &["fieldveil-mongocrypt"], &flag)?;
    step(
        "Operations to count",
        Command::new(bench::program()?).arg(counting.join("libmongocrypt.so")).args([
            "--threads",
            "1",
            "--rounds",
            "2",
            "--seconds",
            "0.05",
        ]),
    )?;
    let profile = folder.join("profile");
    let files = fs::read_dir(&counts).context("nothing was counted")?;
    let files = files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    let mut merge = Command::new(&compiler.profdata);
    step("Profile", merge.args(["merge", "-o"]).arg(&profile).args(files))?;
    compiler.build("built", packages, &format!("-Cprofile-use={}", profile.display()))
}

/// The compiler's own tools, and what it compiles for.
struct Compiler {
    profdata: PathBuf,
    host: String,
}

impl Compiler {
    fn find() -> Result<Self> {
        let said = rustc(&["-vV"])?;
        let host = said.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("rustc names no host")?.to_owned();
        let root = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
        let profdata = root.join("lib/rustlib").join(&host).join("bin/llvm-profdata");
        ensure!(
            profdata.exists(),
            "the compiler's llvm-profdata is missing: `rustup component add llvm-tools` installs it"
        );
        Ok(Self { profdata, host })
    }

    /// Builds with a flag, which build scripts and macros are spared for there is a target; where
    /// the libraries are, in a folder of their own.
    fn build(&self, folder: &str, packages: &[&str], flag: &str) -> Result<PathBuf> {
        let folder = built("guided").join(folder);
        let mut command = cargo(["build", "--profile", "dist", "--target", &self.host]);
        command
            .arg("--target-dir")
            .arg(&folder)
            .args(packages.iter().flat_map(|package| ["--package", package]))
            .env("CARGO_ENCODED_RUSTFLAGS", flag);
        step(&format!("C libraries with {flag}"), &mut command)?;
        Ok(folder.join(&self.host).join("dist"))
    }
}

fn rustc(arguments: &[&str]) -> Result<String> {
    let output = Command::new("rustc").args(arguments).output().context("cannot start rustc")?;
    ensure!(output.status.success(), "rustc {arguments:?} failed");
    Ok(String::from_utf8(output.stdout)?)
}
