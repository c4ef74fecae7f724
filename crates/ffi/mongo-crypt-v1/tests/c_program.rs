//! The library as C sees it: a program that loads it, under AddressSanitizer, and the header.
#![expect(clippy::expect_used, reason = "a failure in a test's helper is a failed test")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The functions that every loader asks for.
const FUNCTIONS: [&str; 13] = [
    "analyze_query",
    "bson_free",
    "get_version",
    "get_version_str",
    "lib_create",
    "lib_destroy",
    "query_analyzer_create",
    "query_analyzer_destroy",
    "status_create",
    "status_destroy",
    "status_get_code",
    "status_get_error",
    "status_get_explanation",
];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The shared library, which is built beside this test.
fn library() -> PathBuf {
    let deps = std::env::current_exe().expect("a test has a path");
    let deps = deps.parent().expect("which is in a directory");
    let name =
        format!("{}mongo_crypt_v1{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    [deps.join(&name), deps.join("..").join(&name)]
        .into_iter()
        .find(|path| path.exists())
        .expect("cargo builds the shared library with its tests")
}

#[test]
fn a_c_program_uses_all_functions_without_a_fault_of_memory() {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mongo_crypt_v1_program");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let compiled = Command::new(compiler)
        .args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g"])
        .args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"])
        .arg("-I")
        .arg(here().join("include"))
        .arg(here().join("tests/program.c"))
        .arg("-o")
        .arg(&program)
        .arg("-ldl")
        .output()
        .expect("a C compiler is there");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let ran = Command::new(&program).arg(library()).output().expect("the program runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "done\n");
}

#[test]
fn the_header_declares_what_loaders_ask_for() {
    let header = std::fs::read_to_string(here().join("include/mongo_crypt-v1.h"))
        .expect("the header is there");
    for function in FUNCTIONS {
        assert!(header.contains(&format!("mongo_crypt_v1_{function}(")), "{function}");
    }
}
