//! Acme, as its document says it is: a request that is not as documented finds nothing.

use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_json, body_string_contains, header, header_regex, method, path, query_param},
};

pub async fn start() -> MockServer {
    let acme = MockServer::start().await;
    let signs_in =
        Mock::given(method("POST")).and(path("/v7/login")).and(body_json(json!({ "password": "open sesame" })));
    signs_in
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "access": "t0k3n" })))
        .expect(1)
        .mount(&acme)
        .await;

    let under_session =
        |verb: &str, at: &str| Mock::given(method(verb)).and(path(at)).and(header("authorization", "Bearer t0k3n"));
    let lists = under_session("GET", "/v7/orders")
        .and(query_param("limit", "2"))
        .and(query_param("filter[customer]", "Ada & Bob"))
        .and(query_param("status", "open,paid"));
    let orders = json!([
        { "id": "1", "status": "paid", "payment": { "by": "card", "last4": "1881" }, "url": null, "_url": "x" },
        { "id": "2", "status": "new", "payment": { "by": "sepa", "iban": "DE00" }, "options": [{ "name": "gift" }] },
        { "id": "3", "payment": { "by": "shells" } },
    ]);
    lists.respond_with(ResponseTemplate::new(200).set_body_json(orders)).expect(1).mount(&acme).await;

    let order = json!({ "payment": { "by": "card", "last4": "1881" }, "_url": "https://shop.example" });
    let makes = under_session("POST", "/v7/orders").and(body_json(order));
    makes
        .respond_with(ResponseTemplate::new(202).set_body_json(json!({ "ticket": "T-9" })))
        .expect(1)
        .mount(&acme)
        .await;

    let csv = under_session("GET", "/v7/orders/a%2F1.csv");
    csv.respond_with(ResponseTemplate::new(200).set_body_string("id;total\na/1;5")).expect(1).mount(&acme).await;
    let invoice = under_session("GET", "/v7/orders/1/invoice");
    invoice.respond_with(ResponseTemplate::new(200).set_body_bytes(b"%PDF-1.7 ...")).expect(1).mount(&acme).await;
    let none = under_session("GET", "/v7/orders/2/invoice");
    none.respond_with(ResponseTemplate::new(404).set_body_json(json!({ "title": "not yet" })))
        .expect(1)
        .mount(&acme)
        .await;
    let upload = under_session("PUT", "/v7/orders/1/invoice")
        .and(header_regex("content-type", "^multipart/form-data; boundary=[0-9a-f]{32}$"))
        .and(body_string_contains(
            "name=\"file\"; filename=\"invoice.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF-1.7",
        ))
        .and(body_string_contains("name=\"note\"\r\n\r\nas agreed\r\n"));
    upload.respond_with(ResponseTemplate::new(204)).expect(1).mount(&acme).await;
    acme
}
