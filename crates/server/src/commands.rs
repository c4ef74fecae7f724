//! The commands, one file per family, each with its rows of the table.

use crate::table::Command;

mod administration;
mod aggregate;
mod authentication;
mod bulk_write;
mod collection;
mod count;
pub(crate) mod cursor;
mod database;
mod diagnostic;
mod explain;
mod find;
mod find_and_modify;
pub(crate) mod handshake;
mod index;
pub(crate) mod operation;
mod parameters;
mod profile;
mod replication;
mod session;
mod statistics;
mod test_only;
mod user;
mod write;

/// Every family's rows.
pub(crate) const FAMILIES: &[&[Command]] = &[
    handshake::COMMANDS,
    diagnostic::COMMANDS,
    parameters::COMMANDS,
    session::COMMANDS,
    authentication::COMMANDS,
    user::COMMANDS,
    test_only::COMMANDS,
    database::COMMANDS,
    collection::COMMANDS,
    index::COMMANDS,
    find::COMMANDS,
    count::COMMANDS,
    aggregate::COMMANDS,
    explain::COMMANDS,
    cursor::COMMANDS,
    find_and_modify::COMMANDS,
    write::COMMANDS,
    bulk_write::COMMANDS,
    statistics::COMMANDS,
    operation::COMMANDS,
    administration::COMMANDS,
    profile::COMMANDS,
    replication::COMMANDS,
];
