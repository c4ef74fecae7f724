//! Explicit encryption: values, ranges, and decryption without the key.

use anyhow::{Context, Result};
use mongocrypt::ctx::{Algorithm, KmsProvider};
use mongodb::Namespace;
use mongodb::bson::raw::RawBinaryRef;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, RawBson, RawDocumentBuf, doc};
use mongodb::client_encryption::{ClientEncryption, RangeOptions};

use crate::{Place, check, master_key};

const SECRET: &str = "457-55-5462";

pub(crate) async fn tell(place: &Place, keys: &ClientEncryption, key_id: &Binary) -> Result<()> {
    println!("Explicit encryption");
    let random = Algorithm::Random;
    let deterministic = Algorithm::Deterministic;
    let by_id = keys.encrypt(SECRET, key_id.clone(), deterministic).await?;
    let by_name = keys.encrypt(SECRET, "example".to_owned(), deterministic).await?;
    check("by key id and by alternate name give the same", by_id == by_name)?;
    let once = keys.encrypt(SECRET, key_id.clone(), random).await?;
    let again = keys.encrypt(SECRET, key_id.clone(), random).await?;
    check("Random gives something else each time", once != again)?;
    let unindexed = keys.encrypt(SECRET, key_id.clone(), Algorithm::Unindexed).await?;
    for (what, encrypted) in
        [("Deterministic", &by_id), ("Random", &once), ("Unindexed", &unindexed)]
    {
        let value = keys.decrypt(reference(encrypted)).await?;
        check(&format!("{what} is decrypted"), value == RawBson::String(SECRET.to_owned()))?;
    }
    stored_by_hand(place, &by_id).await?;
    range(keys, key_id).await?;
    without_key(place, keys, &by_id).await
}

/// A value encrypted by hand is read by an encrypting client without a schema.
async fn stored_by_hand(place: &Place, encrypted: &Binary) -> Result<()> {
    let plain = place.plain.database("explicit").collection::<Document>("people");
    plain.insert_one(doc! { "ssn": encrypted.clone() }).await?;
    let found = plain.find_one(doc! { "ssn": encrypted.clone() }).await?;
    check("it is found by its ciphertext", found.is_some())?;
    let client = place.encrypted(None).await?;
    let people = client.database("explicit").collection::<Document>("people");
    let found = people.find_one(doc! {}).await?.context("the document is lost")?;
    check("and decrypted in replies, without a schema", found.get_str("ssn")? == SECRET)?;
    client.shutdown().immediate(true).await;
    Ok(())
}

async fn range(keys: &ClientEncryption, key_id: &Binary) -> Result<()> {
    let expression = doc! { "$and": [{ "age": { "$gte": 18 } }, { "age": { "$lt": 65 } }] };
    let options = RangeOptions::builder()
        .min(Bson::Int32(0))
        .max(Bson::Int32(200))
        .trim_factor(1)
        .sparsity(2)
        .build();
    let found = keys
        .encrypt_expression(RawDocumentBuf::try_from(&expression)?, key_id.clone())
        .contention_factor(8)
        .range_options(options)
        .await?;
    let bounds = found.get_array("$and")?;
    let payload = bounds
        .first()
        .and_then(|bound| bound.as_document())
        .context("the expression lost its bounds")?
        .get_document("age")?
        .get_binary_generic("$gte");
    let refused = payload.is_err();
    check("a range is an expression with payloads in place of values", bounds.len() == 2 && refused)
}

/// Clients that lack the data key, or the master key.
async fn without_key(place: &Place, keys: &ClientEncryption, encrypted: &Binary) -> Result<()> {
    let providers = |key| [(KmsProvider::local(), doc! { "key": key }, None)];
    let elsewhere = Namespace::new("encryption", "empty");
    let stranger =
        ClientEncryption::new(place.plain.clone(), elsewhere, providers(place.master_key.clone()))?;
    let refused = stranger.decrypt(reference(encrypted)).await.err().map(|e| e.to_string());
    check(
        "without the data key there is no decryption",
        refused.is_some_and(|text| text.contains("not all keys requested were satisfied")),
    )?;
    let other =
        ClientEncryption::new(place.plain.clone(), Place::vault(), providers(master_key()?))?;
    let refused = other.decrypt(reference(encrypted)).await.err().map(|e| e.to_string());
    check(
        "nor with another master key",
        refused.is_some_and(|text| text.contains("HMAC validation failure")),
    )?;
    let mut forged = encrypted.clone();
    if let Some(last) = forged.bytes.last_mut() {
        *last ^= 1;
    }
    let refused = keys.decrypt(reference(&forged)).await.err().map(|e| e.to_string());
    check(
        "nor of a ciphertext that was changed",
        refused.is_some_and(|text| text.contains("HMAC validation failure")),
    )
}

fn reference(binary: &Binary) -> RawBinaryRef<'_> {
    RawBinaryRef { subtype: BinarySubtype::Encrypted, bytes: &binary.bytes }
}
