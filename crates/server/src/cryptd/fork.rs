//! `--fork` without `fork(2)`: the program starts itself once more and waits for its first line.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, ExitCode, Stdio},
};

/// Set for the child, so that it does not start another.
const MARK: &str = "FIELDVEIL_MONGOCRYPTD_CHILD";

const READY: &str = "ready";

/// Whether this process is the one in the background.
pub(crate) fn is_child() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Starts the child, and ends as it does, or well once it listens.
pub(crate) fn parent() -> ExitCode {
    println!("about to fork child process, waiting until server is ready for connections.");
    match start_child() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mongocryptd: cannot start the child process: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start_child() -> std::io::Result<ExitCode> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(std::env::args_os().skip(1))
        .env(MARK, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    let mut child = command.spawn()?;
    println!("forked process: {}", child.id());
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    if line.trim() == READY {
        println!("child process started successfully, parent exiting");
        return Ok(ExitCode::SUCCESS);
    }
    let status = child.wait()?;
    eprintln!("mongocryptd: the child process failed; see the log");
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Tells the parent, if there is one, that the socket is open.
pub(crate) fn report_ready() {
    if is_child() {
        let mut output = std::io::stdout();
        // The parent may be gone already; the log is elsewhere, so nothing is lost.
        let _ = writeln!(output, "{READY}").and_then(|()| output.flush());
    }
}
