//! `profile`: what the profiler writes down.

use std::sync::Arc;

use bson::RawBsonRef;

use crate::{
    arguments::number,
    call::Call,
    commands::database::matcher,
    error::{CommandError, CommandResult},
    profiler::{self, Settings},
    table::{Access, Command},
};

pub(crate) const COMMANDS: &[Command] = &[Command::new(
    "profile",
    Access::DatabaseAdmin,
    profile,
    "writes slow commands, or all, to system.profile",
)];

fn profile(call: &Call<'_>) -> CommandResult {
    let arguments = &call.arguments;
    let level = arguments.required("profile", arguments.integer("profile"))?;
    let database = &call.request.database;
    let was = call.shared.profiler.settings(database);
    let mut settings = was.clone();
    if let Some(slow_ms) = arguments.integer("slowms")? {
        settings.slow_ms = slow_ms;
    }
    if let Some(rate) = arguments.value("sampleRate") {
        settings.sample_rate =
            number(rate).filter(|rate| (0.0..=1.0).contains(rate)).ok_or_else(|| {
                CommandError::bad_value("'sampleRate' must be between 0.0 and 1.0 inclusive")
            })?;
    }
    match arguments.value("filter") {
        None => {}
        Some(RawBsonRef::Document(filter)) => {
            settings.filter = Some((filter.to_owned(), Arc::new(matcher(filter)?)));
        }
        Some(RawBsonRef::String("unset")) => settings.filter = None,
        Some(_) => {
            return Err(CommandError::bad_value(
                "Expected an object, or the string 'unset', for the option 'filter'",
            ));
        }
    }
    arguments.finish()?;
    match i32::try_from(level) {
        Ok(-1) => {}
        Ok(level @ 0..=2) => settings.level = level,
        _ => {
            return Err(CommandError::bad_value("profiling level has to be >=0 and <= 2"));
        }
    }
    apply(call, database, &was, settings)?;
    Ok(profiler::reply(&was))
}

/// Makes the collection before anything is written there.
fn apply(
    call: &Call<'_>,
    database: &str,
    was: &Settings,
    settings: Settings,
) -> Result<(), CommandError> {
    if settings.level > 0 && was.level == 0 {
        profiler::prepare(call.shared, database)?;
    }
    call.shared.profiler.set(database, settings)
}
