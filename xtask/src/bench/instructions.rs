//! Instruction counts as a gate: what no clock on a shared machine can show.
//!
//! Callgrind runs one benchmark program through all scenarios and writes a file for each. Counted
//! are the instructions of our library itself, not those of the C library around it, and the calls
//! of its allocator. Both depend on the code alone: valgrind shows every program the same
//! processor, one with AVX2, AES-NI and BMI2 but without VAES, SHA extensions and AVX-512, if the
//! machine below has at least those.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::{built, root, succeeds};

#[derive(Args)]
pub(crate) struct Options {
    /// Write the counts instead of comparing with them.
    #[arg(long)]
    bless: bool,
}

/// Operations of each scenario.
const OPERATIONS: u64 = 10;

/// How many more instructions an operation may take, in per cent.
const TOLERANCE: f64 = 3.0;

/// The function at whose ends callgrind starts, stops and writes.
const COUNTED: &str = "counted_operations";

/// Compares with the table as part of the tests, where valgrind is at hand or can be installed.
pub(crate) fn gate() -> Result<()> {
    if !has_valgrind() && !install_valgrind() {
        println!("\n== Instruction counts: left out, valgrind is missing");
        return Ok(());
    }
    run(&Options { bless: false })
}

fn has_valgrind() -> bool {
    succeeds(Command::new("valgrind").arg("--version"))
}

/// Installs Debian's package, if there are Debian packages here and we may.
fn install_valgrind() -> bool {
    const INSTALL: [&str; 4] = ["install", "--yes", "--no-install-recommends", "valgrind"];
    let apt = || Command::new("apt-get");
    let installs = || succeeds(apt().args(INSTALL).env("DEBIAN_FRONTEND", "noninteractive"));
    (installs() || succeeds(apt().arg("update")) && installs()) && has_valgrind()
}

pub(super) fn run(options: &Options) -> Result<()> {
    if !has_valgrind() {
        bail!("valgrind is missing: install it, or leave this command out");
    }
    let (library, program) = (super::library()?, super::program()?);
    println!("\n== Counting");
    let measured = count(&library, &program)?;
    let table = root().join("bench/instructions.txt");
    if options.bless {
        fs::write(&table, measured.to_text())?;
        println!("{} written", table.display());
        return Ok(());
    }
    let text = fs::read_to_string(&table).with_context(|| format!("no {}", table.display()))?;
    compare(&Counts::parse(&text)?, &measured)
}

/// What was counted, and what the counts depend on.
struct Counts {
    /// The instructions that the processor has.
    path: String,
    /// The compiler.
    compiler: String,
    scenarios: Vec<Scenario>,
}

/// One operation.
struct Scenario {
    name: String,
    instructions: u64,
    allocations: u64,
}

fn compare(expected: &Counts, measured: &Counts) -> Result<()> {
    if measured.path != expected.path {
        println!("Counted on {}, the table is for {}: not compared", measured.path, expected.path);
        return Ok(());
    }
    let same_compiler = measured.compiler == expected.compiler;
    let mut worse = Vec::new();
    println!("{:26} {:>12} {:>12} {:>8} {:>12}", "", "expected", "counted", "", "allocations");
    for now in &measured.scenarios {
        let Some(before) = expected.scenarios.iter().find(|before| before.name == now.name) else {
            bail!("{} is not in the table: write it with --bless", now.name);
        };
        let change = (now.instructions as f64 / before.instructions as f64 - 1.0) * 100.0;
        println!(
            "{:26} {:>12} {:>12} {change:>+7.1}% {:>5} -> {:>3}",
            now.name, before.instructions, now.instructions, before.allocations, now.allocations
        );
        if change > TOLERANCE || now.allocations > before.allocations {
            worse.push(now.name.as_str());
        }
    }
    if worse.is_empty() {
        println!("No operation takes over {TOLERANCE} % more instructions, or another allocation.");
        return Ok(());
    }
    if !same_compiler {
        println!(
            "More than before: {}. But {} compiled this, and {} the table: not an error",
            worse.join(", "),
            measured.compiler,
            expected.compiler
        );
        return Ok(());
    }
    bail!("more work than before: {}. If it must be so, write it with --bless", worse.join(", "))
}

