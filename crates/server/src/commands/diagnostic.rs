//! Questions about the server itself.

use bson::{RawArrayBuf, RawDocumentBuf, raw::cstr, rawdoc};

use crate::{
    auth::user::roles_array,
    call::Call,
    codes,
    error::{CommandError, CommandResult},
    operations::Running,
    reply::append_named,
    shared::Shared,
    table::{self, Access, Command, Scope},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("ping", Access::Public, ping, "answers").inline().stable(),
    Command::new("buildInfo", Access::Public, build_info, "the server's version")
        .alias(&["buildinfo"])
        .inline(),
    Command::new("hostInfo", Access::Monitor, host_info, "the machine").inline(),
    Command::new("getCmdLineOpts", Access::Monitor, command_line, "how the server was started")
        .inline()
        .scope(Scope::AdminOnly),
    Command::new("getLog", Access::Monitor, get_log, "recent log lines")
        .inline()
        .scope(Scope::AdminOnly),
    Command::new("connectionStatus", Access::Public, connection_status, "who is connected")
        .inline(),
    Command::new("whatsmyuri", Access::Public, whats_my_uri, "the client's address").inline(),
    Command::new("serverStatus", Access::Monitor, server_status, "counters"),
    Command::new("listCommands", Access::Authenticated, list_commands, "every command").inline(),
    Command::new("features", Access::Authenticated, ping, "nothing").inline(),
    Command::new("logMessage", Access::ServerAdmin, ping, "accepted and not written")
        .inline()
        .scope(Scope::TestOnly),
];

fn ping(_: &Call<'_>) -> CommandResult {
    Ok(RawDocumentBuf::new())
}

fn build_info(_: &Call<'_>) -> CommandResult {
    let [major, minor, patch] = crate::SERVER_VERSION;
    Ok(rawdoc! {
        "version": format!("{major}.{minor}.{patch}"),
        "gitVersion": "none",
        "modules": [],
        "allocator": "system",
        "javascriptEngine": "none",
        "sysInfo": "deprecated",
        "versionArray": [major, minor, patch, 0],
        "openssl": { "running": "none" },
        "buildEnvironment": {
            "distmod": "fieldveil",
            "distarch": std::env::consts::ARCH,
            "target_os": std::env::consts::OS,
        },
        "bits": i32::try_from(usize::BITS).unwrap_or(64),
        "debug": cfg!(debug_assertions),
        "maxBsonObjectSize": 16_777_216,
        "storageEngines": ["fieldveil"],
        "fieldveilVersion": env!("CARGO_PKG_VERSION"),
    })
}

fn host_info(call: &Call<'_>) -> CommandResult {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(rawdoc! {
        "system": {
            "currentTime": bson::DateTime::now(),
            "hostname": call.shared.host_name(),
            "cpuAddrSize": i32::try_from(usize::BITS).unwrap_or(64),
            "numCores": i32::try_from(cores).unwrap_or(i32::MAX),
            "cpuArch": std::env::consts::ARCH,
            "numaEnabled": false,
        },
        "os": { "type": std::env::consts::OS, "name": std::env::consts::FAMILY, "version": "" },
        "extra": {},
    })
}

fn command_line(call: &Call<'_>) -> CommandResult {
    let options = &call.shared.options;
    let mut parsed = RawDocumentBuf::new();
    parsed.append(
        cstr!("net"),
        rawdoc! {
            "port": i32::from(call.shared.port()),
            "bindIp": call.shared.bind_ip(),
        },
    );
    if options.authentication {
        parsed.append(cstr!("security"), rawdoc! { "authorization": "enabled" });
    }
    if let Some(set) = &options.replica_set {
        parsed.append(cstr!("replication"), rawdoc! { "replSet": set.as_str() });
    }
    let mut argv = vec!["fieldveil", "serve"];
    if options.test_commands {
        parsed.append(cstr!("setParameter"), rawdoc! { "enableTestCommands": "1" });
        argv.push("--enable-test-commands");
    }
    let argv: RawArrayBuf = argv.into_iter().collect();
    Ok(rawdoc! { "argv": argv, "parsed": parsed })
}

fn get_log(call: &Call<'_>) -> CommandResult {
    match call.arguments.string("getLog")? {
        Some("*") => Ok(rawdoc! { "names": ["global", "startupWarnings"] }),
        Some("global" | "startupWarnings") => Ok(rawdoc! { "totalLinesWritten": 0, "log": [] }),
        Some(name) => {
            Err(CommandError::new(codes::ILLEGAL_OPERATION, format!("no RamLog named: {name}")))
        }
        None => Err(CommandError::type_mismatch("Argument to getLog must be of type String")),
    }
}

