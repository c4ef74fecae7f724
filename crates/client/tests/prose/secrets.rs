//! All prose tests once more, with everything logged that can be: no secret and no plaintext that
//! they use is in it.

use std::{
    fs::{self, OpenOptions},
    process::{Command, Stdio},
    sync::Once,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tracing_subscriber::filter::LevelFilter;

use crate::search::assert_absent;

/// The file that the tests log to.
const LOG: &str = "FIELDVEIL_TEST_LOG";
/// The file in which they note what is secret.
const SECRETS: &str = "FIELDVEIL_TEST_SECRETS";

/// Plaintexts of the tests that are long enough to be nothing else.
const PLAINTEXTS: [&str; 9] = [
    "hello aws",
    "hello azure",
    "hello gcp",
    "hello kmip",
    "hello local",
    "string0",
    "encrypted indexed value",
    "encrypted unindexed value",
    "foobarbaz",
];

/// Logs all there is to the file that the environment names, if it names one.
pub(crate) fn log_if_asked() {
    static BEGUN: Once = Once::new();
    let Some(path) = std::env::var_os(LOG) else { return };
    BEGUN.call_once(|| {
        let file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(file)
            .init();
    });
}

#[test]
fn the_log_of_all_tests_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let (log, secrets) = (dir.path().join("log"), dir.path().join("secrets"));
    let mut tests = Command::new(std::env::current_exe().unwrap());
    tests.args(["--skip", "secrets::", "--skip", "search::"]);
    let output = tests.env(LOG, &log).env(SECRETS, &secrets).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    let log = String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned();
    assert!(log.contains(" TRACE ") && log.contains("rustls"), "everything is heard");
    let secrets = fs::read_to_string(secrets).unwrap();
    assert!(secrets.lines().count() > 100, "the tests note what is secret");
    for secret in secrets.lines() {
        assert_absent(&log, &STANDARD.decode(secret).unwrap());
    }
    assert_absent(&log, &(0..96).collect::<Vec<u8>>());
    assert_absent(&log, &(100..196).collect::<Vec<u8>>());
    for plaintext in PLAINTEXTS {
        assert!(!log.contains(plaintext), "{plaintext} is logged");
    }
}
