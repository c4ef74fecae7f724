//! `fieldveil keys export` and `import`: key documents as extended JSON, one a line.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
};

use anyhow::{Context, bail, ensure};
use bson::{Document, RawDocumentBuf};
use fieldveil::ClientEncryption;

use super::{id, keep_alt_names_unique, names};
use crate::{
    args::{ExportArgs, ImportArgs},
    json,
};

pub(super) async fn export(keys: &ClientEncryption, args: &ExportArgs) -> anyhow::Result<()> {
    let documents = keys.get_keys().await?;
    let mut out: Box<dyn Write> = match &args.out {
        Some(path) => {
            let file = fs::File::create_new(path);
            Box::new(file.with_context(|| format!("the new file {}", path.display()))?)
        }
        None => Box::new(io::stdout().lock()),
    };
    for key in &documents {
        writeln!(out, "{}", json::line(key.clone()))?;
    }
    out.flush()?;
    eprintln!("{} keys exported; the master key is not among them", documents.len());
    Ok(())
}

pub(super) async fn import(keys: &ClientEncryption, args: &ImportArgs) -> anyhow::Result<()> {
    let documents = read(&args.file)?;
    keep_alt_names_unique(keys).await;
    let mut new = Vec::new();
    for document in &documents {
        let id = id(document)?;
        match keys.get_key(&id).await? {
            None => new.push(RawDocumentBuf::try_from(document)?),
            // Rewrapping changes the wrapping and its date, so those may differ.
            Some(there) if names(&there) == names(document) => {}
            Some(there) => bail!(
                "the key {} is in the key vault with other names ({}) than in the file ({}); nothing \
                 was imported",
                id.to_uuid()?,
                names(&there).join(", "),
                names(document).join(", ")
            ),
        }
    }
    let imported = if new.is_empty() { 0 } else { keys.insert_keys(new).await? };
    eprintln!("{imported} keys imported, {} were there already", documents.len() - imported);
    Ok(())
}

/// All documents of the file, or an error before anything is written.
fn read(path: &Path) -> anyhow::Result<Vec<Document>> {
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(fs::File::open(path).with_context(|| format!("the file {}", path.display()))?)
    };
    let mut documents = Vec::new();
    for (number, line) in BufReader::new(input).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let context = || format!("line {} of {}", number + 1, path.display());
        let document = json::parse(&line).with_context(context)?;
        check(&document).with_context(context)?;
        documents.push(document);
    }
    Ok(documents)
}

/// What every key document has.
fn check(document: &Document) -> anyhow::Result<()> {
    id(document)?.to_uuid().context("_id is no UUID")?;
    for field in ["keyMaterial", "creationDate", "updateDate", "status", "masterKey"] {
        ensure!(document.contains_key(field), "this is no key document: it has no {field}");
    }
    Ok(())
}
