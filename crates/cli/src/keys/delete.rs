//! `fieldveil keys delete`: asks back, because there is no way back.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::bail;
use bson::Document;
use fieldveil::ClientEncryption;

use super::{find, id, names};
use crate::args::DeleteArgs;

pub(super) async fn run(keys: &ClientEncryption, args: &DeleteArgs) -> anyhow::Result<()> {
    let key = find(keys, &args.key).await?;
    let id = id(&key)?;
    if !args.yes {
        confirm(&name(&key, &id.to_uuid()?.to_string()))?;
    }
    keys.delete_key(&id).await?;
    eprintln!("deleted");
    Ok(())
}

/// What the user types to say that he means this key.
fn name(key: &Document, id: &str) -> String {
    names(key).first().map_or(id, |name| *name).to_owned()
}

fn confirm(name: &str) -> anyhow::Result<()> {
    eprintln!(
        "Everything encrypted under this key is lost for good, in the database and in every backup \
         of it, unless you keep an export of the key."
    );
    if !io::stdin().is_terminal() {
        bail!("nobody can be asked here: give --yes if you mean it");
    }
    eprint!("Type {name} to delete the key: ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim_end_matches(['\r', '\n']) != name {
        bail!("not deleted");
    }
    Ok(())
}
