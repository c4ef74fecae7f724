//! C programs against the shared library, under AddressSanitizer, and under valgrind if it is
//! installed. The list of exported functions is compared with the header.

#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Functions that the header of release 1.21 declares.
const FUNCTIONS: usize = 80;

/// The shared library that Cargo built beside this test.
fn library() -> PathBuf {
    built("libmongocrypt.so")
}

fn built(name: &str) -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let library = deps.join(name);
    assert!(library.exists(), "{} was not built", library.display());
    library
}

fn source_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c")
}

fn include_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Compiles a program against the library, in a directory that has both names of it.
fn compile(name: &str, flags: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    for file in ["libmongocrypt.so", "libmongocrypt.so.0"] {
        std::os::unix::fs::symlink(library(), directory.path().join(file)).unwrap();
    }
    let program = directory.path().join(name);
    run(Command::new("cc")
        .args(["-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror", "-g"])
        .args(flags)
        .arg("-I")
        .arg(include_dir())
        .arg(source_dir().join(format!("{name}.c")))
        .arg("-L")
        .arg(directory.path())
        .arg(format!("-Wl,-rpath,{}", directory.path().display()))
        .args(["-lmongocrypt", "-lpthread", "-o"])
        .arg(&program));
    (directory, program)
}

fn check(name: &str) {
    check_with(name, &[]);
}

fn check_with(name: &str, arguments: &[&Path]) {
    let (_directory, program) =
        compile(name, &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    let output = run(Command::new(&program).args(arguments).env("ASAN_OPTIONS", "detect_leaks=1"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n");

    if Command::new("valgrind").arg("--version").output().is_ok() {
        let (_directory, program) = compile(name, &[]);
        run(Command::new("valgrind")
            .args(["--quiet", "--error-exitcode=1", "--leak-check=full"])
            .arg("--errors-for-leak-kinds=definite,indirect")
            .arg(&program)
            .args(arguments));
    }
}

#[test]
fn contexts() {
    check("contexts");
}

#[test]
fn misuse() {
    check("misuse");
}

#[test]
fn hooks() {
    check("hooks");
}

#[test]
fn threads() {
    check("threads");
}

#[test]
fn crypt_shared() {
    let directory = tempfile::tempdir().unwrap();
    let library = built("libmongo_crypt_v1.so");
    let copy = directory.path().join("mongo_crypt_v1.so");
    std::fs::copy(&library, &copy).unwrap();
    check_with("crypt_shared", &[&library, &copy, &self::library()]);
}

#[test]
fn exported_functions_are_those_of_the_header() {
    let header = std::fs::read_to_string(include_dir().join("mongocrypt/mongocrypt.h")).unwrap();
    let declared: BTreeSet<_> = header
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '('))
        .filter_map(|word| word.strip_suffix('(').or_else(|| word.split_once('(').map(|w| w.0)))
        .filter(|word| word.starts_with("mongocrypt_"))
        .map(str::to_owned)
        .collect();
    let output = run(Command::new("nm").args(["-D", "--defined-only"]).arg(library()));
    let exported: BTreeSet<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split(" T ").nth(1))
        .filter(|name| name.starts_with("mongocrypt_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(declared.len(), FUNCTIONS);
    assert_eq!(exported, declared);
}

#[test]
fn the_library_has_the_name_that_programs_look_for() {
    let output = run(Command::new("objdump").arg("-p").arg(library()));
    let text = String::from_utf8_lossy(&output.stdout);
    let name = text.lines().find_map(|line| line.trim().strip_prefix("SONAME"));
    assert_eq!(name.map(str::trim), Some("libmongocrypt.so.0"));
}
