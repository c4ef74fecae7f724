//! Users and roles.

use bson::{RawArray, RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};

use crate::{
    arguments::Arguments,
    auth::{
        permission::not_authorized,
        role::Role,
        scram::Mechanism,
        user::{User, UserName},
    },
    call::Call,
    codes,
    error::{CommandError, CommandResult},
    table::{Access, Command},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("createUser", Access::UserAdmin, create, "makes a user"),
    Command::new("updateUser", Access::UserAdmin, update, "changes a user"),
    Command::new("dropUser", Access::UserAdmin, drop_user, "removes a user"),
    Command::new("dropAllUsersFromDatabase", Access::UserAdmin, drop_all, "removes users"),
    Command::new("usersInfo", Access::Authenticated, info, "shows users"),
    Command::new("grantRolesToUser", Access::UserAdmin, grant, "adds roles to a user"),
    Command::new("revokeRolesFromUser", Access::UserAdmin, revoke, "takes roles from a user"),
    Command::new("rolesInfo", Access::Authenticated, roles_info, "shows the built-in roles"),
];

fn create(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    let name = user_name(call)?;
    let password = arguments.string("pwd")?.ok_or_else(|| {
        CommandError::bad_value("Must provide a 'pwd' field for all user documents")
    })?;
    let roles = roles(call, arguments.required("roles", arguments.array("roles"))?)?;
    let mechanisms = mechanisms(arguments)?;
    let custom_data = arguments.document("customData")?.map(ToOwned::to_owned);
    check_digest(arguments)?;
    arguments.ignore(&["authenticationRestrictions"]);
    arguments.finish()?;
    if call.shared.users.find(&name).is_some() {
        return Err(CommandError::new(51003, format!("User \"{name}\" already exists")));
    }
    let uuid = uuid::Uuid::new_v4().into_bytes();
    let mut user = User { name, uuid, roles, custom_data, credentials: Vec::new() };
    set_password(&mut user, password, &mechanisms)?;
    call.shared.users.save(&call.shared.store, user)?;
    Ok(rawdoc! {})
}

fn update(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    let mut user = existing(call)?;
    let given = arguments.array("mechanisms")?.is_some();
    let mechanisms = mechanisms(arguments)?;
    if let Some(list) = arguments.array("roles")? {
        user.roles = roles(call, list)?;
    }
    if let Some(data) = arguments.document("customData")? {
        user.custom_data = Some(data.to_owned());
    }
    check_digest(arguments)?;
    match arguments.string("pwd")? {
        Some(password) => set_password(&mut user, password, &mechanisms)?,
        None if given => user.credentials.retain(|(its, _)| mechanisms.contains(its)),
        None => {}
    }
    arguments.ignore(&["authenticationRestrictions"]);
    arguments.finish()?;
    call.shared.users.save(&call.shared.store, user)?;
    Ok(rawdoc! {})
}

fn drop_user(call: &Call<'_>) -> CommandResult {
    let name = user_name(call)?;
    call.arguments.finish()?;
    match call.shared.users.remove(&call.shared.store, |its| *its == name)? {
        0 => Err(not_found(&name)),
        _ => Ok(rawdoc! {}),
    }
}

fn drop_all(call: &Call<'_>) -> CommandResult {
    call.arguments.present("dropAllUsersFromDatabase");
    call.arguments.finish()?;
    let database = &call.request.database;
    let count = call.shared.users.remove(&call.shared.store, |its| its.database == *database)?;
    Ok(rawdoc! { "n": i32::try_from(count).unwrap_or(i32::MAX) })
}

fn grant(call: &Call<'_>) -> CommandResult {
    change_roles(call, |user, role| {
        if !user.roles.contains(&role) {
            user.roles.push(role);
        }
    })
}

fn revoke(call: &Call<'_>) -> CommandResult {
    change_roles(call, |user, role| user.roles.retain(|its| *its != role))
}