fn connection_status(call: &Call<'_>) -> CommandResult {
    let show_privileges = call.arguments.bool("showPrivileges")?.unwrap_or(false);
    let (mut users, mut roles) = (RawArrayBuf::new(), Vec::new());
    for user in call.peer.users(call.shared) {
        let name = &user.name;
        users.push(rawdoc! { "user": name.user.as_str(), "db": name.database.as_str() });
        roles.extend(user.roles.iter().cloned());
    }
    let mut info = rawdoc! {
        "authenticatedUsers": users,
        "authenticatedUserRoles": roles_array(&roles),
    };
    if show_privileges {
        info.append(cstr!("authenticatedUserPrivileges"), RawArrayBuf::new());
    }
    Ok(rawdoc! { "authInfo": info })
}

fn whats_my_uri(call: &Call<'_>) -> CommandResult {
    Ok(rawdoc! { "you": call.peer.address.to_string() })
}

fn server_status(call: &Call<'_>) -> CommandResult {
    let shared = call.shared;
    let [major, minor, patch] = crate::SERVER_VERSION;
    let uptime = shared.started.elapsed();
    let mut reply = rawdoc! {
        "host": shared.advertised(),
        "version": format!("{major}.{minor}.{patch}"),
        "process": "fieldveil",
        "pid": i64::from(std::process::id()),
        "uptime": uptime.as_secs_f64(),
        "uptimeMillis": i64::try_from(uptime.as_millis()).unwrap_or(i64::MAX),
        "localTime": bson::DateTime::now(),
    };
    reply.append(cstr!("connections"), shared.counters.connections());
    reply.append(cstr!("opcounters"), shared.counters.operations());
    reply.append(
        cstr!("metrics"),
        rawdoc! { "cursor": { "open": { "total": crate::reply::count(
        u64::try_from(shared.cursors.len()).unwrap_or(0)) } } },
    );
    let active = i64::try_from(shared.sessions.len()).unwrap_or(i64::MAX);
    reply.append(cstr!("logicalSessionRecordCache"), rawdoc! { "activeSessionsCount": active });
    if let Some(set) = &shared.options.replica_set {
        let me = shared.advertised();
        reply.append(cstr!("repl"), rawdoc! {
            "setName": set.as_str(), "setVersion": 1, "isWritablePrimary": true,
            "secondary": false, "primary": me.as_str(), "hosts": [me.as_str()], "me": me.as_str(),
        });
    }
    let (cached, cache) = shared.store.cache();
    let bytes = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    reply.append(
        cstr!("storageEngine"),
        rawdoc! {
            "name": "fieldveil", "supportsCommittedReads": true, "persistent": true,
            "supportsSnapshotReadConcern": false,
            "cache": { "bytes": bytes(cached), "maximumBytes": bytes(cache) },
        },
    );
    reply.append(cstr!("mem"), rawdoc! { "bits": 64, "supported": false });
    reply.append(cstr!("network"), shared.counters.network());
    reply.append(cstr!("asserts"), shared.counters.asserts());
    reply.append(cstr!("globalLock"), global_lock(shared));
    Ok(reply)
}

/// There is no such lock, so nobody waits for it; monitors ask here who is at work.
fn global_lock(shared: &Shared) -> RawDocumentBuf {
    let Running { total, readers, writers } = shared.operations.count();
    rawdoc! {
        "totalTime": i64::try_from(shared.started.elapsed().as_micros()).unwrap_or(i64::MAX),
        "currentQueue": { "total": 0, "readers": 0, "writers": 0 },
        "activeClients": { "total": total, "readers": readers, "writers": writers },
    }
}

/// Every command that this server answers: those for tests only if it was started with them.
fn list_commands(call: &Call<'_>) -> CommandResult {
    let mut commands = RawDocumentBuf::new();
    let with_tests = call.shared.options.test_commands;
    let mut rows: Vec<&Command> =
        table::all().filter(|row| with_tests || row.scope != Scope::TestOnly).collect();
    rows.sort_by_key(|command| command.name);
    for command in rows {
        let row = rawdoc! {
            "help": command.help,
            "requiresAuth": command.access != Access::Public,
            "secondaryOk": true,
            "adminOnly": command.scope == Scope::AdminOnly,
            "apiVersions": if command.is_stable { ["1"].into_iter().collect::<RawArrayBuf>() }
                else { RawArrayBuf::new() },
        };
        append_named(&mut commands, command.name, &*row);
    }
    Ok(rawdoc! { "commands": commands })
}
