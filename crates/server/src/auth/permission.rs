//! Whether the client's users may run a command.

use crate::{
    auth::users,
    codes,
    error::CommandError,
    peer::Peer,
    profiler,
    request::Request,
    shared::Shared,
    table::{Access, Command},
};

/// Refuses what the client's users may not do.
///
/// # Errors
/// Code 13.
pub(crate) fn authorize(
    shared: &Shared,
    peer: &Peer,
    command: &Command,
    request: &Request,
) -> Result<(), CommandError> {
    if !shared.options.authentication || command.access == Access::Public {
        return Ok(());
    }
    let client = peer.users(shared);
    if client.is_empty() {
        // The first user is made by whoever sits at this machine.
        let is_first = command.name == "createUser"
            && request.database == "admin"
            && peer.address.is_loopback()
            && shared.users.is_empty();
        return if is_first {
            Ok(())
        } else {
            Err(CommandError::new(
                codes::UNAUTHORIZED,
                format!("Command {} requires authentication", request.name),
            ))
        };
    }
    let database = request.database.as_str();
    let (users_database, users_collection) = users::NAMESPACE;
    if database == users_database
        && request.body.get_str(&request.name).is_ok_and(|name| name == users_collection)
    {
        let may_read = client.iter().any(|user| {
            user.may(Access::ServerAdmin, database) && user.may(Access::UserAdmin, database)
        });
        let is_read = matches!(command.access, Access::Read | Access::Inspect);
        return if is_read && may_read { Ok(()) } else { Err(not_authorized(request)) };
    }
    if names_profile(request)
        && !client.iter().any(|user| user.may(Access::DatabaseAdmin, database))
    {
        return Err(not_authorized(request));
    }
    if command.access == Access::Authenticated
        || client.iter().any(|user| user.may(command.access, database))
    {
        return Ok(());
    }
    Err(not_authorized(request))
}

/// Whether a command is on the collection that the profiler writes to.
pub(crate) fn names_profile(request: &Request) -> bool {
    let body = &request.body;
    let name = body.get_str(&request.name).or_else(|_| body.get_str("collection"));
    name.is_ok_and(|name| name == profiler::COLLECTION)
}

/// The error of a command that the client's users may not run.
pub(crate) fn not_authorized(request: &Request) -> CommandError {
    CommandError::new(
        codes::UNAUTHORIZED,
        format!(
            "not authorized on {} to execute command {{ {}: ... }}",
            request.database, request.name
        ),
    )
}