fn change_roles(call: &Call<'_>, change: impl Fn(&mut User, Role)) -> CommandResult {
    let arguments = &call.arguments;
    let mut user = existing(call)?;
    for role in roles(call, arguments.required("roles", arguments.array("roles"))?)? {
        change(&mut user, role);
    }
    arguments.finish()?;
    call.shared.users.save(&call.shared.store, user)?;
    Ok(rawdoc! {})
}

fn info(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    let database = &call.request.database;
    let credentials = arguments.bool("showCredentials")?.unwrap_or(false);
    let filter = arguments.document("filter")?.map(super::database::matcher).transpose()?;
    let wanted: Wanted = match arguments.present("usersInfo") {
        Some(RawBsonRef::Array(list)) => Wanted::Named(
            list.into_iter().flatten().map(|it| named(it, database)).collect::<Result<_, _>>()?,
        ),
        Some(RawBsonRef::Document(document))
            if document.get("forAllDBs").is_ok_and(|it| it.is_some()) =>
        {
            Wanted::All
        }
        Some(value @ (RawBsonRef::String(_) | RawBsonRef::Document(_))) => {
            Wanted::Named(vec![named(value, database)?])
        }
        _ => Wanted::OfDatabase,
    };
    arguments.ignore(&["showPrivileges", "showAuthenticationRestrictions", "showCustomData"]);
    arguments.finish()?;
    authorize_info(call, &wanted)?;
    let mut shown = RawArrayBuf::new();
    for user in call.shared.users.all() {
        let is_wanted = match &wanted {
            Wanted::All => true,
            Wanted::OfDatabase => user.name.database == *database,
            Wanted::Named(names) => names.contains(&user.name),
        };
        let document = user.describe(credentials);
        let matches = match &filter {
            Some(filter) => filter.matches(&document)?,
            None => true,
        };
        if is_wanted && matches {
            shown.push(document);
        }
    }
    Ok(rawdoc! { "users": shown })
}

/// Which users `usersInfo` is about.
enum Wanted {
    All,
    OfDatabase,
    Named(Vec<UserName>),
}

/// Everybody may look at themselves; at others, who administers the users of their database.
fn authorize_info(call: &Call<'_>, wanted: &Wanted) -> Result<(), CommandError> {
    if !call.shared.options.authentication {
        return Ok(());
    }
    let users = call.peer.users(call.shared);
    let may = |database: &str| users.iter().any(|user| user.may(Access::UserAdmin, database));
    let allowed = match wanted {
        Wanted::All => may("admin"),
        Wanted::OfDatabase => may(&call.request.database),
        Wanted::Named(names) => names
            .iter()
            .all(|name| may(&name.database) || users.iter().any(|user| user.name == *name)),
    };
    if allowed { Ok(()) } else { Err(not_authorized(call.request)) }
}

fn roles_info(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    let database = &call.request.database;
    arguments.ignore(&["showPrivileges", "showBuiltinRoles", "showAuthenticationRestrictions"]);
    let builtin = arguments.bool("showBuiltinRoles")?.unwrap_or(false);
    let names: Vec<Role> = match arguments.present("rolesInfo") {
        Some(RawBsonRef::Array(list)) => list
            .into_iter()
            .flatten()
            .filter_map(|role| parse_role(role, database).ok().flatten())
            .collect(),
        Some(value @ (RawBsonRef::String(_) | RawBsonRef::Document(_))) => {
            parse_role(value, database)?.into_iter().collect()
        }
        _ if builtin => {
            Role::names(database).filter_map(|name| Role::find(name, database)).collect()
        }
        _ => Vec::new(),
    };
    arguments.finish()?;
    let roles: RawArrayBuf = names
        .iter()
        .map(|role| {
            rawdoc! {
                "role": role.name, "db": role.database.as_str(), "isBuiltin": true,
                "roles": [], "inheritedRoles": [],
            }
        })
        .collect();
    let mut reply = RawDocumentBuf::new();
    reply.append(cstr!("roles"), roles);
    Ok(reply)
}

