use bson::RawDocumentBuf;

use super::*;

fn validation(options: RawDocumentBuf) -> Validation {
    Validation::parse(&options).unwrap()
}

#[test]
fn failure_carries_id_and_details() {
    let rules = validation(rawdoc! {"validator": {"$jsonSchema": {"required": ["a"]}}});
    assert!(rules.check_insert(&rawdoc! {"_id": 1, "a": 1}).is_ok());
    let error = rules.check_insert(&rawdoc! {"_id": 1}).unwrap_err();
    assert!(error.is(Code::DOCUMENT_VALIDATION_FAILURE));
    assert_eq!(error.message(), "Document failed validation");
    let expected = rawdoc! {
        "failingDocumentId": 1,
        "details": {
            "operatorName": "$jsonSchema",
            "schemaRulesNotSatisfied": [{
                "operatorName": "required",
                "specifiedAs": {"required": ["a"]},
                "missingProperties": ["a"],
            }],
        },
    };
    assert_eq!(error.err_info().unwrap().to_owned(), expected);
}

#[test]
fn filters_are_explained_too() {
    let rules = validation(rawdoc! {"validator": {"a": {"$gt": 1}, "b": {"$exists": true}}});
    let error = rules.check_insert(&rawdoc! {"_id": 1, "a": 0, "b": 1}).unwrap_err();
    let details = error.err_info().unwrap().get_document("details").unwrap();
    let expected = rawdoc! {
        "operatorName": "$and",
        "clausesNotSatisfied": [{
            "index": 0,
            "details": {
                "operatorName": "$gt",
                "specifiedAs": {"a": {"$gt": 1}},
                "reason": "comparison failed",
                "consideredValue": 0,
            },
        }],
    };
    assert_eq!(details.to_owned(), expected);
}

#[test]
fn level_and_action_are_obeyed() {
    let filter = rawdoc! {"a": 1};
    let (good, bad) = (rawdoc! {"a": 1}, rawdoc! {"a": 2});
    let with = |level, action| {
        validation(rawdoc! {
            "validator": filter.clone(), "validationLevel": level, "validationAction": action,
        })
    };
    let strict = with("strict", "error");
    assert!(strict.check_insert(&bad).is_err());
    assert!(strict.check_update(&bad, &bad).is_err());
    let moderate = with("moderate", "error");
    assert!(moderate.check_insert(&bad).is_err());
    assert!(moderate.check_update(&bad, &bad).is_ok());
    assert!(moderate.check_update(&good, &bad).is_err());
    assert!(with("off", "error").check_insert(&bad).is_ok());
    assert!(with("strict", "warn").check_insert(&bad).is_ok());
}

#[test]
fn bad_options_are_refused_and_tolerated_when_stored() {
    let schema = rawdoc! {"validator": {"$jsonSchema": {"what": 1}}};
    let error = Validation::parse(&schema).unwrap_err();
    assert_eq!(error.code(), 9);
    assert!(error.message().starts_with("Parsing of collection validator failed"));
    assert!(Validation::of_stored(&schema).check_insert(&rawdoc! {}).is_err());
    assert!(Validation::parse(&rawdoc! {"validationLevel": "x"}).unwrap_err().is(Code::BAD_VALUE));
}
