//! What the documents promise.

use super::*;

#[apply(leak_checked!)]
async fn every_status_of_orderingstack_can_be_had() {
    let fake = FakeOrderingStack::start().await;
    assert_eq!(all_statuses(&fake, document("orderingstack")).await, (44, 94));
}

#[apply(leak_checked!)]
async fn every_status_of_shopmonkey_can_be_had() {
    let fake = FakeShopmonkey::start().await;
    assert_eq!(all_statuses(&fake, document("shopmonkey")).await, (5, 12));
}

#[apply(leak_checked!)]
async fn every_status_of_vtex_can_be_had() {
    let fake = FakeVtex::start().await;
    assert_eq!(all_statuses(&fake, document("vtex")).await, (35, 92));
}

/// Asks for each status of each operation, and says how many operations and how many pairs there are.
async fn all_statuses(fake: &Fake, document: Value) -> (usize, usize) {
    let (mut operations, mut pairs) = (0, 0);
    for (path, item) in document["paths"].as_object().expect("an object") {
        for (method, operation) in item.as_object().expect("an object") {
            let Some(id) = operation["x-name"].as_str().or(operation["operationId"].as_str()).map(snake_case) else {
                continue;
            };
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let statuses = operation["responses"].as_object().expect("an object").keys();
            for status in statuses.clone() {
                let status = status.replace("XX", "00").parse().unwrap_or(503);
                fake.next(&id, Fault::Json(status, json!({ "as": "wanted" })));
                let path = path.replace(['{', '}'], "");
                let answer = call(fake, method.clone(), &path).send().await.expect("answers");
                assert_eq!(answer.status(), status, "{id}");
            }
            assert_eq!(fake.count(&id), statuses.len(), "{id}");
            operations += 1;
            pairs += statuses.len();
        }
    }
    assert_eq!(fake.saw().len(), pairs);
    (operations, pairs)
}

fn snake_case(id: &str) -> String {
    let mut name = String::new();
    for letter in id.chars() {
        if letter.is_uppercase() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}
