//! Authentication: SCRAM in the shape of SASL, and leaving again.

use bson::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf, rawdoc};

use crate::{
    arguments::Arguments,
    auth::{
        scram::{ClientFirst, Mechanism, ScramError},
        user::UserName,
    },
    call::Call,
    codes,
    error::{CommandError, CommandResult},
    peer::{Conversation, Step},
    table::{Access, Command},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new("saslStart", Access::Public, start, "begins to authenticate").inline().stable(),
    Command::new("saslContinue", Access::Public, proceed, "goes on to authenticate")
        .inline()
        .stable(),
    Command::new("authenticate", Access::Public, authenticate, "refused: only SCRAM is offered")
        .inline()
        .stable(),
    Command::new("logout", Access::Public, logout, "forgets who authenticated").inline(),
];

/// There is one conversation on a connection at a time, and this is its id.
const CONVERSATION_ID: i32 = 1;

fn start(call: &Call<'_>) -> CommandResult {
    call.arguments.ignore(&["saslStart", "autoAuthorize"]);
    let reply = begin(call, &call.arguments, &call.request.database)?;
    call.arguments.finish()?;
    Ok(reply)
}

/// `speculativeAuthenticate` of a handshake: the answer to a `saslStart`, or nothing if that fails.
pub(crate) fn speculative(call: &Call<'_>, first: &RawDocument) -> Option<RawDocumentBuf> {
    let arguments = Arguments::new("saslStart", first).ok()?;
    let database = arguments.string("db").ok()??;
    begin(call, &arguments, database).ok()
}

/// `saslSupportedMechs` of a handshake, for a user given as `database.name`.
///
/// For a user that does not exist every mechanism is named, so that nobody learns that.
pub(crate) fn mechanisms(call: &Call<'_>, name: &str) -> Result<RawArrayBuf, CommandError> {
    let (database, user) = name.split_once('.').ok_or_else(|| {
        CommandError::bad_value("saslSupportedMechs must be of the form 'database.user'")
    })?;
    let user = call.shared.users.find(&UserName::new(user, database));
    Ok(Mechanism::ALL
        .iter()
        .filter(|mechanism| user.as_ref().is_none_or(|user| user.credential(**mechanism).is_some()))
        .map(|mechanism| mechanism.name())
        .collect())
}

fn begin(
    call: &Call<'_>,
    arguments: &Arguments<'_>,
    database: &str,
) -> Result<RawDocumentBuf, CommandError> {
    let name = arguments.required("mechanism", arguments.string("mechanism"))?;
    let mechanism = Mechanism::from_name(name).ok_or_else(|| {
        CommandError::new(
            codes::MECHANISM_UNAVAILABLE,
            format!("Received authentication for mechanism {name} which is not enabled"),
        )
    })?;
    let payload = payload(arguments)?;
    let options = arguments.document("options")?;
    let skip_empty_exchange = options.is_some_and(|options| {
        matches!(options.get("skipEmptyExchange"), Ok(Some(RawBsonRef::Boolean(true))))
    });
    let first = ClientFirst::parse(payload).map_err(refused)?;
    let user = UserName::new(first.user.as_str(), database);
    let known = call.shared.users.find(&user);
    let credential = known.as_ref().and_then(|user| user.credential(mechanism));
    if known.is_some() && credential.is_none() {
        // No challenge that cannot be met: a driver would go on with a speculative one instead of
        // taking the mechanism that the user has. `saslSupportedMechs` tells as much.
        return Err(CommandError::new(
            codes::MECHANISM_UNAVAILABLE,
            format!(
                "Unable to use {name} based authentication for user without any {name} credentials \
                 registered"
            ),
        ));
    }
    let (message, challenge) =
        first.challenge(mechanism, credential, &call.shared.users.secret).map_err(refused)?;
    call.peer.state().conversation =
        Some(Conversation { user, step: Step::Proof(Box::new(challenge)), skip_empty_exchange });
    Ok(answer(&message, false))
}

fn proceed(call: &Call<'_>) -> CommandResult {
    call.arguments.ignore(&["saslContinue", "conversationId"]);
    let payload = payload(&call.arguments)?;
    call.arguments.finish()?;
    let Some(conversation) = call.peer.state().conversation.take() else {
        return Err(CommandError::new(codes::PROTOCOL_ERROR, "No SASL session state found"));
    };
    match conversation.step {
        Step::Proof(challenge) => {
            let message = challenge.verify(payload).map_err(|error| {
                tracing::info!(connection = call.peer.id, "authentication failed");
                refused(error)
            })?;
            let done = conversation.skip_empty_exchange;
            if done {
                admit(call, conversation.user);
            } else {
                call.peer.state().conversation =
                    Some(Conversation { step: Step::Empty, ..conversation });
            }
            Ok(answer(&message, done))
        }
        Step::Empty if payload.is_empty() => {
            admit(call, conversation.user);
            Ok(answer("", true))
        }
        Step::Empty => Err(refused(ScramError::Failed)),
    }
}

fn admit(call: &Call<'_>, user: UserName) {
    let mut state = call.peer.state();
    state.authenticated.retain(|other| other.database != user.database);
    state.authenticated.push(user);
}

fn authenticate(call: &Call<'_>) -> CommandResult {
    let mechanism = call.arguments.string("mechanism")?.unwrap_or_default();
    Err(CommandError::new(
        codes::MECHANISM_UNAVAILABLE,
        format!("Received authentication for mechanism {mechanism} which is not enabled"),
    ))
}

fn logout(call: &Call<'_>) -> CommandResult {
    let database = &call.request.database;
    call.peer.state().authenticated.retain(|user| user.database != *database);
    Ok(rawdoc! {})
}

/// The payload, as a binary or, from older clients, as base64.
fn payload<'a>(arguments: &Arguments<'a>) -> Result<&'a [u8], CommandError> {
    match arguments.present("payload") {
        Some(RawBsonRef::Binary(binary)) => Ok(binary.bytes),
        Some(_) => Err(CommandError::type_mismatch("SASL payload must be of type binary")),
        None => Err(arguments.missing("payload")),
    }
}

fn answer(message: &str, done: bool) -> RawDocumentBuf {
    let payload = bson::Binary {
        subtype: bson::spec::BinarySubtype::Generic,
        bytes: message.as_bytes().to_vec(),
    };
    rawdoc! { "conversationId": CONVERSATION_ID, "done": done, "payload": payload }
}

fn refused(error: ScramError) -> CommandError {
    match error {
        ScramError::Malformed(_) => {
            CommandError::new(codes::AUTHENTICATION_FAILED, error.to_string())
        }
        ScramError::Failed | ScramError::NoRandomness => {
            CommandError::new(codes::AUTHENTICATION_FAILED, "Authentication failed.")
        }
    }
}
