//! `cargo xtask fuzz`: the targets of `fuzz/`, with libFuzzer and AddressSanitizer.
//!
//! What `cargo fuzz` does with a nightly compiler, with the compiler that is installed: the few
//! unstable flags it needs are allowed by `RUSTC_BOOTSTRAP`, for this build alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::{built, cargo, root, step};

/// Coverage counters and traced comparisons for libFuzzer, AddressSanitizer, checked arithmetic.
const FLAGS: [&str; 9] = [
    "--cfg fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Zsanitizer=address",
    "-Cdebug-assertions",
    "-Ccodegen-units=1",
];

#[derive(Args)]
pub(crate) struct Options {
    /// Which targets, by file name under `fuzz/fuzz_targets`; without one, all in turn.
    targets: Vec<String>,
    /// How long each runs, in seconds.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
    /// Print the targets, run none.
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let all = targets()?;
    if options.list {
        all.iter().for_each(|name| println!("{name}"));
        return Ok(());
    }
    if let Some(unknown) = options.targets.iter().find(|name| !all.contains(*name)) {
        bail!("no fuzz target is called {unknown:?}; `cargo xtask fuzz --list` prints them");
    }
    let chosen: Vec<_> = if options.targets.is_empty() {
        all.iter().collect()
    } else {
        options.targets.iter().collect()
    };
    let target = built("fuzz");
    build(&target, &chosen)?;
    chosen.iter().try_for_each(|name| fuzz(&target, name, options.seconds))
}

/// The names of the binaries that `fuzz/Cargo.toml` declares.
fn targets() -> Result<BTreeSet<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let mut names = BTreeSet::new();
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml"))?;
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        // Files beside the targets hold what targets share.
        if manifest.contains(&format!("name = \"{name}\"")) {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

fn build(target: &Path, names: &[&String]) -> Result<()> {
    let mut command = cargo(["build", "--release", "--target", TRIPLE, "--target-dir"]);
    command.arg(target).args(names.iter().flat_map(|name| ["--bin", name]));
    command
        .current_dir(root().join("fuzz"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", FLAGS.join(" "))
        .env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only")
        .env("CARGO_PROFILE_RELEASE_LTO", "off");
    step("Fuzz targets", &mut command)
}

/// Sanitizers exist for few targets; this is where ours run.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Puts the documents of `fuzz/seeds` into a corpus, as BSON: `analysis_filter` begins with those
/// of `filter.jsonl`. Random bytes alone hardly ever become an operator.
fn seed(name: &str, corpus: &Path) -> Result<()> {
    let kind = name.rsplit('_').next().unwrap_or(name);
    let file = root().join("fuzz/seeds").join(format!("{kind}.jsonl"));
    if !file.exists() {
        return Ok(());
    }
    let text = fs::read_to_string(&file)?;
    for (number, line) in text.lines().enumerate() {
        let place = || format!("{}:{}", file.display(), number + 1);
        let value: serde_json::Value = serde_json::from_str(line).with_context(place)?;
        let bson::Bson::Document(document) = value.try_into().with_context(place)? else {
            bail!("{} is no document", place());
        };
        fs::write(corpus.join(format!("seed-{number}")), document.to_vec()?)?;
    }
    Ok(())
}

/// One target. Its corpus and what made it crash stay under the target directory.
fn fuzz(target: &Path, name: &str, seconds: u32) -> Result<()> {
    let corpus = target.join("corpus").join(name);
    fs::create_dir_all(&corpus)?;
    seed(name, &corpus)?;
    let crashes = target.join("crashes").join(name);
    fs::create_dir_all(&crashes)?;
    step(
        &format!("Fuzzing {name}"),
        Command::new(target.join(TRIPLE).join("release").join(name))
            .arg(&corpus)
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", crashes.display()))
            // An input that takes ten seconds or a gigabyte is a fault too.
            .args(["-timeout=10", "-rss_limit_mb=2048", "-max_len=4096", "-print_final_stats=1"]),
    )
}
