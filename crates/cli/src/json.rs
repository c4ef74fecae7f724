//! Extended JSON in and out.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use anyhow::{Context, bail};
use bson::{Bson, Document};

/// A document in JSON or extended JSON, canonical or relaxed.
pub(crate) fn parse(text: &str) -> anyhow::Result<Document> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    match Bson::try_from(value)? {
        Bson::Document(document) => Ok(document),
        _ => bail!("a JSON document in braces is expected"),
    }
}

/// A document from a file, or from standard input if the path is `-`.
pub(crate) fn read(path: &Path) -> anyhow::Result<Document> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    let context = || format!("the file {}", path.display());
    parse(&text.with_context(context)?).with_context(context)
}

/// A document as canonical extended JSON on one line.
pub(crate) fn line(document: Document) -> String {
    Bson::Document(document).into_canonical_extjson().to_string()
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn the_order_of_fields_is_kept() {
        let document = parse(r#"{"z": 1, "a": {"$numberLong": "2"}}"#).unwrap();
        assert_eq!(document, doc! { "z": 1, "a": 2_i64 });
        assert_eq!(document.keys().collect::<Vec<_>>(), ["z", "a"]);
    }

    #[test]
    fn only_documents_are_documents() {
        assert!(parse("[1]").is_err());
        assert!(parse("{").is_err());
    }
}
