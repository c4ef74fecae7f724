//! `hello` and its older names: who the server is and what it can do.

use bson::{RawArrayBuf, RawDocument, RawDocumentBuf, raw::cstr, rawdoc};
use fieldveil_wire::{Compressor, MAX_DOCUMENT_LEN, MAX_MESSAGE_LEN};

use crate::{
    call::Call,
    codes,
    commands::authentication,
    error::{CommandError, CommandResult},
    table::{Access, Command},
};

/// The wire version of MongoDB 8.0.
pub(crate) const MAX_WIRE_VERSION: i32 = 25;

/// Most operations in one write command.
pub(crate) const MAX_WRITE_BATCH: i32 = 100_000;

/// Longest `client` document of a handshake.
const MAX_METADATA_LEN: usize = 512;

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("hello", Access::Public, hello, "describes the server").inline().stable(),
    Command::new("isMaster", Access::Public, hello, "describes the server, older name")
        .alias(&["ismaster"])
        .inline(),
];

fn hello(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    if let Some(client) = arguments.document("client")? {
        remember(call, client)?;
    }
    let hello_ok = arguments.bool("helloOk")?.unwrap_or(false);
    arguments.ignore(&["internalClient", "loadBalanced", "hostInfo", "backpressure"]);
    let awaits = topology_arguments(call)?;
    debug_assert!(awaits || !arguments.has("maxAwaitTimeMS"));

    let shared = call.shared;
    let mut reply = RawDocumentBuf::new();
    if hello_ok || call.request.name == "hello" {
        reply.append(cstr!("helloOk"), true);
    }
    let primary =
        if call.request.name == "hello" { cstr!("isWritablePrimary") } else { cstr!("ismaster") };
    reply.append(primary, true);
    reply.append(cstr!("topologyVersion"), shared.topology_version());
    if let Some(set) = &shared.options.replica_set {
        append_replica_set(&mut reply, call, set);
    }
    reply.append(cstr!("maxBsonObjectSize"), i32::try_from(MAX_DOCUMENT_LEN).unwrap_or(i32::MAX));
    reply.append(cstr!("maxMessageSizeBytes"), i32::try_from(MAX_MESSAGE_LEN).unwrap_or(i32::MAX));
    reply.append(cstr!("maxWriteBatchSize"), MAX_WRITE_BATCH);
    reply.append(cstr!("localTime"), bson::DateTime::now());
    let minutes = shared.options.session_timeout.as_secs() / 60;
    reply.append(cstr!("logicalSessionTimeoutMinutes"), i32::try_from(minutes).unwrap_or(30));
    reply.append(cstr!("connectionId"), call.peer.id);
    reply.append(cstr!("minWireVersion"), 0);
    reply.append(cstr!("maxWireVersion"), MAX_WIRE_VERSION);
    reply.append(cstr!("readOnly"), false);
    if let Some(names) = arguments.array("compression")? {
        append_compression(&mut reply, names);
    }
    if let Some(name) = arguments.string("saslSupportedMechs")? {
        reply.append(cstr!("saslSupportedMechs"), authentication::mechanisms(call, name)?);
    }
    if let Some(first) = arguments.document("speculativeAuthenticate")?
        && let Some(answer) = authentication::speculative(call, first)
    {
        reply.append(cstr!("speculativeAuthenticate"), answer);
    }
    Ok(reply)
}

/// Checks `topologyVersion` and `maxAwaitTimeMS`, which come together or not at all. The waiting
/// itself was done before the command runs.
fn topology_arguments(call: &Call<'_>) -> Result<bool, CommandError> {
    let version = call.arguments.document("topologyVersion")?;
    let wait = call.arguments.integer("maxAwaitTimeMS")?;
    match (version, wait) {
        (None, None) => Ok(false),
        (Some(_), Some(wait)) if wait >= 0 => Ok(true),
        (Some(_), Some(_)) => {
            Err(CommandError::new(31373, "maxAwaitTimeMS must be a non-negative integer"))
        }
        (Some(_), None) => Err(CommandError::new(
            31368,
            "A request with a 'topologyVersion' must include 'maxAwaitTimeMS'",
        )),
        (None, Some(_)) => Err(CommandError::new(
            31368,
            "A request with 'maxAwaitTimeMS' must include a 'topologyVersion'",
        )),
    }
}

/// Keeps the client's description of itself; it may be given once.
fn remember(call: &Call<'_>, client: &RawDocument) -> Result<(), CommandError> {
    if client.as_bytes().len() > MAX_METADATA_LEN {
        return Err(CommandError::new(
            codes::BAD_VALUE,
            format!(
                "The client metadata document must be less then or equal to {MAX_METADATA_LEN} \
                 bytes"
            ),
        ));
    }
    let mut state = call.peer.state();
    if state.metadata.is_some() {
        return Err(CommandError::new(
            186,
            "The client metadata document may only be sent in the first hello",
        ));
    }
    state.app_name = app_name(client).map(str::to_owned);
    state.metadata = Some(client.to_owned());
    Ok(())
}

/// What the client's description of itself calls the application.
pub(crate) fn app_name(client: &RawDocument) -> Option<&str> {
    client.get_document("application").ok()?.get_str("name").ok()
}

fn append_compression(reply: &mut RawDocumentBuf, offered: &bson::RawArray) {
    let offered: Vec<&str> =
        offered.into_iter().flatten().filter_map(|name| name.as_str()).collect();
    let common: RawArrayBuf =
        offered.iter().filter(|name| Compressor::from_name(name).is_some()).copied().collect();
    if common.is_empty() {
        return;
    }
    reply.append(cstr!("compression"), common);
}

fn append_replica_set(reply: &mut RawDocumentBuf, call: &Call<'_>, set: &str) {
    let me = call.shared.advertised();
    let optime = call.shared.clock.last_write();
    reply.append(cstr!("hosts"), [me.as_str()].into_iter().collect::<RawArrayBuf>());
    reply.append(cstr!("setName"), set);
    reply.append(cstr!("setVersion"), 1);
    reply.append(cstr!("secondary"), false);
    reply.append(cstr!("primary"), me.as_str());
    reply.append(cstr!("me"), me.as_str());
    reply.append(cstr!("electionId"), call.shared.election_id());
    let written = bson::DateTime::from_millis(i64::from(optime.time) * 1000);
    let optime = rawdoc! { "ts": optime, "t": 1i64 };
    reply.append(
        cstr!("lastWrite"),
        rawdoc! {
            "opTime": optime.clone(),
            "lastWriteDate": written,
            "majorityOpTime": optime,
            "majorityWriteDate": written,
        },
    );
}
