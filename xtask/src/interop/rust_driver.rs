//! What the suite `rust-driver` needs beside the workspace's own programs.

use anyhow::Result;

use crate::process::{built, cargo, step};

/// Builds the program of `interop/rust-driver`, linked to the `libmongocrypt` of a layout as
/// `cargo xtask dist` makes it, under `dist/` beside the other programs.
pub(super) fn build() -> Result<()> {
    let layout = super::libraries()?;
    let mut build = cargo(["build", "--manifest-path", "interop/rust-driver/Cargo.toml"]);
    build.args(["--locked", "--target-dir"]).arg(built("debug").join(".."));
    step("The official Rust driver", build.env("MONGOCRYPT_LIB_DIR", layout.join("lib")))
}
