//! The replica set, which has one member and cannot change.

use bson::rawdoc;

use crate::{
    call::Call,
    codes,
    error::{CommandError, CommandResult},
    table::{Access, Command, Scope},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("replSetGetStatus", Access::Monitor, status, "the replica set")
        .inline()
        .scope(Scope::AdminOnly),
    Command::new("replSetGetConfig", Access::Monitor, configuration, "the replica set")
        .inline()
        .scope(Scope::AdminOnly),
    refusal("replSetInitiate", initiate, "refused: --replica-set does it"),
    refusal("replSetReconfig", reconfigure, "refused: the set has one member"),
    refusal("replSetStepDown", step_down, "refused: the set has one member"),
    refusal("replSetFreeze", freeze, "refused: the member is the primary"),
    refusal("replSetMaintenance", maintain, "refused: the member is the primary"),
    refusal("replSetSyncFrom", sync_from, "refused: the member is the primary"),
];

const fn refusal(name: &'static str, run: crate::table::Handler, help: &'static str) -> Command {
    Command::new(name, Access::ServerAdmin, run, help).inline().scope(Scope::AdminOnly)
}

fn status(call: &Call<'_>) -> CommandResult {
    let set = replica_set(call)?;
    let optime = rawdoc! { "ts": call.shared.clock.last_write(), "t": 1i64 };
    let uptime = i32::try_from(call.shared.started.elapsed().as_secs()).unwrap_or(i32::MAX);
    Ok(rawdoc! {
        "set": set,
        "date": bson::DateTime::now(),
        "myState": 1,
        "term": 1i64,
        "heartbeatIntervalMillis": 2000i64,
        "majorityVoteCount": 1,
        "writeMajorityCount": 1,
        "votingMembersCount": 1,
        "members": [{
            "_id": 0, "name": call.shared.advertised(), "health": 1.0, "state": 1,
            "stateStr": "PRIMARY", "uptime": uptime, "optime": optime, "self": true,
        }],
    })
}

fn configuration(call: &Call<'_>) -> CommandResult {
    let set = replica_set(call)?;
    Ok(rawdoc! { "config": {
        "_id": set, "version": 1, "term": 1i64, "protocolVersion": 1i64,
        "members": [{
            "_id": 0, "host": call.shared.advertised(), "arbiterOnly": false, "hidden": false,
            "priority": 1.0, "votes": 1, "tags": {},
        }],
        "settings": {},
    } })
}

fn replica_set<'a>(call: &'a Call<'_>) -> Result<&'a str, CommandError> {
    let set = call.shared.options.replica_set.as_deref();
    set.ok_or_else(|| {
        CommandError::new(codes::NO_REPLICATION_ENABLED, "not running with --replSet")
    })
}

fn refuse(call: &Call<'_>, code: i32, message: &str) -> CommandResult {
    replica_set(call)?;
    Err(CommandError::new(code, message))
}

fn initiate(call: &Call<'_>) -> CommandResult {
    if call.shared.options.replica_set.is_none() {
        return Err(CommandError::new(
            codes::NO_REPLICATION_ENABLED,
            "This node was not started with replication enabled.",
        ));
    }
    Err(CommandError::new(codes::ALREADY_INITIALIZED, "already initialized"))
}

fn reconfigure(call: &Call<'_>) -> CommandResult {
    refuse(
        call,
        codes::NEW_REPLICA_SET_CONFIGURATION_INCOMPATIBLE,
        "this server is the only member of its set, which cannot be changed",
    )
}

fn step_down(call: &Call<'_>) -> CommandResult {
    refuse(call, codes::EXCEEDED_TIME_LIMIT, "No electable secondaries caught up")
}

fn freeze(call: &Call<'_>) -> CommandResult {
    refuse(
        call,
        codes::NOT_SECONDARY,
        "cannot freeze node when primary or running for election. state: Primary",
    )
}

fn maintain(call: &Call<'_>) -> CommandResult {
    refuse(call, codes::NOT_SECONDARY, "primaries can't modify maintenance mode")
}

fn sync_from(call: &Call<'_>) -> CommandResult {
    refuse(call, codes::NOT_SECONDARY, "primaries don't sync")
}