/// The user that the command's first field names.
fn user_name(call: &Call<'_>) -> Result<UserName, CommandError> {
    let field = call.request.name.as_str();
    let user = call.arguments.required(field, call.arguments.string(field))?;
    if user.is_empty() || user.contains('\0') {
        return Err(CommandError::bad_value("User document needs 'user' field to be non-empty"));
    }
    Ok(UserName::new(user, call.request.database.as_str()))
}

/// That user, as a copy to change.
fn existing(call: &Call<'_>) -> Result<User, CommandError> {
    let name = user_name(call)?;
    let user = call.shared.users.find(&name).ok_or_else(|| not_found(&name))?;
    User::from_document(&user.to_document()).ok_or_else(|| not_found(&name))
}

fn not_found(name: &UserName) -> CommandError {
    CommandError::new(codes::USER_NOT_FOUND, format!("User '{name}' not found"))
}

fn named(value: RawBsonRef<'_>, database: &str) -> Result<UserName, CommandError> {
    match value {
        RawBsonRef::String(user) => Ok(UserName::new(user, database)),
        RawBsonRef::Document(name) => match (name.get_str("user"), name.get_str("db")) {
            (Ok(user), Ok(database)) => Ok(UserName::new(user, database)),
            _ => Err(CommandError::bad_value("user must be of the form { user: .., db: .. }")),
        },
        _ => Err(CommandError::bad_value("UserName must be a string or an object")),
    }
}

fn roles(call: &Call<'_>, list: &RawArray) -> Result<Vec<Role>, CommandError> {
    let database = &call.request.database;
    let mut roles = Vec::new();
    for value in list.into_iter().flatten() {
        match parse_role(value, database)? {
            Some(role) if roles.contains(&role) => {}
            Some(role) => roles.push(role),
            None => {
                let (name, database) = role_name(value, database)?;
                return Err(CommandError::new(
                    codes::ROLE_NOT_FOUND,
                    format!("Could not find role: {name}@{database}"),
                ));
            }
        }
    }
    Ok(roles)
}

fn parse_role(value: RawBsonRef<'_>, database: &str) -> Result<Option<Role>, CommandError> {
    let (name, database) = role_name(value, database)?;
    Ok(Role::find(name, database))
}

fn role_name<'a>(
    value: RawBsonRef<'a>,
    database: &'a str,
) -> Result<(&'a str, &'a str), CommandError> {
    let invalid = || CommandError::bad_value("role must be a string or { role: .., db: .. }");
    match value {
        RawBsonRef::String(name) => Ok((name, database)),
        RawBsonRef::Document(role) => {
            let text = |role: &'a RawDocument, name| role.get_str(name).map_err(|_| invalid());
            Ok((text(role, "role")?, text(role, "db")?))
        }
        _ => Err(invalid()),
    }
}

fn mechanisms(arguments: &Arguments<'_>) -> Result<Vec<Mechanism>, CommandError> {
    let Some(list) = arguments.array("mechanisms")? else { return Ok(Mechanism::ALL.to_vec()) };
    let mut found = Vec::new();
    for name in list.into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        let mechanism = Mechanism::from_name(name)
            .ok_or_else(|| CommandError::bad_value(format!("Unknown auth mechanism '{name}'")))?;
        found.push(mechanism);
    }
    if found.is_empty() {
        return Err(CommandError::bad_value("mechanisms field must not be empty"));
    }
    Ok(found)
}

fn check_digest(arguments: &Arguments<'_>) -> Result<(), CommandError> {
    if arguments.bool("digestPassword")? == Some(false) {
        return Err(CommandError::bad_value(
            "digestPassword: false is not supported; send the password as it is",
        ));
    }
    Ok(())
}

fn set_password(
    user: &mut User,
    password: &str,
    mechanisms: &[Mechanism],
) -> Result<(), CommandError> {
    if password.is_empty() {
        return Err(CommandError::bad_value("Password cannot be empty"));
    }
    user.set_password(password, mechanisms)
        .map_err(|error| CommandError::bad_value(error.to_string()))
}
