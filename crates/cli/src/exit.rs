//! Exit codes, all of them. Scripts rely on them; a number never changes its meaning.

/// Something failed that has no code of its own; standard error says what.
pub(crate) const FAILURE: u8 = 1;
/// `keys rewrap` without `--apply` found keys to wrap anew.
pub(crate) const WORK_LEFT: u8 = 10;
/// `keys rewrap --apply` could not wrap some keys anew.
pub(crate) const SOME_FAILED: u8 = 11;
/// `explain` shows that the command is refused.
pub(crate) const REFUSED: u8 = 12;
/// `schema check` found faults.
pub(crate) const FAULTY_SCHEMA: u8 = 13;
