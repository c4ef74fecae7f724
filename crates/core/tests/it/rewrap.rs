//! Rewrapping.

use bson::rawdoc;
use fieldveil_core::{Crypt, Env, KeyDocument, Step};

use crate::outside::{Counting, Outside, local_key};

fn two_providers() -> Crypt {
    let other = bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![0xA5; 96] };
    let mut builder = Crypt::builder();
    builder
        .kms_providers(
            &rawdoc! { "local": { "key": local_key() }, "local:other": { "key": other } },
        )
        .unwrap();
    builder.build().unwrap()
}

#[test]
fn keys_are_wrapped_anew_and_stay_what_they_are() {
    let mut outside = Outside::new();
    let ids = [outside.make_key(&[]), outside.make_key(&["n"])];
    outside.crypt = two_providers();
    let filter = rawdoc! { "anything": 1 };
    let master_key = rawdoc! { "provider": "local:other" };
    let result = outside.run(|crypt, _| crypt.rewrap_many(&filter, Some(&master_key))).unwrap();
    assert_eq!(outside.asked, [filter]);
    let items = result.get_array("v").unwrap();
    for (index, id) in ids.into_iter().enumerate() {
        let item = items.get_document(index).unwrap();
        let names: Vec<_> = item.iter().map(|element| element.unwrap().0.to_string()).collect();
        assert_eq!(names, ["keyMaterial", "masterKey", "_id"]);
        assert_eq!(item.get_binary("_id").unwrap().bytes, id.as_bytes());
        assert_eq!(item.get_document("masterKey").unwrap(), &*master_key);
        let old = KeyDocument::parse(&outside.vault[index]).unwrap();
        assert_ne!(item.get_binary("keyMaterial").unwrap().bytes, old.material());
    }
}

#[test]
fn without_a_master_key_each_keeps_its_own() {
    let mut outside = Outside::new();
    outside.make_key(&[]);
    let result = outside.run(|crypt, _| crypt.rewrap_many(&rawdoc! {}, None)).unwrap();
    let item = result.get_array("v").unwrap().get_document(0).unwrap();
    assert_eq!(item.get_document("masterKey").unwrap(), &*rawdoc! { "provider": "local" });
}

#[test]
fn no_matching_key_is_nothing_to_do() {
    let mut outside = Outside::new();
    let step = outside.crypt.rewrap_many(&rawdoc! {}, None).unwrap();
    let Step::Keys(keys) = step else { panic!() };
    let mut random = Counting::default();
    let step = keys.done(&mut Env::new(outside.now, || 0, &mut random)).unwrap();
    let Step::Ready(ready) = step else { panic!() };
    assert!(ready.is_nothing());
    assert_eq!(ready.finish(), rawdoc! { "v": [] });
    outside.make_key(&[]);
}

#[test]
fn an_unknown_provider_is_refused() {
    let outside = Outside::new();
    let master_key = rawdoc! { "provider": "kmip" };
    let error = outside.crypt.rewrap_many(&rawdoc! {}, Some(&master_key)).unwrap_err();
    assert_eq!(error.to_string(), "requested kms provider not configured: `kmip`");
}
