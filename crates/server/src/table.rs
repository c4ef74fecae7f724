//! The table of commands: a name, what runs it, who may, and how.

use std::{collections::HashMap, sync::LazyLock};

use crate::{
    call::Call,
    commands::{self},
    error::{CommandError, CommandResult},
    write_later::Write,
};

/// Runs a command. The dispatcher adds `ok` and what else belongs to every reply.
pub(crate) type Handler = fn(&Call<'_>) -> CommandResult;

/// Says what a command writes, without writing it.
pub(crate) type WriteHandler = fn(&Call<'_>) -> Result<Write, CommandError>;

/// What runs a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// This does all of it.
    Whole(Handler),
    /// This prepares a write, which may be waited for in two ways; see [`crate::write_later`].
    Write(WriteHandler),
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) run: Run,
    pub(crate) access: Access,
    pub(crate) placement: Placement,
    pub(crate) scope: Scope,
    /// Whether the command belongs to the stable API, version 1.
    pub(crate) is_stable: bool,
    pub(crate) help: &'static str,
}

/// Who may run a command, when authentication is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone, before authentication too.
    Public,
    /// Every authenticated user.
    Authenticated,
    /// Who may read the database.
    Read,
    /// Who may see what is in the database: names, indexes, statistics.
    Inspect,
    /// Who may write to the database.
    Write,
    /// Who may make collections and indexes.
    Index,
    /// Who may change collections and drop the database.
    DatabaseAdmin,
    /// Who may administer users of the database.
    UserAdmin,
    /// Who may see how the server is doing.
    Monitor,
    /// Who may administer the server.
    ServerAdmin,
}

/// Where a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// On the connection's task: it neither waits nor takes long.
    Inline,
    /// On a thread that may wait.
    Blocking,
}

/// On which databases a command may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// On any.
    AnyDatabase,
    /// Only on `admin`.
    AdminOnly,
    /// On any, and only when test commands are enabled.
    TestOnly,
}

impl Command {
    /// A command on a thread that may wait, on any database, outside the stable API.
    pub(crate) const fn new(
        name: &'static str,
        access: Access,
        run: Handler,
        help: &'static str,
    ) -> Self {
        Self::running(name, access, Run::Whole(run), help)
    }

    /// A command that writes statements and answers with what came of them.
    pub(crate) const fn write(
        name: &'static str,
        prepare: WriteHandler,
        help: &'static str,
    ) -> Self {
        Self::running(name, Access::Write, Run::Write(prepare), help)
    }

    const fn running(name: &'static str, access: Access, run: Run, help: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            run,
            access,
            placement: Placement::Blocking,
            scope: Scope::AnyDatabase,
            is_stable: false,
            help,
        }
    }

    pub(crate) const fn alias(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    pub(crate) const fn inline(self) -> Self {
        Self { placement: Placement::Inline, ..self }
    }

    pub(crate) const fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// Its name and its aliases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Whether its first field is a database and a collection, instead of a collection.
    pub(crate) fn names_namespace(&self) -> bool {
        matches!(self.name, "dataSize")
    }

    pub(crate) const fn stable(self) -> Self {
        Self { is_stable: true, ..self }
    }
}

/// The command of this name. Names are case-sensitive, as on the server.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    static BY_NAME: LazyLock<HashMap<&'static str, &'static Command>> = LazyLock::new(|| {
        let rows = all().flat_map(|command| command.names().map(move |name| (name, command)));
        rows.collect()
    });
    BY_NAME.get(name).copied()
}

/// Every command, by family.
pub(crate) fn all() -> impl Iterator<Item = &'static Command> {
    commands::FAMILIES.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_given_twice() {
        let names: Vec<&str> = all().flat_map(Command::names).collect();
        let unique: std::collections::HashSet<&str> = names.iter().copied().collect();
        assert_eq!(names.len(), unique.len());
    }
}