fn count(library: &Path, program: &Path) -> Result<Counts> {
    let folder = built("callgrind");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--dump-before={COUNTED}"))
        .arg(format!("--dump-after={COUNTED}"))
        .arg("--callgrind-out-file=counts")
        .args([program, library])
        .args(["--count", &OPERATIONS.to_string(), "--threads", "1"])
        .args(["--only", "bulk,insert,explicit,1MiB,parse"])
        .current_dir(&folder)
        .output()
        .context("cannot start valgrind")?;
    if !output.status.success() {
        bail!("counting failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let output = String::from_utf8(output.stdout)?;
    let mut lines = output.lines().filter_map(|line| line.split_once('\t'));
    let Some(("path", path)) = lines.next() else { bail!("the program says no path") };
    let mut scenarios = Vec::new();
    for (number, (name, _)) in lines.enumerate() {
        // The function is called twice for each scenario, and a file is written at both its ends.
        let profile = fs::read_to_string(folder.join(format!("counts.{}", 4 * number + 4)))?;
        let (instructions, allocations) = read_profile(&profile, library);
        if instructions == 0 {
            bail!("nothing was counted in {name}");
        }
        scenarios.push(Scenario {
            name: name.to_owned(),
            instructions: instructions / OPERATIONS,
            allocations: allocations / OPERATIONS,
        });
    }
    Ok(Counts { path: path.to_owned(), compiler: compiler()?, scenarios })
}

/// `rustc 1.95.0`
fn compiler() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output()?;
    let version = String::from_utf8(output.stdout)?;
    Ok(version.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// Instructions of `library` itself, and calls of the allocator by anyone, in callgrind's format:
/// `ob=` and `cfn=` say where we are and what is called, with the name at its first mention and
/// its number later; the line after `calls=` is the cost of the callee.
fn read_profile(profile: &str, library: &Path) -> (u64, u64) {
    const ALLOCATORS: [&str; 5] = ["malloc", "calloc", "realloc", "memalign", "posix_memalign"];
    let library = library.to_string_lossy();
    let (mut objects, mut functions) = (HashMap::new(), HashMap::new());
    let (mut in_library, mut is_allocator, mut skips) = (false, false, false);
    let (mut instructions, mut allocations) = (0, 0);
    for line in profile.lines() {
        if let Some((key, value)) = line.split_once('=') {
            match key {
                "ob" => in_library = name_of(&mut objects, value) == library,
                "cob" => _ = name_of(&mut objects, value),
                "fn" => _ = name_of(&mut functions, value),
                "cfn" => is_allocator = ALLOCATORS.contains(&name_of(&mut functions, value)),
                "calls" => {
                    skips = true;
                    if is_allocator {
                        allocations += first_number(value);
                    }
                }
                _ => {}
            }
        } else if line.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '*')) {
            if in_library && !skips {
                instructions += line.split_whitespace().nth(1).map_or(0, first_number);
            }
            skips = false;
        }
    }
    (instructions, allocations)
}

/// `(7) name` or, after that, `(7)`.
fn name_of<'a>(names: &mut HashMap<&'a str, &'a str>, value: &'a str) -> &'a str {
    match value.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(value).copied().unwrap_or(value),
    }
}

fn first_number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

impl Counts {
    fn to_text(&self) -> String {
        let mut text = format!(
            "# One operation through the C interface: instructions of our library, allocations.\n\
             # Written by `cargo xtask bench instructions --bless`; see README.md beside this file.\n\
             path\t{}\ncompiler\t{}\n",
            self.path, self.compiler
        );
        for Scenario { name, instructions, allocations } in &self.scenarios {
            text += &format!("{name}\t{instructions}\t{allocations}\n");
        }
        text
    }

    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut header = |name: &str| {
            let value = lines.next().and_then(|line| line.split_once('\t'));
            value
                .filter(|(found, _)| *found == name)
                .map(|(_, value)| value.to_owned())
                .with_context(|| format!("the table says no {name}"))
        };
        let (path, compiler) = (header("path")?, header("compiler")?);
        let scenario = |line: &str| {
            let mut columns = line.split('\t');
            let name = columns.next()?.to_owned();
            let instructions = columns.next()?.parse().ok()?;
            let allocations = columns.next()?.parse().ok()?;
            Some(Scenario { name, instructions, allocations })
        };
        let scenarios = lines
            .map(|line| scenario(line).with_context(|| format!("not a line of the table: {line}")))
            .collect::<Result<_>>()?;
        Ok(Self { path, compiler, scenarios })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read() {
        let profile = "events: Ir\n\
            ob=(1) /a/ours.so\nfl=(1) ???\nfn=(1) one\n0 70\n+3 5\n\
            cob=(2) /lib/c.so\ncfn=(2) malloc\ncalls=4 0 \n0 900\n0 7\n\
            ob=(2)\nfn=(2)\n0 900\n\
            ob=(1)\nfn=(3) two\n* 1\ncob=(2)\ncfn=(2)\ncalls=2 12\n5 80\n";
        assert_eq!(read_profile(profile, Path::new("/a/ours.so")), (83, 6));
    }

    #[test]
    fn tables_survive_writing_and_reading() {
        let text = "path\tx86-64 AVX2\ncompiler\trustc 1.95.0\nexplicit_decrypt\t7000\t12\n";
        let counts = Counts::parse(text).unwrap();
        assert!(counts.to_text().ends_with(text));
        assert!(compare(&counts, &counts).is_ok());
        let mut more = Counts::parse(text).unwrap();
        more.scenarios[0].instructions = 7300;
        assert!(compare(&counts, &more).is_err());
        more.path = "x86-64".to_owned();
        assert!(compare(&counts, &more).is_ok());
    }
}
