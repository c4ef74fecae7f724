//! Running other programs, with what they were asked to do in the error when they fail.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};

/// The root of the workspace, whatever directory the command was called from.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// The directory that holds built programs and libraries of `profile` (`debug`, `release` or `dist`).
pub(crate) fn built(profile: &str) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |dir| root().join(PathBuf::from(dir)))
        .join(profile)
}

/// `cargo`, as the one that runs us.
pub(crate) fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    command
}

/// Whether `command` can be started and says that it succeeded; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Runs `command` to its end, under a heading that says what it is for and how long it took.
pub(crate) fn step(title: &str, command: &mut Command) -> Result<()> {
    println!("\n== {title}");
    let begin = Instant::now();
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{title} failed ({status}): {command:?}");
    }
    println!("== {title}: passed in {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// Runs commands one beside the other, each as by [`step`]; what one prints is shown when it ends.
pub(crate) fn side_by_side(steps: &mut [(&str, Command)]) -> Result<()> {
    if let [(title, command)] = steps {
        return step(title, command);
    }
    std::thread::scope(|scope| {
        let run = |(title, command): &mut (&str, Command)| captured(title, command);
        let running: Vec<_> = steps.iter_mut().map(|one| scope.spawn(move || run(one))).collect();
        // All of them, before the first failure counts.
        let ended: Vec<Result<()>> = running
            .into_iter()
            .map(|it| it.join().unwrap_or_else(|_| Err(anyhow!("a step panicked"))))
            .collect();
        ended.into_iter().collect()
    })
}

fn captured(title: &str, command: &mut Command) -> Result<()> {
    let begin = Instant::now();
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n== {title}")?;
    out.write_all(&output.stdout)?;
    out.write_all(&output.stderr)?;
    if !output.status.success() {
        bail!("{title} failed ({}): {command:?}", output.status);
    }
    writeln!(out, "== {title}: passed in {:.1} s", begin.elapsed().as_secs_f64())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn steps_run_beside_each_other_and_one_failure_is_enough() {
        let folder = std::env::temp_dir().join(format!("fieldveil-xtask-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // Each waits for the other, so that neither ends if they run in turn.
        let script = |own: &str, other: &str| {
            let (own, other) = (folder.join(own), folder.join(other));
            let (own, other) = (own.display(), other.display());
            shell(&format!(
                "touch {own}; for _ in $(seq 500); do [ -e {other} ] && exit 0; sleep 0.01; done; \
                 exit 1"
            ))
        };
        side_by_side(&mut [("one", script("a", "b")), ("two", script("b", "a"))]).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let failed = side_by_side(&mut [("good", shell("exit 0")), ("bad", shell("exit 3"))]);
        assert!(failed.unwrap_err().to_string().starts_with("bad failed"));
        side_by_side(&mut [("alone", shell("exit 0"))]).unwrap();
    }
}
