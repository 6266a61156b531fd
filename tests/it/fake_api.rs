//! A fake of any vendor, made from its document.

use keyway::testing::{FakeApi, Fault};
use reqwest::{Client, Response};
use serde_json::{Value, json};

fn acme() -> Value {
    let token = json!({ "type": "object", "required": ["access"], "properties": {
        "access": { "type": "string", "x-essential": true }, "refresh_token": { "type": "string" },
    } });
    let answer = |schema: Value| json!({ "200": { "description": "", "content": { "application/json": { "schema": schema } } } });
    let body = |schema: Value| json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    let order = json!({ "type": "object", "required": ["customer"], "properties": {
        "customer": { "type": "string", "maxLength": 5 }, "note": { "type": "string", "nullable": true },
        "inside": { "$ref": "#/components/schemas/Order" },
    } });
    json!({
        "openapi": "3.0.3", "servers": [{ "url": "https://acme.example/v7" }], "security": [{ "token": [] }],
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Token": token, "Order": order },
        },
        "paths": {
            "/login": { "post": { "operationId": "signIn", "x-session-step": "sign-in", "security": [],
                "requestBody": body(json!({ "type": "object", "required": ["password"] })),
                "responses": answer(json!({ "$ref": "#/components/schemas/Token" })) } },
            "/renew": { "post": { "operationId": "renew", "x-session-step": "renew", "security": [],
                "requestBody": body(json!({ "type": "object" })), "responses": answer(json!({ "$ref": "#/components/schemas/Token" })) } },
            "/logout": { "post": { "operationId": "signOut", "x-session-step": "sign-out", "responses": { "204": { "description": "" } } } },
            "/orders": {
                "get": { "parameters": [{ "name": "limit", "in": "query", "required": true, "schema": { "type": "integer", "maximum": 9 } }],
                    "responses": answer(json!({ "type": "array", "items": { "$ref": "#/components/schemas/Order" } })) },
                "post": { "operationId": "createOrder", "requestBody": body(json!({ "$ref": "#/components/schemas/Order" })),
                    "responses": { "201": { "description": "", "content": { "application/json": { "example": { "id": 7 } } } } } },
            },
        },
    })
}

async fn asked(fake: &FakeApi, method: &str, path: &str, token: &str, body: Option<Value>) -> Response {
    let call = Client::new().request(method.parse().unwrap(), format!("{}{path}", fake.uri()));
    let call = if token.is_empty() { call } else { call.bearer_auth(token) };
    let call = if let Some(body) = body { call.json(&body) } else { call };
    call.send().await.unwrap()
}

async fn signed_in(fake: &FakeApi) -> Value {
    asked(fake, "POST", "/v7/login", "", Some(json!({ "password": "x" }))).await.json().await.unwrap()
}

