use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::document_json;

/// Set to `1` to write `openapi.json` anew instead of comparing with it.
const UPDATE_VARIABLE: &str = "UPDATE_OPENAPI";

#[test]
fn the_committed_document_is_the_one_the_code_describes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let described = document_json().unwrap();
    let is_update = std::env::var(UPDATE_VARIABLE).is_ok_and(|value| value == "1");
    if is_update {
        std::fs::write(&path, &described).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == described,
        "openapi.json is stale: run the tests of api-types once with {UPDATE_VARIABLE}=1"
    );
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document: Value = serde_json::from_str(&document_json().unwrap()).unwrap();
    let mut references = BTreeSet::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} is missing");
    }
}

#[test]
fn operation_ids_are_unique_and_every_operation_of_the_api_says_who_may_call_it() {
    let document: Value = serde_json::from_str(&document_json().unwrap()).unwrap();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()));
            assert!(operation["security"].is_array(), "{path} does not say who may call it");
        }
    }
    assert!(ids.len() >= 30, "{}", ids.len());
}

fn collect_references(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                references.insert(reference.clone());
            }
            fields.values().for_each(|field| collect_references(field, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, references)),
        _ => {}
    }
}
