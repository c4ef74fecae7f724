//! `fieldveil serve`: the embedded server as a program.

use std::process::ExitCode;

use fieldveil_server::serve::{ServeArgs, serve};

pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    serve(args, |address| println!("listening on {address}")).await?;
    Ok(ExitCode::SUCCESS)
}
