//! The query analysis daemon that MongoDB drivers spawn.
fn main() {}
