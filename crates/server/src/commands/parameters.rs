//! Server parameters: what can be asked, and the little that can be set.

use bson::{RawBson, RawBsonRef, RawDocumentBuf, raw::cstr, rawdoc};

use crate::{
    auth::scram::Mechanism,
    call::Call,
    codes,
    error::{CommandError, CommandResult},
    reply::{append_all, append_named},
    shared::Shared,
    table::{Access, Command, Scope},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("getParameter", Access::Authenticated, get, "reads server parameters")
        .inline()
        .scope(Scope::AdminOnly),
    Command::new("setParameter", Access::ServerAdmin, set, "sets a server parameter")
        .inline()
        .scope(Scope::AdminOnly),
    Command::new(
        "setFeatureCompatibilityVersion",
        Access::ServerAdmin,
        set_compatibility,
        "accepts the version this server has",
    )
    .inline()
    .scope(Scope::AdminOnly),
];

/// Parameters that may be set although nothing here depends on them.
const IGNORED: &[&str] = &[
    "logComponentVerbosity",
    "logLevel",
    "quiet",
    "notablescan",
    "traceExceptions",
    "cursorTimeoutMillis",
    "transactionLifetimeLimitSeconds",
    "ttlMonitorEnabled",
    "ttlMonitorSleepSecs",
    "requireApiVersion",
];

fn parameters(shared: &Shared) -> RawDocumentBuf {
    let timeout = i64::try_from(shared.options.cursor_timeout.as_millis()).unwrap_or(i64::MAX);
    let mechanisms = Mechanism::ALL.iter().map(|it| it.name()).collect::<bson::RawArrayBuf>();
    rawdoc! {
        "authenticationMechanisms": mechanisms,
        "cursorTimeoutMillis": timeout,
        "enableTestCommands": shared.options.test_commands,
        "featureCompatibilityVersion": { "version": crate::FEATURE_VERSION },
        "internalQueryFrameworkControl": "forceClassicEngine",
        "localLogicalSessionTimeoutMinutes":
            i32::try_from(shared.options.session_timeout.as_secs() / 60).unwrap_or(30),
        "logComponentVerbosity": { "verbosity": 0 },
        "logLevel": 0,
        "maxTransactionLockRequestTimeoutMillis": 5,
        "notablescan": false,
        "quiet": false,
        "requireApiVersion": false,
        "scramIterationCount": 10_000,
        "scramSHA256IterationCount": 15_000,
        "transactionLifetimeLimitSeconds": 60,
        "ttlMonitorEnabled": true,
        "ttlMonitorSleepSecs": 60,
    }
}

fn get(call: &Call<'_>) -> CommandResult {
    let all = parameters(call.shared);
    let wanted = call.arguments.present("getParameter");
    let everything = matches!(wanted, Some(RawBsonRef::String("*")))
        || matches!(wanted, Some(RawBsonRef::Document(options))
            if matches!(options.get("allParameters"), Ok(Some(RawBsonRef::Boolean(true)))));
    let mut reply = RawDocumentBuf::new();
    if everything {
        append_all(&mut reply, &all);
        return Ok(reply);
    }
    for (name, value) in all.iter().flatten() {
        if call.arguments.has(name.as_str()) {
            reply.append(name, value);
        }
    }
    if reply.is_empty() {
        return Err(CommandError::new(codes::INVALID_OPTIONS, "no option found to get"));
    }
    Ok(reply)
}

fn set(call: &Call<'_>) -> CommandResult {
    let all = parameters(call.shared);
    let mut reply = RawDocumentBuf::new();
    for (name, _) in call.request.body.iter().flatten().skip(1) {
        let name = name.as_str();
        if IGNORED.contains(&name) {
            let was = all.get(name).ok().flatten().map_or(RawBson::Null, RawBson::from);
            append_named(&mut reply, "was", was.as_raw_bson_ref());
        }
    }
    if reply.is_empty() {
        return Err(CommandError::new(
            codes::INVALID_OPTIONS,
            "no option found to set, use help:true to see options",
        ));
    }
    Ok(reply)
}

fn set_compatibility(call: &Call<'_>) -> CommandResult {
    match call.arguments.string("setFeatureCompatibilityVersion")? {
        Some(version) if version == crate::FEATURE_VERSION => Ok(rawdoc! {}),
        _ => {
            let mut error = CommandError::bad_value(format!(
                "the only feature compatibility version here is {}",
                crate::FEATURE_VERSION
            ));
            error.details.append(cstr!("version"), crate::FEATURE_VERSION);
            Err(error)
        }
    }
}
