//! The query analysis daemon that MongoDB drivers spawn.

use std::process::ExitCode;

fn main() -> ExitCode {
    fieldveil_server::cryptd::main()
}
