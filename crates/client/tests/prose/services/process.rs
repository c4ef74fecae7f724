//! Tests that need environment variables run again in a process of their own.

use std::process::Stdio;

/// Says which test a process was started for.
const MARKER: &str = "FIELDVEIL_TEST_IN_PROCESS";

/// Whether this is the process with the variables, in which the test does its work. In the first
/// process it starts the other one, and fails if that one fails.
///
/// `test` is the full name of the calling test.
pub(crate) async fn has_variables(test: &str, variables: &[(&str, &str)]) -> bool {
    let is_there = is_in(test);
    if !is_there {
        run(test, variables).await;
    }
    is_there
}

/// Whether this process was started for this test by [`run`].
pub(crate) fn is_in(test: &str) -> bool {
    std::env::var(MARKER).is_ok_and(|name| name == test)
}

/// Runs a test in a process with these variables, and with none of a cloud besides.
pub(crate) async fn run(test: &str, variables: &[(&str, &str)]) {
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("AWS_") || name.starts_with("GCE_")) {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().copied()).env(MARKER, test);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let output = child.unwrap().wait_with_output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (shown, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && shown.contains("1 passed"), "{test}:\n{shown}{errors}");
}
