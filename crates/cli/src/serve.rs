//! `fieldveil serve`: the embedded server as a program.

use std::process::ExitCode;

use fieldveil_server::serve::{ServeArgs, serve};

pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let socket = args.unix_socket.clone();
    let listening = |address| {
        println!("listening on {address}");
        if let Some(path) = socket {
            println!("listening on {}", path.display());
        }
    };
    serve(args, listening).await?;
    Ok(ExitCode::SUCCESS)
}
