//! What a server is told when it starts.

use std::time::Duration;

/// Settings of a server that do not say where it listens.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Presents itself as the only member of this replica set.
    pub(crate) replica_set: Option<String>,
    /// Offers commands that only tests may use, such as fail points.
    pub(crate) test_commands: bool,
    /// Commands need an authenticated user.
    pub(crate) authentication: bool,
    /// Most connections at once.
    pub(crate) max_connections: usize,
    /// Cursors end after this time without use.
    pub(crate) cursor_timeout: Duration,
    /// Sessions end after this time without use.
    pub(crate) session_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            replica_set: None,
            test_commands: false,
            authentication: false,
            max_connections: 10_000,
            cursor_timeout: Duration::from_secs(10 * 60),
            session_timeout: Duration::from_secs(30 * 60),
        }
    }
}
