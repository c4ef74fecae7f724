//! Extended JSON in and out.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use anyhow::{Context, bail};
use bson::{Bson, Document};
use serde_json::Value;

/// Longer parts are broken into lines.
const MAX_LINE: usize = 88;

/// A document in JSON or extended JSON, canonical or relaxed.
pub(crate) fn parse(text: &str) -> anyhow::Result<Document> {
    let value: Value = serde_json::from_str(text)?;
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

/// A document as canonical extended JSON, each part on one line where it fits.
pub(crate) fn pretty(document: Document, indent: usize) -> String {
    let mut out = String::new();
    write(&mut out, &Bson::Document(document).into_canonical_extjson(), indent);
    out
}

fn write(out: &mut String, value: &Value, indent: usize) {
    let line = line_of(value);
    let (entries, open, close): (Vec<(Option<&str>, &Value)>, _, _) = match value {
        Value::Object(map) if indent + line.len() > MAX_LINE => {
            (map.iter().map(|(key, value)| (Some(key.as_str()), value)).collect(), '{', '}')
        }
        Value::Array(values) if indent + line.len() > MAX_LINE => {
            (values.iter().map(|value| (None, value)).collect(), '[', ']')
        }
        _ => return out.push_str(&line),
    };
    out.push(open);
    for (index, (key, value)) in entries.iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        out.push_str(&" ".repeat(indent + 2));
        if let Some(key) = key {
            out.push_str(&format!("{}: ", Value::from(*key)));
        }
        write(out, value, indent + 2);
    }
    out.push('\n');
    out.push_str(&" ".repeat(indent));
    out.push(close);
}

/// JSON on one line, with a space after each colon and comma.
fn line_of(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let entries: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), line_of(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(line_of).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
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
    fn what_fits_stands_on_one_line() {
        let long = "x".repeat(80);
        let document = doc! { "a": { "b": 1 }, "c": [&long, { "d": "e" }] };
        let expected = format!(
            "{{\n  \"a\": {{\"b\": {{\"$numberInt\": \"1\"}}}},\n  \"c\": [\n    \"{long}\",\n    {{\"d\": \"e\"}}\n  ]\n}}"
        );
        assert_eq!(pretty(document.clone(), 0), expected);
        assert_eq!(parse(&pretty(document.clone(), 4)).unwrap(), document);
    }

    #[test]
    fn only_documents_are_documents() {
        assert!(parse("[1]").is_err());
        assert!(parse("{").is_err());
    }
}
