//! `fieldveil store`: care of a data directory that no server has open.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, ensure};
use fieldveil_store::{
    CopyReport, Interrupt, Store, StoreOptions, compact as compact_file, is_data_directory,
};

use crate::{
    args::{StoreArgs, StoreCommand},
    exit,
};

pub(crate) fn run(args: &StoreArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        StoreCommand::Check(data) => return check(&data.directory),
        StoreCommand::Compact(data) => compact(&data.directory)?,
        StoreCommand::Dump { data, out } => {
            let report = open_existing(&data.directory)?.dump(out)?;
            println!("{} written to {}", copied(report), out.display());
        }
        StoreCommand::Restore { data, from, drop } => {
            ensure!(from.is_dir(), "{} is no directory with a dump", from.display());
            let store = Store::open(&data.directory, StoreOptions::default())?;
            let report = store.restore(from, *drop)?;
            println!("{} restored to {}", copied(report), data.directory.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check(data: &Path) -> anyhow::Result<ExitCode> {
    let store = open_existing(data)?;
    let faulty = store.check(&Interrupt::never()).context("the data cannot be read")?;
    if faulty.is_empty() {
        println!("{}: documents and indexes agree", data.display());
        return Ok(ExitCode::SUCCESS);
    }
    for (namespace, report) in &faulty {
        println!("{namespace}: {} documents", report.documents);
        for fault in &report.faults {
            println!("  fault: {fault}");
        }
    }
    eprintln!("help: save what there is with `fieldveil store dump`, and restore it elsewhere");
    Ok(ExitCode::from(exit::FAULTY_STORE))
}

fn compact(data: &Path) -> anyhow::Result<()> {
    ensure_data(data)?;
    let report = compact_file(data)?;
    println!("{} bytes before, {} after", report.before, report.after);
    Ok(())
}

fn copied(report: CopyReport) -> String {
    format!("{} documents in {} collections", report.documents, report.collections)
}

fn open_existing(data: &Path) -> anyhow::Result<Store> {
    ensure_data(data)?;
    Ok(Store::open(data, StoreOptions::default())?)
}

/// Opening would make a new data directory, which helps nobody who mistyped its name.
fn ensure_data(data: &Path) -> anyhow::Result<()> {
    ensure!(
        is_data_directory(data),
        "{} is no data directory; name the one that `fieldveil serve` has with --data-dir",
        data.display()
    );
    Ok(())
}
