//! `fieldveil explain` and `fieldveil schema check`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, io::Write, process::Command, process::Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, value: &Value) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, value.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn schema(algorithm: &str) -> Value {
    json!({
        "bsonType": "object",
        "properties": { "ssn": { "encrypt": {
            "bsonType": "string",
            "algorithm": format!("AEAD_AES_256_CBC_HMAC_SHA_512-{algorithm}"),
            "keyId": [{ "$binary": { "base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "04" } }],
        } } },
    })
}

/// Runs the program with something on standard input: exit code, standard output and error.
fn fieldveil(args: &[&str], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fieldveil"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may end before it has read anything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn an_insert_is_shown_with_its_encrypted_value() {
    let files = Files::new();
    let schema = files.write("schema.json", &schema("Random"));
    let command = json!({ "insert": "patients", "documents": [{ "a": 1, "ssn": "123" }] });
    let args = ["explain", "--schema", &schema, "--command", "-"];
    let (code, shown, errors) = fieldveil(&args, &command.to_string());
    assert_eq!(code, 0, "{errors}");
    assert!(shown.starts_with("One value is encrypted"), "{shown}");
    assert!(shown.contains("documents.0.ssn") && shown.contains("«encrypted, Random»"), "{shown}");
    assert!(shown.contains("00000000-0000-0000-0000-000000000000"), "{shown}");
    assert!(!shown.contains("\"123\""), "{shown}");
}

#[test]
fn a_refusal_names_the_place_and_exits_with_its_own_code() {
    let files = Files::new();
    let map = json!({ "clinic.patients": schema("Random") });
    let schema = files.write("schema.json", &map);
    let command = json!({ "find": "patients", "filter": { "ssn": "123" } });
    let command = files.write("command.json", &command);
    let args = ["explain", "--schema", &schema, "--command", &command, "--db", "clinic"];
    let (code, shown, errors) = fieldveil(&args, "");
    assert_eq!(code, 12, "{errors}");
    let refusal = "Cannot query on fields encrypted with the randomized encryption algorithm";
    assert!(shown.contains(refusal) && shown.contains("at filter.ssn"), "{shown}");

    let (code, shown, _) = fieldveil(&[&args[..], &["--json"]].concat(), "");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(code, 12);
    assert_eq!(shown["refused"], json!(true));
    assert_eq!(shown["place"], json!("filter.ssn"));
}

#[test]
fn json_is_for_machines() {
    let files = Files::new();
    let schema = files.write("schema.json", &schema("Deterministic"));
    let command = json!({ "find": "patients", "filter": { "ssn": "123" }, "$db": "clinic" });
    let args = ["explain", "--schema", &schema, "--command", "-", "--json"];
    let (code, shown, errors) = fieldveil(&args, &command.to_string());
    assert_eq!(code, 0, "{errors}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["hasEncryptedPlaceholders"], json!(true));
    assert_eq!(shown["values"][0]["purpose"], json!("compared"));
    assert_eq!(shown["values"][0]["path"], json!("ssn"));
    assert!(shown["command"]["filter"]["ssn"].to_string().contains("$binary"), "{shown}");
}

#[test]
fn a_schema_is_checked_for_every_fault_at_once() {
    let files = Files::new();
    let good = files.write("good.json", &schema("Random"));
    let (code, shown, _) = fieldveil(&["schema", "check", &good], "");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("0 faults") && shown.contains("ssn"), "{shown}");

    let mut two = schema("rot13");
    two["properties"]["b"] = json!({ "encrypt": { "bsonType": "nothing" } });
    let two = files.write("two.json", &two);
    let (code, shown, _) = fieldveil(&["schema", "check", &two], "");
    assert_eq!(code, 13, "{shown}");
    assert!(shown.matches("fault: ").count() >= 2, "{shown}");

    let (code, shown, _) = fieldveil(&["schema", "check", "-", "--json"], "{}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(code, 0);
    assert_eq!(shown["schema"]["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_no_json_is_named() {
    let files = Files::new();
    let schema = files.write("schema.json", &schema("Random"));
    let args = ["explain", "--schema", &schema, "--command", "-"];
    let (code, _, errors) = fieldveil(&args, "{ find: 1");
    assert_eq!(code, 1);
    assert!(errors.contains("the file -"), "{errors}");
    let (code, _, errors) = fieldveil(&args, "{}");
    assert_eq!(code, 1);
    assert!(errors.contains("names no collection"), "{errors}");
}
