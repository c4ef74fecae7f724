//! 5. Views Are Prohibited.

use bson::{Document, doc};
use fieldveil::Part;

use crate::setup::Deployment;

#[tokio::test]
async fn nothing_is_encrypted_into_a_view() {
    let deployment = Deployment::new().await;
    let db = deployment.client.database("db");
    db.run_command(doc! { "create": "view", "viewOn": "coll" }).await.unwrap();

    let encrypted = deployment.encrypted().build().await.unwrap();
    let view = encrypted.collection::<Document>("db", "view");
    let error = view.insert_one(doc! { "a": 1 }).await.unwrap_err();
    assert!(error.to_string().contains("cannot auto encrypt a view"), "{error}");
    assert_eq!(error.part(), Part::Schema);
}
