//! `explain`: how another command would be run.

use bson::{RawArray, RawBsonRef, RawDocumentBuf, raw::cstr, rawdoc};
use fieldveil_store::{ExplainTarget, Namespace, Verbosity};

use crate::{
    arguments::Arguments,
    auth::permission::authorize,
    call::Call,
    codes,
    commands::{
        aggregate::{self, Target},
        count, find, find_and_modify, write,
    },
    error::{CommandError, CommandResult},
    reply::append_all,
    request::Request,
    table::{self, Access, Command},
};

pub(crate) const COMMANDS: &[Command] =
    &[Command::new("explain", Access::Read, explain, "how a command would be run").stable()];

fn explain(call: &Call<'_>) -> CommandResult {
    let verbosity = match call.arguments.string("verbosity")? {
        None | Some("allPlansExecution") => Verbosity::AllPlansExecution,
        Some("queryPlanner") => Verbosity::QueryPlanner,
        Some("executionStats") => Verbosity::ExecutionStats,
        Some(other) => {
            return Err(CommandError::bad_value(format!(
                "Enumeration value '{other}' for field 'explain.verbosity' is not a valid value."
            )));
        }
    };
    let inner = match call.arguments.present("explain") {
        Some(RawBsonRef::Document(inner)) => inner.to_owned(),
        _ => return Err(CommandError::type_mismatch("explain command requires a nested object")),
    };
    call.arguments.ignore(&["jsonSchema", "isRemoteSchema"]);
    call.arguments.finish()?;
    let name = match inner.iter().next() {
        Some(Ok((name, _))) => name.as_str().to_owned(),
        _ => return Err(CommandError::bad_value("Explain failed due to an empty command")),
    };
    let request = Request { name, body: inner, ..call.request.clone() };
    if let Some(command) = table::find(&request.name) {
        authorize(call.shared, call.peer, command, &request)?;
    }
    let nested = Call {
        is_brief: false,
        shared: call.shared,
        peer: call.peer,
        request: &request,
        arguments: Arguments::new(&request.name, &request.body)?,
        session: call.session,
        deadline: call.deadline,
    };
    let (namespace, target) = target(&nested)?;
    run(call, &namespace, &target, verbosity)
}

/// `aggregate` with `explain: true`.
pub(crate) fn aggregate(call: &Call<'_>, target: &Target, pipeline: &RawArray) -> CommandResult {
    call.arguments.ignore(&["cursor"]);
    let (namespace, target) = pipeline_target(call, target, pipeline)?;
    run(call, &namespace, &target, Verbosity::QueryPlanner)
}

fn run(
    call: &Call<'_>,
    namespace: &Namespace,
    target: &ExplainTarget,
    verbosity: Verbosity,
) -> CommandResult {
    let explained = call.shared.store.explain(namespace, target, verbosity)?;
    let mut reply = RawDocumentBuf::new();
    append_all(&mut reply, &explained);
    let mut command = RawDocumentBuf::new();
    append_all(&mut command, &call.request.body);
    reply.append(cstr!("command"), command);
    let [major, minor, patch] = crate::SERVER_VERSION;
    reply.append(
        cstr!("serverInfo"),
        rawdoc! {
            "host": call.shared.host_name(),
            "port": i32::from(call.shared.port()),
            "version": format!("{major}.{minor}.{patch}"),
            "gitVersion": "none",
        },
    );
    Ok(reply)
}

fn target(call: &Call<'_>) -> Result<(Namespace, ExplainTarget), CommandError> {
    if call.request.name == "aggregate" {
        let target = aggregate::target(call)?;
        let pipeline = aggregate::pipeline(&call.arguments)?;
        call.arguments.ignore(&["cursor", "explain"]);
        return pipeline_target(call, &target, pipeline);
    }
    let namespace = call.namespace()?;
    let target = match call.request.name.as_str() {
        "find" => ExplainTarget::Find(Box::new(find::parse(call)?.options)),
        "count" => ExplainTarget::Count(Box::new(count::count_options(call)?)),
        "distinct" => {
            let (key, options) = count::distinct_options(call)?;
            ExplainTarget::Distinct(key, Box::new(options))
        }
        "findAndModify" | "findandmodify" => {
            ExplainTarget::FindAndModify(Box::new(find_and_modify::parse(call)?.0))
        }
        "update" => ExplainTarget::Update(Box::new(write::only_update(call)?)),
        "delete" => ExplainTarget::Delete(Box::new(write::only_delete(call)?)),
        other => {
            return Err(CommandError::new(
                codes::COMMAND_NOT_FOUND,
                format!("Explain failed due to unknown command: {other}"),
            ));
        }
    };
    Ok((namespace, target))
}

fn pipeline_target(
    call: &Call<'_>,
    target: &Target,
    pipeline: &RawArray,
) -> Result<(Namespace, ExplainTarget), CommandError> {
    if call.arguments.has("writeConcern") {
        return Err(CommandError::failed_to_parse(
            "Aggregation explain does not support the'writeConcern' option",
        ));
    }
    let options = aggregate::options(call)?;
    call.arguments.finish()?;
    call.check_pipeline(pipeline)?;
    match target {
        Target::Collection(namespace) => Ok((
            namespace.clone(),
            ExplainTarget::Aggregate(pipeline.to_owned(), Box::new(options)),
        )),
        Target::Database => Err(CommandError::new(
            codes::COMMAND_NOT_SUPPORTED,
            "explain of a pipeline without a collection is not supported",
        )),
    }
}
