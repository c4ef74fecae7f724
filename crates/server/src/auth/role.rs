//! The built-in roles, and what each allows on which databases.

use crate::table::Access;

/// A role that was granted, on the database it was granted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) name: &'static str,
    pub(crate) database: String,
}

/// What a role allows.
struct Grant {
    name: &'static str,
    /// Allows this on every database, not just its own. Such roles exist on `admin` only.
    everywhere: bool,
    allows: &'static [Access],
}

const READ: &[Access] = &[Access::Read, Access::Inspect];
const READ_WRITE: &[Access] = &[Access::Read, Access::Inspect, Access::Write, Access::Index];
const ADMIN: &[Access] = &[Access::Inspect, Access::Index, Access::DatabaseAdmin];
const OWNER: &[Access] = &[
    Access::Read,
    Access::Inspect,
    Access::Write,
    Access::Index,
    Access::DatabaseAdmin,
    Access::UserAdmin,
];
const ROOT: &[Access] = &[
    Access::Read,
    Access::Inspect,
    Access::Write,
    Access::Index,
    Access::DatabaseAdmin,
    Access::UserAdmin,
    Access::Monitor,
    Access::ServerAdmin,
];

const ROLES: &[Grant] = &[
    Grant { name: "read", everywhere: false, allows: READ },
    Grant { name: "readWrite", everywhere: false, allows: READ_WRITE },
    Grant { name: "dbAdmin", everywhere: false, allows: ADMIN },
    Grant { name: "dbOwner", everywhere: false, allows: OWNER },
    Grant { name: "userAdmin", everywhere: false, allows: &[Access::UserAdmin] },
    Grant { name: "readAnyDatabase", everywhere: true, allows: READ },
    Grant { name: "readWriteAnyDatabase", everywhere: true, allows: READ_WRITE },
    Grant { name: "dbAdminAnyDatabase", everywhere: true, allows: ADMIN },
    Grant { name: "userAdminAnyDatabase", everywhere: true, allows: &[Access::UserAdmin] },
    Grant { name: "clusterMonitor", everywhere: true, allows: &[Access::Inspect, Access::Monitor] },
    Grant {
        name: "clusterAdmin",
        everywhere: true,
        allows: &[Access::Inspect, Access::Monitor, Access::ServerAdmin],
    },
    Grant {
        name: "hostManager",
        everywhere: true,
        allows: &[Access::Monitor, Access::ServerAdmin],
    },
    Grant { name: "backup", everywhere: true, allows: READ },
    Grant {
        name: "restore",
        everywhere: true,
        allows: &[Access::Inspect, Access::Write, Access::Index, Access::DatabaseAdmin],
    },
    Grant { name: "root", everywhere: true, allows: ROOT },
];

/// The database on which roles for all databases live.
const ADMIN_DATABASE: &str = "admin";

impl Role {
    /// The built-in role of this name, if it exists on this database.
    pub(crate) fn find(name: &str, database: &str) -> Option<Self> {
        let grant = ROLES.iter().find(|grant| grant.name == name)?;
        (!grant.everywhere || database == ADMIN_DATABASE)
            .then(|| Self { name: grant.name, database: database.to_owned() })
    }

    /// Whether the role allows `access` to `database`.
    pub(crate) fn allows(&self, access: Access, database: &str) -> bool {
        let grant = ROLES.iter().find(|grant| grant.name == self.name);
        grant.is_some_and(|grant| {
            (grant.everywhere || self.database == database) && grant.allows.contains(&access)
        })
    }

    /// The names of the roles that exist on a database.
    pub(crate) fn names(database: &str) -> impl Iterator<Item = &'static str> {
        let on_admin = database == ADMIN_DATABASE;
        ROLES.iter().filter(move |grant| on_admin || !grant.everywhere).map(|grant| grant.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_ends_at_its_database() {
        let role = Role::find("readWrite", "a").unwrap();
        assert!(role.allows(Access::Write, "a") && role.allows(Access::Index, "a"));
        assert!(!role.allows(Access::Write, "b"));
        assert!(!role.allows(Access::UserAdmin, "a"));
    }

    #[test]
    fn roles_for_all_databases_live_on_admin() {
        assert!(Role::find("root", "a").is_none());
        let root = Role::find("root", "admin").unwrap();
        assert!(root.allows(Access::ServerAdmin, "anything"));
        assert!(Role::find("nothing", "admin").is_none());
    }

    #[test]
    fn reading_is_not_writing() {
        let role = Role::find("read", "a").unwrap();
        assert!(role.allows(Access::Read, "a") && !role.allows(Access::Write, "a"));
    }
}
