//! A data key for each person, named in the person's documents; and erasing a person by deleting
//! the key, which takes effect in every backup as well.
//!
//! ```text
//! cargo run --example erase_a_person -- mongodb://127.0.0.1:27017 master-key.bin
//! ```

use std::{error::Error, time::Duration};

use bson::{Bson, Document, doc};
use fieldveil::{Algorithm, ClientEncryption, EncryptedClient, LocalKey};

const KEY_VAULT: &str = "encryption.__personKeys";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(uri), Some(master_key)) = (arguments.next(), arguments.next()) else {
        return Err("usage: erase_a_person URI MASTER_KEY_FILE".into());
    };
    let providers = LocalKey::from_file(master_key)?.to_kms_providers();
    let keys = ClientEncryption::builder(mongodb::Client::with_uri_str(&uri).await?)
        .key_vault_namespace(KEY_VAULT)
        .kms_providers(providers.clone())
        .build()?;
    keys.create_alt_name_index().await?;

    // "keyId" is a JSON pointer: the key's name stands in the field `person` of each document.
    // Such fields can only be encrypted with the Random algorithm.
    let schema = doc! {
        "bsonType": "object",
        "properties": { "diagnosis": { "encrypt": {
            "bsonType": "string",
            "algorithm": Algorithm::Random.as_str(),
            "keyId": "/person",
        } } },
    };
    let connect = || async {
        // Unwrapped keys are used for a second at most, so that an erasure soon takes effect.
        EncryptedClient::builder(uri.as_str())
            .key_vault_namespace(KEY_VAULT)
            .kms_providers(providers.clone())
            .key_expiration(Duration::from_secs(1))
            .schema("clinic.diagnoses", schema.clone())
            .build()
            .await
    };
    let client = connect().await?;
    let diagnoses = client.database("clinic").collection::<Document>("diagnoses");
    diagnoses.delete_many(doc! {}).await?;
    for person in ["sophia", "dora"] {
        if keys.get_key_by_alt_name(person).await?.is_none() {
            keys.create_data_key("local").key_alt_names([person]).await?;
        }
        let document = doc! { "_id": person, "person": person, "diagnosis": "a cold" };
        diagnoses.insert_one(document).await?;
    }
    println!("before: {:?}", diagnoses.find_one(doc! { "_id": "dora" }).await?);

    let dora = keys.get_key_by_alt_name("dora").await?.ok_or("dora has no key")?;
    let Some(Bson::Binary(id)) = dora.get("_id") else { return Err("a key without an id".into()) };
    keys.delete_key(id).await?;

    // A client without the key in its cache, as every client soon is.
    let client = connect().await?;
    let diagnoses = client.database("clinic").collection::<Document>("diagnoses");
    match diagnoses.find_one(doc! { "_id": "dora" }).await {
        Ok(_) => return Err("dora is still readable".into()),
        Err(error) => println!("after:  {error}"),
    }
    println!("others: {:?}", diagnoses.find_one(doc! { "_id": "sophia" }).await?);
    Ok(())
}
