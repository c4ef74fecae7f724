//! Commands for tests, offered only when the server was started with test commands.

use bson::{RawDocumentBuf, rawdoc};

use crate::{
    call::Call,
    error::{CommandError, CommandResult},
    table::{Access, Command, Scope},
};

pub(crate) const COMMANDS: &[Command] = &[
    Command::new(
        "configureFailPoint",
        Access::ServerAdmin,
        configure_fail_point,
        "sets or clears a fail point",
    )
    .inline()
    .scope(Scope::TestOnly),
    Command::new(
        "testVersion2",
        Access::Public,
        |_| Ok(RawDocumentBuf::new()),
        "answers; it is not in version 1 of the stable API",
    )
    .inline()
    .scope(Scope::TestOnly),
];

fn configure_fail_point(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    let name = arguments.required("configureFailPoint", arguments.string("configureFailPoint"))?;
    let mode = arguments
        .value("mode")
        .ok_or_else(|| CommandError::bad_value("fail point mode not specified"))?;
    let data = arguments.document("data")?;
    let count = call.shared.fail_points.configure(name, mode, data)?;
    Ok(rawdoc! { "count": i32::try_from(count).unwrap_or(i32::MAX) })
}
