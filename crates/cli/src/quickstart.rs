//! `fieldveil quickstart`: the whole story once, told step by step, and checked step by step.

mod place;
mod story;

use std::process::ExitCode;

use anyhow::Context;
use fieldveil_server::Server;
use fieldveil_store::{Store, StoreOptions};

use crate::args::QuickstartArgs;
use place::Place;

pub(crate) async fn run(args: &QuickstartArgs) -> anyhow::Result<ExitCode> {
    let place = Place::new(args.dir.as_deref())?;
    let data_dir = place.data_dir();
    let store = Store::open(&data_dir, StoreOptions::default())
        .with_context(|| format!("the data directory {}", data_dir.display()))?;
    // Without an address it listens on a free port of loopback.
    let server = Server::builder().store(store).start().await?;
    let told = story::tell(&place, server.local_addr()).await;
    server.shutdown().await;
    told?;
    place.close()?;
    Ok(ExitCode::SUCCESS)
}
