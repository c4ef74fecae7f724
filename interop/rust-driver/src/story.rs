//! Automatic encryption: one variant of the story, in a database of its own.

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, doc};
use mongodb::error::{ErrorKind, WriteFailure};

use crate::{Place, check};

const SSN: &str = "123-12-1234";
const NAME: &str = "Sophia Duleep Singh";
const ALGORITHM: &str = "AEAD_AES_256_CBC_HMAC_SHA_512-";
const REFUSAL: &str = "Cannot query on fields encrypted with the randomized encryption algorithm";

pub(crate) async fn tell(
    place: &Place,
    key_id: &Binary,
    algorithm: &str,
    on_server: bool,
) -> Result<()> {
    let side = if on_server { "server" } else { "client" };
    println!("{algorithm}, schema on the {side}");
    let name = format!("{algorithm}_{side}").to_lowercase();
    let rule = schema(key_id, algorithm);
    let database = place.plain.database(&name);
    let mut creation = database.create_collection("people");
    if on_server {
        creation = creation.validator(doc! { "$jsonSchema": rule.clone() });
    }
    creation.await?;
    let schema_map = (!on_server).then(|| (format!("{name}.people"), rule));
    let client = place.encrypted(schema_map).await?;
    let people: Collection<Document> = client.database(&name).collection("people");
    let plain: Collection<Document> = database.collection("people");

    people.insert_one(doc! { "name": NAME, "ssn": SSN }).await?;
    let found = one(&people, doc! { "name": NAME }).await?;
    check("the document comes back decrypted", found.get_str("ssn")? == SSN)?;
    let stored = one(&plain, doc! { "name": NAME }).await?;
    let stored = binary(&stored, "ssn")?;
    check("without keys it is Binary(..., 6)", stored.subtype == BinarySubtype::Encrypted)?;
    let marker = if algorithm == "Random" { 2 } else { 1 };
    check("its first byte names the algorithm", stored.bytes.first() == Some(&marker))?;
    let leaks = stored.bytes.windows(SSN.len()).any(|part| part == SSN.as_bytes());
    check("no plaintext is in it", !leaks)?;

    if algorithm == "Random" {
        let refused = people.find_one(doc! { "ssn": SSN }).await.err().map(|e| e.to_string());
        check(
            "a query on the Random field is refused",
            refused.is_some_and(|text| text.contains(REFUSAL)),
        )?;
    } else {
        query(&people).await?;
    }
    pitfall(&plain, on_server).await?;
    client.shutdown().immediate(true).await;
    Ok(())
}

/// Commands that find the document by its encrypted field, the last of which deletes it.
async fn query(people: &Collection<Document>) -> Result<()> {
    let found = one(people, doc! { "ssn": SSN }).await?;
    check("a query on the Deterministic field finds it", found.get_str("name")? == NAME)?;
    let count = people.count_documents(doc! { "ssn": SSN }).await?;
    check("count_documents counts it", count == 1)?;
    let pipeline = [doc! { "$match": { "ssn": { "$in": [SSN, "other"] } } }];
    let matched: Vec<Document> = people.aggregate(pipeline).await?.try_collect().await?;
    check(
        "a pipeline matches and decrypts it",
        matched.len() == 1 && matched[0].get_str("ssn")? == SSN,
    )?;
    people.update_one(doc! { "ssn": SSN }, doc! { "$set": { "ssn": "999-99-9999" } }).await?;
    let values = people.distinct("ssn", doc! {}).await?;
    check("distinct gives plaintext", values == ["999-99-9999".into()])?;
    let deleted = people.delete_one(doc! { "ssn": "999-99-9999" }).await?;
    check("delete_one finds it by the new value", deleted.deleted_count == 1)
}

/// A client without schema and keys, which encrypts nothing.
async fn pitfall(plain: &Collection<Document>, on_server: bool) -> Result<()> {
    let done = plain.insert_one(doc! { "name": "Dora Thewlis", "ssn": "234-23-2345" }).await;
    if on_server {
        let refused = done.err().context("the validator took plaintext")?;
        let code = match refused.kind.as_ref() {
            ErrorKind::Write(WriteFailure::WriteError(error)) => error.code,
            _ => 0,
        };
        return check("the validator refuses plaintext", code == 121);
    }
    done?;
    let found = one(plain, doc! { "name": "Dora Thewlis" }).await?;
    check(
        "the pitfall: a client without schema stores plaintext",
        found.get_str("ssn")? == "234-23-2345",
    )
}

async fn one(people: &Collection<Document>, filter: Document) -> Result<Document> {
    people.find_one(filter.clone()).await?.with_context(|| format!("nothing found by {filter}"))
}

fn binary<'a>(document: &'a Document, field: &str) -> Result<&'a Binary> {
    let value = document.get(field).with_context(|| format!("{field} is missing"))?;
    match value {
        mongodb::bson::Bson::Binary(binary) => Ok(binary),
        other => anyhow::bail!("{field} is {other}, not encrypted"),
    }
}

fn schema(key_id: &Binary, algorithm: &str) -> Document {
    doc! {
        "bsonType": "object",
        "properties": {
            "ssn": {
                "encrypt": {
                    "bsonType": "string",
                    "algorithm": format!("{ALGORITHM}{algorithm}"),
                    "keyId": [key_id.clone()],
                },
            },
        },
    }
}
