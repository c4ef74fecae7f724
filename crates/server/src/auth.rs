//! Who a client is, and what that allows.

pub(crate) mod permission;
mod reach;
pub(crate) mod role;
pub(crate) mod scram;
pub(crate) mod user;
pub(crate) mod users;