#[apply(leak_checked!)]
async fn it_answers_what_its_document_knows_and_404_to_everything_else() {
    let fake = FakeApi::of(&acme().to_string()).await;
    assert_eq!(fake.operations(), ["create_order", "get_orders", "renew", "sign_in", "sign_out"]);
    let token = signed_in(&fake).await["access"].as_str().unwrap().to_owned();
    let made = asked(&fake, "POST", "/v7/orders", &token, Some(json!({ "customer": "Ada" }))).await;
    assert_eq!((made.status().as_u16(), made.text().await.unwrap()), (201, r#"{"id":7}"#.to_owned()));
    let listed: Value = asked(&fake, "GET", "/v7/orders?limit=9", &token, None).await.json().await.unwrap();
    assert_eq!(listed[0]["customer"], "text", "a value of the schema: {listed}");
    for (method, path, status) in [("GET", "/v7/order", 404), ("GET", "/orders", 404), ("DELETE", "/v7/orders", 405)] {
        let answer = asked(&fake, method, path, &token, None).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        assert!(answer.text().await.unwrap().contains("the document has"), "{path}");
    }
    fake.next("get_orders", Fault::Html(503));
    assert_eq!(asked(&fake, "GET", "/v7/orders?limit=1", &token, None).await.status(), 503);
    assert_eq!((fake.count("get_orders"), fake.violations()), (2, Vec::new()));
}

#[apply(leak_checked!)]
async fn every_request_is_held_against_the_document() {
    let fake = FakeApi::of(&acme().to_string()).await;
    let token = signed_in(&fake).await["access"].as_str().unwrap().to_owned();
    for (method, path, body, said) in [
        ("GET", "/v7/orders", None, "the query parameter `limit` is missing"),
        ("GET", "/v7/orders?limit=10", None, "the query parameter `limit` is not of its schema"),
        ("GET", "/v7/orders?limit=few", None, "`limit` is not of its schema"),
        ("POST", "/v7/orders", None, "the body is missing"),
        ("POST", "/v7/orders", Some(json!({})), "customer"),
        ("POST", "/v7/orders", Some(json!({ "customer": "too long" })), "`/customer`"),
        ("POST", "/v7/orders", Some(json!({ "customer": "a", "inside": { "customer": 1 } })), "`/inside/customer`"),
    ] {
        let answer = asked(&fake, method, path, &token, body).await;
        assert_eq!(answer.status(), 400, "{said}");
        let told = answer.text().await.unwrap();
        assert!(told.contains(said), "{told}");
    }
    let null = json!({ "customer": "a", "note": null });
    assert_eq!(asked(&fake, "POST", "/v7/orders", &token, Some(null)).await.status(), 201);
    let text = Client::new()
        .post(format!("{}/v7/orders", fake.uri()))
        .bearer_auth(&token)
        .body("x")
        .header("content-type", "text/csv");
    assert!(text.send().await.unwrap().text().await.unwrap().contains("`application/json` is documented"));
    assert_eq!(fake.violations().len(), 8);
}

#[apply(leak_checked!)]
async fn marked_steps_keep_sessions_and_a_refresh_token_is_good_once() {
    let fake = FakeApi::of(&acme().to_string()).await;
    let get = |token: String| {
        let fake = &fake;
        async move { asked(fake, "GET", "/v7/orders?limit=1", &token, None).await.status().as_u16() }
    };
    assert_eq!((get(String::new()).await, get("guessed".to_owned()).await), (401, 401));
    let first = signed_in(&fake).await;
    let [access, refresh] = ["access", "refresh_token"].map(|name| first[name].as_str().unwrap().to_owned());
    assert_eq!(get(access.clone()).await, 200);
    let renew = |token: &str| {
        let (fake, body) = (&fake, json!({ "token": token }));
        async move { asked(fake, "POST", "/v7/renew", "", Some(body)).await }
    };
    let second: Value = renew(&refresh).await.json().await.unwrap();
    assert_eq!((renew(&refresh).await.status().as_u16(), get(access).await), (401, 401));
    let access = second["access"].as_str().unwrap().to_owned();
    assert_eq!(get(access.clone()).await, 200);
    assert_eq!(asked(&fake, "POST", "/v7/logout", &access, None).await.status(), 204);
    assert_eq!(get(access).await, 401);
    let third = signed_in(&fake).await["access"].as_str().unwrap().to_owned();
    fake.revoke_tokens();
    assert_eq!(get(third).await, 401);
    assert_eq!(fake.saw().last().unwrap().bearer.as_deref(), Some("token #3"));
}

/// The bundled documents are documents too.
#[apply(leak_checked!)]
async fn a_bundled_document_makes_a_fake() {
    let fake = FakeApi::of(include_str!(concat!(env!("OUT_DIR"), "/vms.json"))).await;
    let answer = asked(&fake, "GET", "/api/v1/static/basic", "", None).await;
    assert!(answer.status().is_success() && answer.json::<Value>().await.unwrap().is_object());
}
