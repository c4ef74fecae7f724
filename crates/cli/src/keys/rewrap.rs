//! `fieldveil keys rewrap`: a dry run first, then key by key.

use std::process::ExitCode;

use anyhow::Context;
use bson::{Binary, Document, doc};
use fieldveil::ClientEncryption;
use indicatif::{ProgressBar, ProgressStyle};

use super::{id, names, provider};
use crate::{args::RewrapArgs, exit, json, output};

pub(super) async fn run(keys: &ClientEncryption, args: &RewrapArgs) -> anyhow::Result<ExitCode> {
    let target = args.master_key.document()?;
    let found = keys.find_keys(filter(args)?).await?;
    let (done, left): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|key| !args.again && is_under(key, &args.to, &target));
    eprintln!(
        "{} keys are under {} already, {} are to be wrapped anew",
        done.len(),
        args.to,
        left.len()
    );
    if left.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if !args.apply {
        let rows: Vec<_> = left.iter().map(|key| row(key, &args.to)).collect();
        print!("{}", output::table(["ID", "NAMES", "FROM", "TO"], &rows));
        eprintln!("This was a dry run; give --apply to do it.");
        return Ok(ExitCode::from(exit::WORK_LEFT));
    }
    let failed = rewrap(keys, &left, &args.to, &target).await?;
    eprintln!("{} keys wrapped anew, {failed} failed", left.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::SOME_FAILED) })
}

/// One key after the other, so that an interruption loses nothing. Returns how many failed.
async fn rewrap(
    keys: &ClientEncryption,
    left: &[Document],
    to: &str,
    target: &Document,
) -> anyhow::Result<usize> {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} keys, {eta} left")?;
    let progress = ProgressBar::new(left.len() as u64).with_style(style);
    let mut failed = 0;
    for key in left {
        let id = id(key)?;
        let rewrap = keys.rewrap_many_data_key(doc! { "_id": id.clone() }).provider(to);
        if let Err(error) = rewrap.master_key(target.clone()).await {
            failed += 1;
            progress.suspend(|| eprintln!("key {}: {error}", shown(&id)));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(failed)
}

fn filter(args: &RewrapArgs) -> anyhow::Result<Document> {
    let mut filter = Document::new();
    if let Some(from) = &args.from {
        filter.insert("masterKey.provider", from);
    }
    if let Some(json) = &args.from_key {
        for (field, value) in json::parse(json).context("--from-key")? {
            filter.insert(format!("masterKey.{field}"), value);
        }
    }
    if let Some(name) = &args.alt_name {
        filter.insert("keyAltNames", name);
    }
    Ok(filter)
}

/// Whether a key is wrapped by this provider, with every given field of the master key.
fn is_under(key: &Document, to: &str, target: &Document) -> bool {
    let Ok(master_key) = key.get_document("masterKey") else { return false };
    provider(key) == to
        && target.iter().all(|(field, wanted)| {
            let same = master_key.get(field) == Some(wanted);
            // The stored endpoint has a port, the given one may lack it.
            same || (field.to_ascii_lowercase().contains("endpoint")
                && master_key.get_str(field).ok().and_then(|s| s.rsplit_once(':')).map(|s| s.0)
                    == wanted.as_str())
        })
}

fn shown(id: &Binary) -> String {
    id.to_uuid().map(|id| id.to_string()).unwrap_or_default()
}

fn row(key: &Document, to: &str) -> [String; 4] {
    [
        id(key).map(|id| shown(&id)).unwrap_or_default(),
        names(key).join(", "),
        provider(key).to_owned(),
        to.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_there_already_are_told_from_those_that_are_not() {
        let aws = doc! { "region": "eu", "key": "k", "endpoint": "h.example:443" };
        let mut stored = doc! { "provider": "aws" };
        stored.extend(aws.clone());
        let key = doc! { "masterKey": stored };
        assert!(is_under(&key, "aws", &aws));
        assert!(is_under(&key, "aws", &doc! { "key": "k", "endpoint": "h.example" }));
        assert!(!is_under(&key, "aws", &doc! { "key": "other" }));
        assert!(!is_under(&key, "local", &doc! {}));
        assert!(!is_under(&doc! {}, "local", &doc! {}));
    }
}
