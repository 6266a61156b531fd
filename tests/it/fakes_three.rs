//! Three more fakes, asked by a plain HTTP client: if a fake is wrong, every test that stands on it is.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use keyway::testing::{ExpiresIn, Fake, FakeOrderingStack, FakeShopmonkey, FakeVtex, Fault, ManualClock};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::{future::Future, time::Duration};
use url::form_urlencoded;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// When a manual clock starts: 2026-01-01 00:00:00 UTC.
const START: u64 = 1_767_225_600;

/// What the documents promise.
mod every_document {
    use super::*;

    #[apply(hunted!)]
    async fn every_status_of_orderingstack_can_be_had() {
        let fake = FakeOrderingStack::start().await;
        assert_eq!(all_statuses(&fake, document("orderingstack")).await, (44, 94));
    }

    #[apply(hunted!)]
    async fn every_status_of_shopmonkey_can_be_had() {
        let fake = FakeShopmonkey::start().await;
        assert_eq!(all_statuses(&fake, document("shopmonkey")).await, (5, 12));
    }

    #[apply(hunted!)]
    async fn every_status_of_vtex_can_be_had() {
        let fake = FakeVtex::start().await;
        assert_eq!(all_statuses(&fake, document("vtex")).await, (35, 92));
    }

    /// Asks for each status of each operation, and says how many operations and how many pairs there are.
    async fn all_statuses(fake: &Fake, document: Value) -> (usize, usize) {
        let (mut operations, mut pairs) = (0, 0);
        for (path, item) in document["paths"].as_object().expect("an object") {
            for (method, operation) in item.as_object().expect("an object") {
                let Some(id) = operation["x-name"].as_str().or(operation["operationId"].as_str()).map(snake_case)
                else {
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
}

/// OrderingStack.
mod orderingstack {
    use super::*;
    use FakeOrderingStack as Os;

    const OTHER_TENANT: &str = "11111111-2222-4333-8444-555555555555";

    #[apply(hunted!)]
    async fn a_password_gives_both_tokens_and_an_expiry_as_a_number() {
        let fake = Os::start().await;
        let answer = by_password(&fake).send().await.expect("answers");
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.expect("is JSON");
        let expected = json!({
            "access_token": fake.token(1), "refresh_token": answer["refresh_token"], "token_type": "bearer",
            "expires_in": 3600, "scope": "read", "UUID": Os::USER, "TENANT": Os::TENANT, "TRUST": "T", "MFA": "F",
        });
        assert_eq!(answer, expected);
        assert_eq!(fake.saw()[0].tenant.as_deref(), Some(Os::TENANT));

        let me = body(with(&fake, 1, Method::GET, "/auth-api/api/me").send().await).await;
        assert_eq!((&me["login"], &me["UUID"]), (&json!(Os::LOGIN), &json!(Os::USER)));
        assert_eq!(fake.saw()[1].bearer.as_deref(), Some("token #1"));
        assert_eq!((fake.count("issue_token"), fake.count("get_self")), (1, 1));
    }

    #[apply(hunted!)]
    async fn anonymous_users_and_services_get_no_refresh_token() {
        let fake = Os::start().await;
        let anonymous = [("grant_type", "password"), ("username", "anonymous"), ("password", ""), ("scope", "read")];
        for form in [anonymous.as_slice(), &[("grant_type", "client_credentials")]] {
            let answer = body(token(&fake, form).send().await).await;
            assert!(answer["access_token"].is_string() && answer.get("refresh_token").is_none(), "{answer}");
        }
        let me = body(with(&fake, 1, Method::GET, "/auth-api/api/me").send().await).await;
        assert_eq!(me["login"], "anonymous");
        let without_password = [("grant_type", "password"), ("username", "anonymous")];
        assert_eq!(refused(token(&fake, &without_password)).await, (400, "invalid_request".to_owned()));
        assert_eq!(status(with(&fake, 1, Method::GET, "/auth-api/api/users").send()).await, 403);
        assert_eq!(status(with(&fake, 1, Method::GET, "/menu-api/api/menus").send()).await, 200);
    }

    #[apply(hunted!)]
    async fn the_clients_id_and_secret_are_form_encoded_before_they_are_basic() {
        let (id, secret) = ("web shop:1", "p%ss+w&rd é");
        let fake = Os::builder().client(id, secret).start().await;
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let encoded = format!("{}:{}", encode(id), encode(secret));
        assert!(encoded.contains('+'), "{encoded}");
        assert_eq!(status(token_for(&fake, &encoded.replace('+', "%20")).send()).await, 200);
        assert_eq!(status(token_for(&fake, &encoded).send()).await, 200);
        for wrong in [format!("{id}:{secret}"), format!("{id}:"), String::new()] {
            assert_eq!(refused(token_for(&fake, &wrong)).await, (401, "invalid_client".to_owned()));
        }
        fake.set_client_secret("another");
        let refusal = token_for(&fake, &encoded).send().await.expect("answers");
        assert_eq!(refusal.status(), 401);
        assert!(header(&refusal, "www-authenticate").starts_with("Basic"));
        let other_way = call(&fake, Method::POST, "/auth-oauth2/oauth/token").header("x-tenant", Os::TENANT);
        assert_eq!(refused(other_way.bearer_auth("another")).await.0, 401);
    }

    #[apply(hunted!)]
    async fn a_token_is_refused_in_the_words_of_oauth() {
        let fake = Os::start().await;
        let form = |body: &str| fake_form(&fake, "/auth-oauth2/oauth/token").body(body.to_owned());
        let tenant = |request: RequestBuilder, uuid: &str| request.header("x-tenant", uuid);
        let password = "grant_type=password&username=manager&password=";
        for (request, error) in [
            (form("grant_type=client_credentials"), "invalid_request"), // no tenant
            (tenant(form("grant_type=client_credentials"), OTHER_TENANT), "invalid_request"),
            (tenant(form("username=manager"), Os::TENANT), "invalid_request"),
            (tenant(form("grant_type=magic"), Os::TENANT), "unsupported_grant_type"),
            (tenant(form(&format!("{password}wrong")), Os::TENANT), "invalid_grant"),
            (tenant(form(&format!("{password}wrong")), Os::TENANT), "invalid_grant"),
            (tenant(form(&format!("{password}wrong").replace("manager", "nobody")), Os::TENANT), "invalid_grant"),
            (tenant(form("grant_type=refresh_token&refresh_token=no"), Os::TENANT), "invalid_grant"),
        ] {
            assert_eq!(refused(request).await, (400, error.to_owned()));
        }
        let as_json = call(&fake, Method::POST, "/auth-oauth2/oauth/token").json(&json!({ "grant_type": "password" }));
        let as_json = as_json.header("authorization", basic()).header("x-tenant", Os::TENANT);
        assert_eq!(refused(as_json).await, (400, "invalid_request".to_owned()));
        sign_in_as_service(&fake).await;
        let user = body(with(&fake, 1, Method::GET, &user_path("")).send().await).await;
        assert_eq!(user["failedAttempts"], 2);
        assert_eq!((fake.count("issue_token"), fake.count("get_user")), (10, 1));
    }

    #[apply(hunted!)]
    async fn refresh_tokens_rotate_and_a_spent_one_takes_its_family_with_it() {
        let fake = Os::start().await;
        let first = sign_in(&fake).await;
        let stranger = sign_in(&fake).await;
        let second = body(renew(&fake, &first).send().await).await["refresh_token"].as_str().expect("text").to_owned();
        assert_ne!(first, second);
        assert_eq!(status(with(&fake, 3, Method::GET, "/auth-api/api/me").send()).await, 200);

        assert_eq!(refused(renew(&fake, &first)).await, (400, "invalid_grant".to_owned()));
        assert_eq!(fake.reuses(), 1);
        assert_eq!(refused(renew(&fake, &second)).await, (400, "invalid_grant".to_owned()));
        assert_eq!(status(with(&fake, 3, Method::GET, "/auth-api/api/me").send()).await, 401);
        assert_eq!(status(renew(&fake, &stranger).send()).await, 200);
        assert_eq!((fake.reuses(), fake.count("issue_token")), (1, 6));
    }

    #[apply(hunted!)]
    async fn a_renewal_may_leave_the_refresh_token_out_or_repeat_it() {
        let keeps = Os::builder().keeps_refresh_token(true).start().await;
        let refresh = sign_in(&keeps).await;
        for _ in 0..2 {
            assert!(body(renew(&keeps, &refresh).send().await).await.get("refresh_token").is_none());
        }
        let repeats = Os::builder().rotating(false).start().await;
        let refresh = sign_in(&repeats).await;
        for _ in 0..2 {
            assert_eq!(body(renew(&repeats, &refresh).send().await).await["refresh_token"], refresh);
        }
        let never = Os::builder().without_refresh_token(true).start().await;
        assert!(body(by_password(&never).send().await).await.get("refresh_token").is_none());
        assert_eq!((keeps.reuses(), repeats.reuses(), never.reuses()), (0, 0, 0));
    }

    #[apply(hunted!)]
    async fn a_refresh_token_is_good_for_its_tenant_and_its_time() {
        let clock = ManualClock::new();
        let fake = Os::builder().tenant(OTHER_TENANT).refresh_life(DAY).clock(clock.clone()).start().await;
        let refresh = fake.new_refresh_token();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let abroad = token_in(&fake, OTHER_TENANT, &form);
        assert_eq!(refused(abroad).await, (400, "invalid_grant".to_owned()));
        let renewed = body(renew(&fake, &refresh).send().await).await;
        assert_eq!((&renewed["UUID"], fake.reuses()), (&json!(Os::USER), 0));
        clock.advance(DAY);
        let late = renew(&fake, renewed["refresh_token"].as_str().expect("text"));
        assert_eq!(refused(late).await, (400, "invalid_grant".to_owned()));
        let revoked = fake.new_refresh_token();
        fake.revoke_refresh_tokens();
        assert_eq!(refused(renew(&fake, &revoked)).await, (400, "invalid_grant".to_owned()));
    }

    #[apply(hunted!)]
    async fn the_expiry_is_told_in_three_dialects() {
        for (dialect, told) in
            [(ExpiresIn::Number, json!(90)), (ExpiresIn::Text, json!("90")), (ExpiresIn::Absent, Value::Null)]
        {
            let fake = Os::builder().expires_in(dialect).token_life(90 * SECOND).start().await;
            let answer = body(by_password(&fake).send().await).await;
            assert_eq!((&answer["expires_in"], answer.get("expires_in").is_some()), (&told, !told.is_null()));
        }
    }

    #[apply(hunted!)]
    async fn an_access_token_ends_with_its_life_or_when_it_is_revoked() {
        let clock = ManualClock::new();
        let fake = Os::builder().token_life(MINUTE).jwt(true).clock(clock.clone()).start().await;
        sign_in(&fake).await;
        let token = fake.token(1);
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("a JWT")).expect("is base64");
        let claims: Value = serde_json::from_slice(&claims).expect("is JSON");
        assert_eq!((&claims["exp"], &claims["TENANT"]), (&json!(START + 60), &json!(Os::TENANT)));

        clock.advance(MINUTE - SECOND);
        assert_eq!(status(with(&fake, 1, Method::GET, "/auth-api/api/me").send()).await, 200);
        clock.advance(SECOND);
        assert_eq!(refused(with(&fake, 1, Method::GET, "/auth-api/api/me")).await, (401, "invalid_token".to_owned()));
        sign_in(&fake).await;
        fake.revoke_access_tokens();
        assert_eq!(status(with(&fake, 2, Method::GET, "/menu-api/api/menus").send()).await, 401);
        assert_eq!(status(call(&fake, Method::GET, "/menu-api/api/menus").send()).await, 401);
    }

    #[apply(hunted!)]
    async fn a_device_waits_for_a_person_and_gets_one_token() {
        let clock = ManualClock::new();
        let fake = Os::builder().clock(clock.clone()).start().await;
        let device = start_device(&fake).await;
        assert_eq!((&device["interval"], &device["expires_in"]), (&json!(5), &json!(600)));
        assert_eq!(device["user_code"], fake.user_code());
        let page = device["verification_uri_complete"].as_str().expect("text");
        assert!(page.starts_with(device["verification_uri"].as_str().expect("text")), "{page}");

        let pending = body(poll(&fake, &device).send().await).await;
        assert_eq!(pending["error"], "authorization_pending");
        assert!(pending["error_uri"].is_string());
        clock.advance(4 * SECOND);
        assert_eq!(refused(poll(&fake, &device)).await.1, "slow_down");
        clock.advance(9 * SECOND); // it is 10 s now, for good
        assert_eq!(refused(poll(&fake, &device)).await.1, "slow_down");
        clock.advance(15 * SECOND);
        assert_eq!(refused(poll(&fake, &device)).await.1, "authorization_pending");
        assert!(fake.approve_device() && !fake.approve_device());
        let tokens = body(poll(&fake, &device).send().await).await;
        assert!(tokens["refresh_token"].is_string());
        assert_eq!(refused(poll(&fake, &device)).await, (400, "invalid_grant".to_owned()));

        let module = body(with(&fake, 1, Method::GET, "/auth-api/api/module-config").send().await).await;
        assert_eq!((&module["id"], &module["type"]), (&json!(Os::MODULE), &json!("KIOSK")));
        assert!(module["configSignature"].is_string());
        assert_eq!((fake.count("start_device"), fake.count("issue_token")), (1, 6));
    }

    #[apply(hunted!)]
    async fn a_device_is_turned_away_or_comes_too_late() {
        let clock = ManualClock::new();
        let fake = Os::builder().device_life(MINUTE).device_interval(SECOND).clock(clock.clone()).start().await;
        let (first, second) = (start_device(&fake).await, start_device(&fake).await);
        assert!(fake.deny_device()); // the second
        assert_eq!(refused(poll(&fake, &second)).await, (400, "access_denied".to_owned()));
        assert!(!fake.approve_user_code(second["user_code"].as_str().expect("text")));
        assert!(fake.approve_user_code(first["user_code"].as_str().expect("text")));
        assert_eq!(status(poll(&fake, &first).send()).await, 200);
        let third = start_device(&fake).await;
        clock.advance(MINUTE);
        assert!(!fake.approve_device());
        assert_eq!(refused(poll(&fake, &third)).await, (400, "expired_token".to_owned()));
        assert_eq!(refused(poll(&fake, &json!({ "device_code": "no" }))).await, (400, "invalid_grant".to_owned()));

        let unknown = fake_form(&fake, "/auth-oauth2/oauth/device").header("x-tenant", Os::TENANT).body("module=no");
        let unknown = unknown.send().await.expect("answers");
        assert_eq!(unknown.status(), 404);
        assert_eq!(unknown.json::<Value>().await.expect("is JSON")["description"], "Cannot determine module");
    }

    #[apply(hunted!)]
    async fn a_token_of_the_wrong_kind_is_403_and_modules_are_told_apart() {
        let fake = Os::start().await;
        sign_in(&fake).await; // 1: a user
        sign_in_as_service(&fake).await; // 2
        sign_in_as_module(&fake).await; // 3
        let catalog_user = format!("/auth-api/api/catalog/user/{}", Os::USER);
        let user = user_path("");
        for (path, by_user, by_service, by_module) in [
            ("/auth-api/api/me", 200, 403, 403),
            ("/auth-api/api/users", 200, 403, 403),
            (user.as_str(), 200, 200, 403),
            ("/auth-api/api/modules", 200, 200, 403),
            ("/auth-api/api/catalog/modules", 403, 200, 403),
            (catalog_user.as_str(), 403, 200, 403),
            ("/auth-api/api/module-config", 404, 403, 200),
            ("/auth-api/api/module-common-config", 404, 403, 200),
            ("/menu-api/api/menus", 200, 200, 200),
        ] {
            for (number, expected) in [(1, by_user), (2, by_service), (3, by_module)] {
                let answer = with(&fake, number, Method::GET, path).header("x-tenant", Os::TENANT).send();
                assert_eq!(status(answer).await, expected, "{path} with token #{number}");
            }
        }
        let answer = with(&fake, 1, Method::GET, "/auth-api/api/module-config").send().await;
        assert_eq!(body(answer).await["description"], "Cannot determine module");
        assert_eq!(status(with(&fake, 2, Method::GET, &catalog_user).send()).await, 400); // wants the tenant
    }

    #[apply(hunted!)]
    async fn users_keep_to_their_tenant_and_services_choose_one() {
        let fake = Os::builder().tenant(OTHER_TENANT).start().await;
        sign_in(&fake).await;
        let form = [("grant_type", "password"), ("username", Os::LOGIN), ("password", Os::PASSWORD)];
        status(token_in(&fake, OTHER_TENANT, &form).send()).await;
        sign_in_as_service(&fake).await;
        let sibling = |number: usize, tenant: &str| {
            with(&fake, number, Method::GET, "/menu-api/api/menus").header("x-tenant", tenant).send()
        };
        assert_eq!(body(sibling(2, OTHER_TENANT).await).await["tenant"], OTHER_TENANT);
        assert_eq!(status(sibling(1, OTHER_TENANT)).await, 403);
        assert_eq!(status(sibling(2, Os::TENANT)).await, 403);
        assert_eq!(body(sibling(3, OTHER_TENANT).await).await["tenant"], OTHER_TENANT);
        assert_eq!(status(sibling(3, "22222222-2222-4333-8444-555555555555")).await, 404);

        let module = json!({ "id": "kds-1", "type": "KDS" });
        let create = with(&fake, 2, Method::POST, "/auth-api/api/modules").json(&module).send().await;
        assert_eq!(body(create).await, true);
        let count = |number: usize, tenant: &str| {
            with(&fake, number, Method::GET, "/auth-api/api/modules").header("x-tenant", tenant).send()
        };
        assert_eq!(header(&count(1, Os::TENANT).await.expect("answers"), "x-total-count"), "1");
        assert_eq!(header(&count(3, OTHER_TENANT).await.expect("answers"), "x-total-count"), "2");
        let named = |tenant: &str| fake.saw().iter().filter(|seen| seen.tenant.as_deref() == Some(tenant)).count();
        assert_eq!((named(Os::TENANT), named(OTHER_TENANT)), (4, 5));
    }

    #[apply(hunted!)]
    async fn users_are_made_changed_listed_and_deleted() {
        let fake = Os::start().await;
        sign_in(&fake).await;
        let id = "6f9619ff-8b86-4011-b42d-00cf4fc964ff";
        let new = json!({
            "id": id, "login": "ann", "password": "long enough", "firstName": "Łucja", "consents": ["news"],
            "authStrategies": [{ "strategy": "FB", "id": "fb-1", "password": "a secret of ann" }],
        });
        let users = "/auth-api/api/users";
        let made = with(&fake, 1, Method::POST, &format!("{users}/sync")).json(&new).send().await;
        let made = body(made).await;
        assert!(made["consents"]["news"].as_str().expect("a moment").ends_with('Z'));
        let shown = json!([{ "strategy": "FB", "id": "fb-1", "active": true }]);
        assert_eq!((&made["firstName"], &made["authStrategies"]), (&json!("Łucja"), &shown));
        let same = with(&fake, 1, Method::POST, users).json(&json!({ "login": "ann" }));
        assert_eq!(status(same.send()).await, 400);
        let later = with(&fake, 1, Method::POST, users).json(&json!({ "login": "bob", "phone": "555" })).send().await;
        let later = later.expect("answers");
        assert_eq!((later.status().as_u16(), later.text().await.expect("a body")), (202, String::new()));

        let change = with(&fake, 1, Method::PUT, &format!("{users}/{id}")).json(&json!({ "login": "anna" }));
        assert_eq!(status(change.send()).await, 202);
        let upsert = json!({ "login": "eve", "consents": [] });
        let upsert = with(&fake, 1, Method::PUT, &format!("{users}/eve-1/sync")).json(&upsert);
        assert_eq!(body(upsert.send().await).await["id"], "eve-1");

        let page = with(&fake, 1, Method::GET, &format!("{users}?_sort=login&_order=DESC&_start=1&_end=3"));
        let page = page.send().await.expect("answers");
        assert_eq!(header(&page, "x-total-count"), "4");
        let page: Value = page.json().await.expect("is JSON");
        assert_eq!(json!([page[0]["login"], page[1]["login"]]), json!(["eve", "bob"]));
        let filtered = with(&fake, 1, Method::GET, &format!("{users}?phone=555")).send().await.expect("answers");
        assert_eq!(header(&filtered, "x-total-count"), "1");

        let anna = [("grant_type", "password"), ("username", "anna"), ("password", "long enough")];
        assert_eq!(status(token(&fake, &anna).send()).await, 200);
        assert_eq!(body(with(&fake, 1, Method::DELETE, &format!("{users}/{id}")).send().await).await, true);
        assert_eq!(status(with(&fake, 1, Method::GET, &format!("{users}/{id}")).send()).await, 404);
        assert_eq!(status(with(&fake, 2, Method::GET, "/auth-api/api/me").send()).await, 401);
        let secrets = fake.secrets();
        assert!(secrets.iter().any(|secret| secret == "a secret of ann"));
        assert_eq!((fake.count("get_user_list"), fake.count("create_user"), fake.count("create_user_sync")), (2, 2, 1));
    }

    #[apply(hunted!)]
    async fn users_are_found_by_contact_and_by_other_ways_to_sign_in() {
        let fake = Os::start().await;
        sign_in(&fake).await;
        let strategy = json!({ "strategy": "FB", "id": "fb-9", "password": "ten letters" });
        let strategy = with(&fake, 1, Method::POST, &user_path("/auth-strategy")).json(&strategy);
        assert_eq!(body(strategy.send().await).await, true);
        let find =
            |query: &str| with(&fake, 1, Method::GET, &format!("/auth-api/api/users/by-auth-strategy?{query}")).send();
        assert_eq!(body(find("strategy=FB&id=fb-9&email=").await).await["id"], Os::USER);
        assert_eq!(status(find("strategy=FB&id=fb-8&email=")).await, 404);
        assert_eq!(status(find("strategy=FB&id=fb-9")).await, 400); // the address may be empty, but not missing
        let another = json!({ "strategy": "FB", "id": "fb-8" });
        let another = with(&fake, 1, Method::POST, &user_path("/auth-strategy")).json(&another);
        assert_eq!(body(another.send().await).await, true); // takes the place of the first
        assert_eq!(status(find("strategy=FB&id=fb-9&email=")).await, 404);
        let contact = format!("/auth-api/api/user/{}/contact", Os::USER);
        assert_eq!(body(with(&fake, 1, Method::GET, &contact).send().await).await["login"], Os::LOGIN);
        assert_eq!((fake.count("by_auth_strategy"), fake.count("get_user")), (4, 0));
    }

    #[apply(hunted!)]
    async fn the_signed_in_user_changes_and_deletes_himself() {
        let fake = Os::start().await;
        sign_in(&fake).await;
        let me = |method: Method, path: &str, body: Value| {
            with(&fake, 1, method, &format!("/auth-api/api/me{path}")).json(&body).send()
        };
        assert_eq!(text(me(Method::POST, "", json!({ "firstName": "Ann", "login": "no" })).await).await, "true");
        let consents = json!({ "set": ["news", "sms"], "unset": ["sms"] });
        assert_eq!(text(me(Method::POST, "/consents", consents).await).await, "true");
        let user = body(me(Method::GET, "", json!({})).await).await;
        assert_eq!((&user["firstName"], &user["login"]), (&json!("Ann"), &json!(Os::LOGIN)));
        assert_eq!(user["consents"].as_object().expect("a map").keys().collect::<Vec<_>>(), ["news"]);

        assert_eq!(status(me(Method::DELETE, "", json!({ "login": "other" }))).await, 400);
        assert_eq!(status(with(&fake, 1, Method::DELETE, "/auth-api/api/me").send()).await, 400); // without a body
        assert_eq!(text(me(Method::DELETE, "", json!({ "login": Os::LOGIN })).await).await, "true");
        assert_eq!(status(me(Method::GET, "", json!({}))).await, 401);
        assert_eq!(refused(by_password(&fake)).await, (400, "invalid_grant".to_owned()));

        let patient = Os::builder().clock(ManualClock::new()).delete_grace(DAY).start().await;
        sign_in(&patient).await;
        let delete = with(&patient, 1, Method::DELETE, "/auth-api/api/me").json(&json!({ "login": Os::LOGIN }));
        assert_eq!(body(delete.send().await).await, json!({ "deleteAfter": "2026-01-02T00:00:00.000Z" }));
        assert_eq!(status(with(&patient, 1, Method::GET, "/auth-api/api/me").send()).await, 200);
    }

    #[apply(hunted!)]
    async fn a_second_factor_is_set_up_and_shows_at_sign_in() {
        let fake = Os::start().await;
        sign_in(&fake).await;
        let secret = body(with(&fake, 1, Method::GET, "/auth-api/api/totp/secret").send().await).await["secret"].take();
        assert!(fake.secrets().iter().any(|known| secret == *known.as_str()));
        let configure = |code: &str| {
            let config = json!({ "secret": secret, "code": code });
            status(with(&fake, 1, Method::POST, "/auth-api/api/totp").json(&config).send())
        };
        let app = totp_rs::Secret::try_from_base32(secret.as_str().expect("is a text")).expect("is base32");
        let app = totp_rs::Builder::new().with_secret(app).build_noncompliant();
        let now = keyway::Clock::wall(&keyway::SystemClock).duration_since(std::time::SystemTime::UNIX_EPOCH);
        let now = now.expect("is after 1970").as_secs();
        assert_eq!(configure("12345").await, 400);
        assert_eq!(configure(&app.generate(now + 3600).to_string()).await, 400);
        assert_eq!(configure(&app.generate(now).to_string()).await, 200);
        assert_eq!(body(by_password(&fake).send().await).await["MFA"], "T");
        assert_eq!(status(with(&fake, 1, Method::DELETE, "/auth-api/api/totp").send()).await, 200);
        assert_eq!(body(by_password(&fake).send().await).await["MFA"], "F");
    }

    #[apply(hunted!)]
    async fn properties_are_public_or_private_and_may_be_hidden() {
        let fake = Os::start().await;
        sign_in(&fake).await;
        sign_in_as_service(&fake).await;
        let properties = "/auth-api/api/properties";
        let put = json!({ "value": "blue", "isPrivate": false });
        let put = with(&fake, 1, Method::PUT, &format!("{properties}/theme")).json(&put);
        assert_eq!(body(put.send().await).await, true);
        let hidden = json!({ "property": "smtp.password", "value": "xyz", "isPrivate": true, "isObfuscate": true });
        assert_eq!(body(with(&fake, 1, Method::POST, properties).json(&hidden).send().await).await, true);
        let config = with(&fake, 1, Method::PUT, "/auth-api/api/config").json(&json!({ "phone": "555" }));
        assert_eq!(body(config.send().await).await, true);

        let config = |query: &str| with(&fake, 1, Method::GET, &format!("/auth-api/api/config{query}")).send();
        assert_eq!(body(config("").await).await, json!({ "phone": "555", "theme": "blue" }));
        assert_eq!(body(config("?filter=th").await).await, json!({ "theme": "blue" }));
        let listed = body(with(&fake, 1, Method::GET, properties).send().await).await;
        assert_eq!((&listed[1]["property"], &listed[1]["value"]), (&json!("smtp.password"), &json!("******")));
        let catalog = with(&fake, 2, Method::GET, &format!("/auth-api/api/catalog/tenant/{}", Os::TENANT));
        assert_eq!(body(catalog.send().await).await["properties"]["theme"], "blue");
        assert_eq!(status(with(&fake, 2, Method::GET, "/auth-api/api/catalog/tenant/no").send()).await, 404);
        assert_eq!(status(with(&fake, 1, Method::GET, &format!("{properties}/schema")).send()).await, 200);

        let delete =
            |private: bool| with(&fake, 1, Method::DELETE, &format!("{properties}/theme?isPrivate={private}")).send();
        assert_eq!((status(delete(true)).await, status(delete(false)).await), (404, 200));
        assert_eq!(body(config("").await).await, json!({ "phone": "555" }));
        assert_eq!((fake.count("get_public_tenant_config"), fake.count("delete_tenant_property")), (3, 2));
    }

    #[apply(hunted!)]
    async fn modules_are_managed_and_signed_out() {
        let fake = Os::start().await;
        sign_in_as_service(&fake).await;
        sign_in_as_module(&fake).await;
        let as_service = |method: Method, path: &str| with(&fake, 1, method, &format!("/auth-api/api{path}"));
        let module = json!({ "id": "kds-1", "type": "KDS", "venue": "v-2", "config": { "screen": "left" } });
        assert_eq!(body(as_service(Method::POST, "/modules").json(&module).send().await).await, true);
        assert_eq!(status(as_service(Method::POST, "/modules").json(&module).send()).await, 400);
        let changed = json!({ "id": "kds-1", "type": "KDS", "production": true });
        assert_eq!(body(as_service(Method::PUT, "/modules/kds-1").json(&changed).send().await).await, true);
        assert_eq!(status(as_service(Method::PUT, "/modules/no").json(&changed).send()).await, 404);
        for path in ["/modules/kds-1", "/catalog/modules/kds-1"] {
            let module = body(as_service(Method::GET, path).send().await).await;
            assert_eq!((&module["production"], &module["venue"]), (&json!(true), &json!("v-2")));
        }
        let venue = "/module-config/v-2?type=KDS&filterConfigName=screen&filterConfigValue=";
        assert_eq!(status(as_service(Method::GET, &format!("{venue}left")).send()).await, 200);
        assert_eq!(status(as_service(Method::GET, &format!("{venue}right")).send()).await, 404);
        for path in ["/modules?type=KDS", "/catalog/modules?venue=v-2", "/find-module-config?id=kds-1"] {
            let found = body(as_service(Method::GET, path).send().await).await;
            assert_eq!((found.as_array().map(Vec::len), &found[0]["id"]), (Some(1), &json!("kds-1")), "{path}");
        }
        let shared = json!({ "language": "pl" });
        let set = as_service(Method::POST, "/modules/KIOSK/common-config").json(&shared);
        assert_eq!(body(set.send().await).await, true);
        assert_eq!(body(as_service(Method::GET, "/modules/KIOSK/common-config").send().await).await, shared);
        let own = with(&fake, 2, Method::GET, "/auth-api/api/module-common-config").send().await;
        assert_eq!(body(own).await, json!({ "type": "KIOSK", "properties": shared }));

        assert_eq!(status(as_service(Method::POST, "/modules/no/logout").send()).await, 404);
        assert_eq!(body(as_service(Method::POST, "/modules/kiosk-1/logout").send().await).await, true);
        let config = || with(&fake, 2, Method::GET, "/auth-api/api/module-config").send();
        assert_eq!(status(config()).await, 401);
        sign_in_as_module(&fake).await;
        assert_eq!(body(as_service(Method::DELETE, "/modules/kiosk-1").send().await).await, true);
        let gone = with(&fake, 3, Method::GET, "/auth-api/api/module-config").send();
        assert_eq!(status(gone).await, 404);
        assert_eq!((fake.count("logout_module"), fake.count("get_module_config")), (2, 2));
    }

    #[apply(hunted!)]
    async fn roles_are_granted_by_login_and_taken_from_everybody_else() {
        let fake = Os::builder().user("ann", "pw").user("bob", "pw").start().await;
        sign_in(&fake).await;
        let ask = |path: &str, body: Value| {
            with(&fake, 1, Method::POST, &format!("/auth-api/api/roles/{path}")).json(&body).send()
        };
        for role in ["ROLE_SU", "ROLE_USERS"] {
            let grant = json!({ "role": role, "logins": [Os::LOGIN, "ann", "nobody"], "venue": "v-1" });
            assert_eq!(body(ask("grant", grant).await).await, true);
        }
        assert_eq!(status(ask("grant", json!({ "role": "ROLE_SU", "logins": [] }))).await, 400);
        assert_eq!(body(ask("revoke", json!(["ROLE_SU", "ROLE_USERS"])).await).await, true);
        assert_eq!(status(ask("revoke", json!([]))).await, 400);
        let users = body(with(&fake, 1, Method::GET, "/auth-api/api/users?_sort=login").send().await).await;
        let roles = |index: usize| users[index]["roles"].as_array().map(Vec::len);
        assert_eq!([roles(0), roles(1), roles(2)], [Some(1), Some(0), Some(2)]); // ann, bob, and who asked
        assert_eq!(users[0]["roles"][0], json!({ "role": "ROLE_SU", "venue": "v-1" }));
    }

    #[apply(hunted!)]
    async fn no_secret_shows_in_what_it_prints() {
        let builder = Os::builder().client("id", "a client's secret").user("ann", "a password");
        let printed = format!("{builder:?}");
        let fake = builder.start().await;
        assert!(!fake.new_refresh_token().is_empty());
        assert_eq!(status(token_for(&fake, "id:a+client%27s+secret").send()).await, 200);
        let secrets = fake.secrets();
        assert_eq!(secrets.len(), 5); // of the client, two passwords, a refresh token, an access token
        let printed = format!("{printed} {fake:?} {:?}", fake.saw());
        assert!(secrets.iter().all(|secret| !printed.contains(secret.as_str())), "{printed}");
    }

    fn basic() -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", Os::CLIENT_ID, Os::CLIENT_SECRET)))
    }

    /// A form from the usual client, without a tenant.
    fn fake_form(fake: &Os, path: &str) -> RequestBuilder {
        let request = call(fake, Method::POST, path).header("authorization", basic());
        request.header("content-type", "application/x-www-form-urlencoded")
    }

    fn token_in(fake: &Os, tenant: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        fake_form(fake, "/auth-oauth2/oauth/token").header("x-tenant", tenant).body(form)
    }

    fn token(fake: &Os, form: &[(&str, &str)]) -> RequestBuilder {
        token_in(fake, Os::TENANT, form)
    }

    /// Asks for the token of a service, as this client: `id:secret`, form-encoded or not.
    fn token_for(fake: &Os, client: &str) -> RequestBuilder {
        call(fake, Method::POST, "/auth-oauth2/oauth/token")
            .header("authorization", format!("Basic {}", STANDARD.encode(client)))
            .header("x-tenant", Os::TENANT)
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials")
    }

    fn by_password(fake: &Os) -> RequestBuilder {
        token(fake, &[("grant_type", "password"), ("username", Os::LOGIN), ("password", Os::PASSWORD)])
    }

    fn renew(fake: &Os, refresh: &str) -> RequestBuilder {
        token(fake, &[("grant_type", "refresh_token"), ("refresh_token", refresh)])
    }

    async fn sign_in(fake: &Os) -> String {
        body(by_password(fake).send().await).await["refresh_token"].as_str().expect("a refresh token").to_owned()
    }

    async fn sign_in_as_service(fake: &Os) {
        let answer = token(fake, &[("grant_type", "client_credentials")]).send();
        assert_eq!(status(answer).await, 200);
    }

    async fn sign_in_as_module(fake: &Os) {
        let device = start_device(fake).await;
        assert!(fake.approve_device());
        assert_eq!(status(poll(fake, &device).send()).await, 200);
    }

    async fn start_device(fake: &Os) -> Value {
        let start = fake_form(fake, "/auth-oauth2/oauth/device").header("x-tenant", Os::TENANT).body("module=kiosk-1");
        body(start.send().await).await
    }

    fn poll(fake: &Os, device: &Value) -> RequestBuilder {
        let code = device["device_code"].as_str().expect("a device code");
        let grant = "urn:ietf:params:oauth:grant-type:device_code";
        token(fake, &[("grant_type", grant), ("device_code", code)])
    }

    fn with(fake: &Os, number: usize, method: Method, path: &str) -> RequestBuilder {
        call(fake, method, path).bearer_auth(fake.token(number))
    }

    fn user_path(rest: &str) -> String {
        format!("/auth-api/api/users/{}{rest}", Os::USER)
    }

    async fn refused(request: RequestBuilder) -> (u16, String) {
        let answer = request.send().await.expect("answers");
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.expect("is JSON");
        (status, body["error"].as_str().expect("an error").to_owned())
    }
}

/// Shopmonkey.
mod shopmonkey {
    use super::*;
    use FakeShopmonkey as Shop;

    #[apply(hunted!)]
    async fn a_login_replays_the_vendors_example_with_a_session_of_its_own() {
        let fake = Shop::start().await;
        let mut answer = body(login(&fake, json!({ "audience": "shop" })).send().await).await;
        let mut expected = example("shopmonkey", "/v3/auth/login", "post", "200");
        let (session, theirs) = (answer["data"]["sessionId"].take(), expected["data"]["sessionId"].take());
        assert_ne!(session, theirs);
        expected["data"]["token"] = json!(fake.token(1));
        assert_eq!(answer, expected);
        assert_eq!(fake.audience(1).as_deref(), Some("shop"));
        assert_eq!(status(with(&fake, &fake.token(1), Method::GET, "/v3/order").send()).await, 200);
        assert_eq!(fake.saw()[1].bearer.as_deref(), Some("token #1"));
        assert_eq!((fake.count("login"), fake.count("other")), (1, 1));
    }

    #[apply(hunted!)]
    async fn a_refused_login_is_an_envelope_with_a_status_or_inside_a_200() {
        let fake = Shop::start().await;
        let forbidden = Shop::builder().refused_login(403).start().await;
        let inside = Shop::builder().failures_in_200(true).start().await;
        for (fake, expected) in [(&fake, 401), (&forbidden, 403), (&inside, 200)] {
            let refused = login(fake, json!({ "password": "wrong" })).send().await.expect("answers");
            assert_eq!(refused.status(), expected);
            let refused: Value = refused.json().await.expect("is JSON");
            assert_eq!((&refused["success"], refused["code"].is_string()), (&json!(false), true));
        }
        assert_eq!(status(login(&fake, json!({ "audience": "moon" })).send()).await, 400);
        assert_eq!(status(login(&fake, json!({ "email": null })).send()).await, 400);
        assert_eq!(status(with(&inside, "no", Method::GET, "/v3/order").send()).await, 200);
        assert_eq!(status(with(&fake, "no", Method::GET, "/v3/order").send()).await, 401);
        fake.set_password(Shop::EMAIL, "new");
        assert_eq!(status(login(&fake, json!({})).send()).await, 401);
        assert_eq!(status(login(&fake, json!({ "password": "new" })).send()).await, 200);
    }

    #[apply(hunted!)]
    async fn a_whole_profile_has_what_the_table_calls_required() {
        let fake = Shop::builder().whole_profile(true).user("ann@shop.example", "pw").start().await;
        let answer = body(login(&fake, json!({ "email": "ann@shop.example", "password": "pw" })).send().await).await;
        let schemas = &document("shopmonkey")["components"]["schemas"];
        for (schema, object) in [("LoginData", &answer["data"]), ("LoginUser", &answer["data"]["user"])] {
            for member in schemas[schema]["required"].as_array().expect("a list") {
                assert!(object.get(member.as_str().expect("a name")).is_some(), "{schema} lacks {member}");
            }
        }
        let nats = answer["data"]["natsUserCredentials"].as_str().expect("text");
        assert!(fake.secrets().iter().any(|secret| secret == nats));
    }

    #[apply(hunted!)]
    async fn a_session_ends_with_its_life_when_revoked_and_when_signed_out() {
        let clock = ManualClock::new();
        let fake = Shop::builder().token_life(MINUTE).jwt(true).clock(clock.clone()).start().await;
        let order = |number: usize| status(with(&fake, &fake.token(number), Method::GET, "/v3/order").send());
        for _ in 0..3 {
            status(login(&fake, json!({})).send()).await;
        }
        let logout = || with(&fake, &fake.token(1), Method::POST, "/v3/auth/logout");
        assert_eq!(status(logout().send()).await, 400); // wants a body
        assert_eq!(body(logout().json(&json!({})).send().await).await, json!({ "success": true }));
        assert_eq!((order(1).await, order(2).await), (401, 200));
        clock.advance(MINUTE);
        assert_eq!(order(2).await, 401);
        status(login(&fake, json!({})).send()).await;
        assert_eq!(order(4).await, 200);
        fake.revoke_sessions();
        assert_eq!(order(4).await, 401);
        assert_eq!(status(with(&fake, Shop::API_KEY, Method::GET, "/v3/order").send()).await, 200);
        let claims = URL_SAFE_NO_PAD.decode(fake.token(4).split('.').nth(1).expect("a JWT")).expect("is base64");
        assert_eq!(serde_json::from_slice::<Value>(&claims).expect("is JSON")["exp"], START + 120);
    }

    #[apply(hunted!)]
    async fn api_keys_are_made_listed_deleted_and_end_after_days() {
        let clock = ManualClock::new();
        let fake = Shop::builder().clock(clock.clone()).start().await;
        let create = |change: Value| {
            let mut key = json!({ "audience": "shop", "name": "nightly" });
            key.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
            with(&fake, Shop::API_KEY, Method::POST, "/v3/auth/api_key").json(&key).send()
        };
        for wrong in [
            json!({ "expires": "30d" }),
            json!({ "expires": -1 }),
            json!({ "name": null }),
            json!({ "audience": "app" }),
        ] {
            assert_eq!(status(create(wrong)).await, 400);
        }
        let made = body(create(json!({ "expires": 30 })).await).await;
        assert_eq!(made, json!({ "success": true, "data": { "token": fake.api_key(2) } }));
        assert_eq!(status(create(json!({ "name": "for ever", "expires": 0 }))).await, 200);

        let listed = body(with(&fake, &fake.api_key(2), Method::GET, "/v3/auth/api_key").send().await).await;
        assert_eq!(fake.saw().last().expect("is logged").bearer.as_deref(), Some("api key #2"));
        let mut expected = example("shopmonkey", "/v3/auth/api_key", "get", "200")["data"][0].take();
        expected["id"] = listed["data"][1]["id"].clone();
        expected["name"] = json!("nightly");
        expected["createdDate"] = json!("2026-01-01T00:00:00.000Z");
        expected["expirationDate"] = json!("2026-01-31T00:00:00.000Z");
        assert_eq!(listed["data"][1], expected);
        assert_eq!(listed["data"][2].get("expirationDate"), None, "a key that never ends");
        assert_eq!(listed["meta"], json!({ "hasMore": false, "total": 3 }));

        let delete = |id: &Value| {
            let path = format!("/v3/auth/api_key/{}", id.as_str().expect("an id"));
            with(&fake, Shop::API_KEY, Method::DELETE, &path)
        };
        let third = &listed["data"][2]["id"];
        assert_eq!(status(delete(third).send()).await, 400); // wants a body
        let reason = json!({ "invalidatedReason": "leaked" });
        assert_eq!(body(delete(third).json(&reason).send().await).await, json!({ "success": true }));
        assert_eq!(status(delete(third).json(&reason).send()).await, 404);
        assert_eq!(status(with(&fake, &fake.api_key(3), Method::GET, "/v3/order").send()).await, 401);
        clock.advance(30 * DAY);
        assert_eq!(status(with(&fake, &fake.api_key(2), Method::GET, "/v3/order").send()).await, 401);
        assert_eq!((fake.count("create_api_key"), fake.count("delete_api_key")), (6, 3));
    }

    #[apply(hunted!)]
    async fn an_api_key_that_is_signed_out_is_dead() {
        let fake = Shop::builder().api_key("second", "sm-api-key-second").start().await;
        assert_eq!(fake.api_key(2), "sm-api-key-second");
        let logout = with(&fake, Shop::API_KEY, Method::POST, "/v3/auth/logout").json(&json!({}));
        assert_eq!(status(logout.send()).await, 200);
        assert_eq!(status(with(&fake, Shop::API_KEY, Method::GET, "/v3/order").send()).await, 401);
        assert!(fake.revoke_api_key("sm-api-key-second") && !fake.revoke_api_key("sm-api-key-second"));
        assert_eq!(status(with(&fake, "sm-api-key-second", Method::GET, "/v3/order").send()).await, 401);
    }

    #[apply(hunted!)]
    async fn a_page_has_a_hundred_at_most_and_the_next_one_goes_on() {
        let fake = with_many_keys(Shop::builder(), 205).await;
        let page = |query: &str| with(&fake, Shop::API_KEY, Method::GET, &format!("/v3/auth/api_key?{query}")).send();
        let mut names = Vec::new();
        for (query, length, more) in
            [("limit=500", 100, true), ("limit=500&skip=100", 100, true), ("skip=200", 6, false)]
        {
            let page = body(page(query).await).await;
            names.extend(page["data"].as_array().expect("a list").iter().map(|key| key["name"].clone()));
            assert_eq!(page["meta"], json!({ "hasMore": more, "total": 206 }));
            assert_eq!(page["data"].as_array().map(Vec::len), Some(length));
        }
        names.dedup();
        assert_eq!(names.len(), 206);
        assert_eq!(body(page("skip=206").await).await["data"], json!([]));
        assert_eq!(body(page("limit=206&skip=106").await).await["meta"]["hasMore"], false); // 100 fit exactly
        assert_eq!(status(page("limit=many")).await, 400);
    }

    #[apply(hunted!)]
    async fn pages_may_lack_their_meta_or_repeat_for_ever() {
        let bare = with_many_keys(Shop::builder().without_meta(true), 3).await;
        let list = |fake: &Shop, query: &str| {
            with(fake, Shop::API_KEY, Method::GET, &format!("/v3/auth/api_key?{query}")).send()
        };
        let page = body(list(&bare, "limit=2").await).await;
        assert_eq!((page["data"].as_array().map(Vec::len), page.get("meta")), (Some(2), None));
        let repeats = with_many_keys(Shop::builder().repeat_pages(true), 3).await;
        let (first, second) = (list(&repeats, "limit=2").await, list(&repeats, "limit=2&skip=2").await);
        let (first, second) = (body(first).await, body(second).await);
        assert_eq!((&first, &first["meta"]), (&second, &json!({ "hasMore": true, "total": 4 })));
    }

    #[apply(hunted!)]
    async fn lists_are_filtered_by_json_and_ordered_by_id() {
        let fake = with_many_keys(Shop::builder(), 4).await;
        let list =
            |query: &[(&str, &str)]| with(&fake, Shop::API_KEY, Method::GET, "/v3/auth/api_key").query(query).send();
        let names = |page: Value| -> Vec<Value> {
            page["data"].as_array().expect("a list").iter().map(|key| key["name"].clone()).collect()
        };
        for condition in [r#"{"name":"key-2"}"#, r#"{"name":{"equals":"key-2"}}"#] {
            assert_eq!(names(body(list(&[("where", condition)]).await).await), ["key-2"]);
        }
        let ignored = list(&[("where", r#"{"name":{"$eq":"key-2"}}"#)]).await;
        assert_eq!(body(ignored).await["meta"]["total"], 5); // silently, as at the vendor's
        assert_eq!(status(list(&[("where", "name=key-2")])).await, 400);
        assert_eq!(status(list(&[("orderby", r#"{"id":"asc"}"#)])).await, 400);
        let up = body(list(&[("orderBy", r#"{"id":"asc"}"#)]).await).await;
        let mut down = names(body(list(&[("orderBy", r#"{"id":"desc"}"#)]).await).await);
        down.reverse();
        assert_eq!(names(up.clone()), down);
        let two = [
            ("ids", up["data"][0]["id"].as_str().expect("an id")),
            ("ids", up["data"][3]["id"].as_str().expect("an id")),
        ];
        assert_eq!(body(list(&two).await).await["meta"]["total"], 2);
    }

    #[apply(hunted!)]
    async fn each_token_has_its_calls_per_minute() {
        for (date, told) in [(false, "31"), (true, "Thu, 01 Jan 2026 00:01:00 GMT")] {
            let clock = ManualClock::new();
            let fake = Shop::builder().calls_per_minute(2).retry_after_date(date).clock(clock.clone()).start().await;
            let order = |token: &str| with(&fake, token, Method::GET, "/v3/order").send();
            for left in ["1", "0"] {
                let answer = order(Shop::API_KEY).await.expect("answers");
                assert_eq!((answer.status().as_u16(), header(&answer, "x-ratelimit-remaining-minute")), (200, left));
            }
            clock.advance(29 * SECOND);
            let refused = order(Shop::API_KEY).await.expect("answers");
            assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (429, told));
            assert_eq!(header(&refused, "x-ratelimit-limit-minute"), "2");
            assert_eq!(status(login(&fake, json!({})).send()).await, 200); // has no token yet
            assert_eq!(status(order(&fake.token(1))).await, 200);
            clock.advance(31 * SECOND);
            assert_eq!(status(order(Shop::API_KEY)).await, 200);
        }
    }

    #[apply(hunted!)]
    async fn every_answer_has_a_request_id_even_a_fault() {
        let fake = Shop::start().await;
        fake.next("list_api_keys", Fault::Html(403)); // the firewall in front
        fake.next("list_api_keys", Fault::TooManyRequests { retry_after: Some("7".to_owned()) });
        fake.next("list_api_keys", Fault::Json(200, json!({ "success": false, "code": "BOFF-97d5f9" })));
        let mut seen = Vec::new();
        for expected in [(403, ""), (429, "7"), (200, ""), (200, "")] {
            let answer = with(&fake, Shop::API_KEY, Method::GET, "/v3/auth/api_key").send().await.expect("answers");
            assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), expected);
            seen.push(header(&answer, "x-request-id").to_owned());
        }
        assert_eq!(seen, ["req-1", "req-2", "req-3", "req-4"]);
    }

    #[apply(hunted!)]
    async fn no_secret_shows_in_what_it_prints() {
        let builder = Shop::builder().api_key("second", "a second key").user("ann", "a password");
        let printed = format!("{builder:?}");
        let fake = builder.start().await;
        status(login(&fake, json!({})).send()).await;
        status(with(&fake, "a second key", Method::GET, "/v3/order").send()).await;
        let secrets = fake.secrets();
        assert_eq!(secrets.len(), 6); // two passwords, two keys, a token and the id of its session
        let printed = format!("{printed} {fake:?} {:?}", fake.saw());
        assert!(secrets.iter().all(|secret| !printed.contains(secret.as_str())), "{printed}");
    }

    async fn with_many_keys(builder: keyway::testing::FakeShopmonkeyBuilder, count: usize) -> Shop {
        let names = (1..=count).map(|number| format!("key-{number}"));
        names.fold(builder, |builder, name| builder.api_key(&name, &format!("value of {name}"))).start().await
    }

    /// A login of the default user, with these members changed.
    fn login(fake: &Shop, change: Value) -> RequestBuilder {
        let mut request = json!({ "email": Shop::EMAIL, "password": Shop::PASSWORD });
        request.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        call(fake, Method::POST, "/v3/auth/login").json(&request)
    }

    fn with(fake: &Shop, token: &str, method: Method, path: &str) -> RequestBuilder {
        call(fake, method, path).bearer_auth(token)
    }
}

/// VTEX.
mod vtex {
    use super::*;
    use FakeVtex as Vtex;

    const LOGIN: &str = "/api/vtexid/apptoken/login";
    const REFRESH: &str = "/api/vtexid/refreshtoken/webstore";

    #[apply(hunted!)]
    async fn an_app_key_is_traded_for_a_token_that_ends_at_a_point_in_time() {
        let clock = ManualClock::new();
        let fake = Vtex::builder().clock(clock.clone()).start().await;
        let answer = body(login(&fake, Vtex::APP_TOKEN).send().await).await;
        let mut expected = example("vtex", LOGIN, "post", "200");
        expected["token"] = json!(fake.token(1));
        expected["expires"] = json!(START + 6 * 3600);
        assert_eq!(answer, expected);

        let seen = body(with_token(&fake, 1, Method::GET, "/api/oms/pvt/orders").send().await).await;
        assert_eq!(seen, json!({ "ok": true, "path": "/api/oms/pvt/orders", "user": Vtex::APP_KEY }));
        assert_eq!(fake.saw()[1].bearer.as_deref(), Some("token #1"));
        clock.advance(6 * 60 * MINUTE);
        assert_eq!(status(with_token(&fake, 1, Method::GET, "/api/oms/pvt/orders").send()).await, 401);
        assert_eq!((fake.count("generate_authentication_token"), fake.count("other")), (1, 2));
    }

    #[apply(hunted!)]
    async fn the_expiry_may_count_from_now() {
        let fake = Vtex::builder().expires_in_seconds(true).token_life(90 * SECOND).start().await;
        assert_eq!(body(login(&fake, Vtex::APP_TOKEN).send().await).await["expires"], 90);
    }

    #[apply(hunted!)]
    async fn a_refused_sign_in_is_a_200_without_success_or_a_401() {
        for (builder, expected) in [(Vtex::builder(), 200), (Vtex::builder().refusals_in_401(true), 401)] {
            let fake = builder.start().await;
            for request in [login(&fake, "wrong"), exchange(&fake, json!({ "accessToken": "wrong" }))] {
                let refused = request.send().await.expect("answers");
                assert_eq!(refused.status(), expected);
                assert_eq!(
                    refused.json::<Value>().await.expect("is JSON"),
                    json!({ "authStatus": "WrongCredentials" })
                );
            }
            assert_eq!(status(call(&fake, Method::POST, LOGIN).json(&json!({})).send()).await, 400);
        }
    }

    #[apply(hunted!)]
    async fn calls_are_made_with_a_token_in_header_or_cookie_or_with_a_pair() {
        let fake = Vtex::builder().app_key("second", "app-token-of-second").start().await;
        let token = fake.new_user_token(MINUTE);
        let orders = || call(&fake, Method::GET, "/api/oms/pvt/orders");
        let pair =
            |key: &str, token: &str| orders().header("X-VTEX-API-AppKey", key).header("X-VTEX-API-AppToken", token);
        let account_cookie = format!("a=b; VtexIdclientAutCookie_{}={token}", Vtex::ACCOUNT);
        for (request, expected, bearer) in [
            (orders().header("VtexIdclientAutCookie", &token), 200, Some("token #1")),
            (orders().header("cookie", format!("VtexIdclientAutCookie={token}")), 200, Some("token #1")),
            (orders().header("cookie", account_cookie), 200, Some("token #1")),
            (pair(Vtex::APP_KEY, Vtex::APP_TOKEN), 200, Some("app token #1")),
            (pair("second", "app-token-of-second"), 200, Some("app token #2")),
            (pair(Vtex::APP_KEY, "app-token-of-second"), 401, Some("app token #2")),
            (pair(Vtex::APP_KEY, Vtex::APP_TOKEN).header("VtexIdclientAutCookie", "no"), 401, Some("unknown")),
            (orders().header("X-VTEX-API-AppKey", Vtex::APP_KEY), 401, None),
            (orders().bearer_auth(&token), 401, None),
            (orders(), 401, None),
        ] {
            assert_eq!(status(request.send()).await, expected);
            assert_eq!(fake.saw().last().expect("is logged").bearer.as_deref(), bearer);
        }
        fake.revoke_tokens();
        assert_eq!(status(orders().header("VtexIdclientAutCookie", &token).send()).await, 401);
        fake.set_app_token("second", "another");
        assert_eq!(status(pair("second", "app-token-of-second").send()).await, 401);
        assert_eq!((status(pair("second", "another").send()).await, fake.app_token(3).as_str()), (200, "another"));
    }

    #[apply(hunted!)]
    async fn the_account_is_named_by_the_host_or_by_an() {
        let fake = Vtex::builder().account("mystore").start().await;
        let by = |host: &str, query: &str| {
            let credentials = json!({ "appkey": Vtex::APP_KEY, "apptoken": Vtex::APP_TOKEN });
            let request = call(&fake, Method::POST, &format!("{LOGIN}{query}")).json(&credentials);
            status(if host.is_empty() { request } else { request.header("host", host) }.send())
        };
        for (host, query, expected) in [
            ("", "", 400),
            ("", "?an=mystore", 200),
            ("", "?an=other", 400),
            ("api.vtexcommercestable.com.br", "", 400),
            ("api.vtexcommercestable.com.br", "?an=mystore", 200),
            ("mystore.vtexcommercestable.com.br", "", 200),
            ("mystore.myvtex.com:8443", "", 200),
            ("undefined.vtexcommercestable.com.br", "", 400),
            ("mystore.myvtex.com", "?an=other", 400),
        ] {
            assert_eq!(by(host, query).await, expected, "{host} {query}");
        }
        let orders = || with_token(&fake, 1, Method::GET, "/api/oms/pvt/orders");
        assert_eq!(status(orders().send()).await, 200); // on a domain of the store's own
        assert_eq!(status(orders().header("host", "other.myvtex.com").send()).await, 400);
        assert_eq!(status(start(&fake, "scope=other").send()).await, 400);
        let check = call(&fake, Method::POST, "/api/vtexid/credential/validate?an=mystore");
        let check = body(check.json(&json!({ "token": fake.token(1) })).send().await).await;
        assert_eq!((&check["account"], &check["authStatus"]), (&json!("mystore"), &json!("Success")));
    }

    #[apply(hunted!)]
    async fn a_providers_token_is_exchanged_for_minutes() {
        let clock = ManualClock::new();
        let fake = Vtex::builder().provider_token("GoogleID", "g-1").clock(clock.clone()).start().await;
        let answer = body(exchange(&fake, json!({})).send().await).await;
        assert_eq!(answer, json!({ "authToken": fake.token(1) }));
        let google = json!({ "providerId": "GoogleID", "accessToken": "g-1", "duration": 120 });
        assert_eq!(status(exchange(&fake, google).send()).await, 200);
        assert_eq!(status(exchange(&fake, json!({ "duration": 121 })).send()).await, 400);
        let orders = |number: usize| status(with_token(&fake, number, Method::GET, "/api/checkout/pub/orders").send());
        clock.advance(60 * MINUTE - SECOND);
        assert_eq!((orders(1).await, orders(2).await), (200, 200));
        clock.advance(SECOND);
        assert_eq!((orders(1).await, orders(2).await), (401, 200));
    }

    #[apply(hunted!)]
    async fn a_token_is_validated_in_the_body_of_a_call_without_a_session() {
        let clock = ManualClock::new();
        let fake = Vtex::builder().clock(clock.clone()).start().await;
        let token = fake.new_user_token(MINUTE);
        let validate = || call(&fake, Method::POST, "/api/vtexid/credential/validate").json(&json!({ "token": token }));
        let mut expected = example("vtex", "/api/vtexid/credential/validate", "post", "200");
        let answer = body(validate().send().await).await;
        expected["id"] = answer["id"].clone();
        expected["user"] = json!(Vtex::EMAIL);
        assert_eq!(answer, expected);
        clock.advance(MINUTE);
        let over = validate().send().await.expect("answers");
        assert_eq!(over.status(), 401);
        assert_eq!(over.json::<Value>().await.expect("is JSON"), json!({ "authStatus": "WrongCredentials" }));
        assert_eq!(fake.saw().iter().filter(|seen| seen.bearer.is_some()).count(), 0);
    }

    #[apply(hunted!)]
    async fn users_are_looked_up_each_way_with_its_own_credential() {
        let fake = Vtex::builder().user("john@mail.com", "John").start().await;
        let token = fake.new_user_token(MINUTE);
        let id = |email: &str| call(&fake, Method::GET, "/api/vtexid/pvt/user/id").query(&[("usuario", email)]);
        let found = body(id("john@mail.com").header("VtexIdclientAutCookie", &token).send().await).await;
        assert!(found.is_string());
        assert_eq!(text(id("no@mail.com").header("VtexIdclientAutCookie", &token).send().await).await, "null");
        let refused = with_pair(id("john@mail.com")).send().await.expect("answers");
        assert_eq!((refused.status().as_u16(), refused.text().await.expect("a body")), (401, String::new()));

        let info = |user: &str| call(&fake, Method::GET, "/api/vtexid/pvt/user/info").query(&[("user", user)]);
        let answer = body(with_pair(info("john@mail.com")).send().await).await;
        let expected = json!({
            "userId": found, "user": "john@mail.com", "name": "John",
            "accountId": Vtex::ACCOUNT_ID, "accountName": Vtex::ACCOUNT,
        });
        assert_eq!(answer, expected);
        assert_eq!(status(with_pair(info("no")).send()).await, 404);
        assert_eq!(status(info("john@mail.com").header("VtexIdclientAutCookie", &token).send()).await, 401);
        assert_eq!((fake.count("get_user_id_by_email"), fake.count("get_storefront_user")), (3, 3));
    }

    #[apply(hunted!)]
    async fn an_app_token_is_renewed_in_two_steps() {
        let clock = ManualClock::new();
        let fake = Vtex::builder().clock(clock.clone()).start().await;
        let step = |key: &str, step: &str| {
            with_pair(call(&fake, Method::PATCH, &format!("/api/vtexid/apikey/{key}/apitoken/{step}"))).send()
        };
        assert_eq!(status(step(Vtex::APP_KEY, "finish-renewal")).await, 404);
        assert_eq!(status(step("no", "renew")).await, 400);
        assert_eq!(status(step("no", "finish-renewal")).await, 400);
        clock.advance(DAY);
        let renewal = body(step(Vtex::APP_KEY, "renew").await).await;
        assert_eq!((&renewal["newToken"], &renewal["expirationPeriod"]), (&json!(fake.app_token(2)), &json!(30)));
        assert_eq!(renewal["creationDateNewToken"], "2026-01-02T00:00:00.000Z");
        assert_eq!(status(step(Vtex::APP_KEY, "renew")).await, 409);
        assert_eq!(body(login(&fake, &fake.app_token(2)).send().await).await["authStatus"], "Success");
        let finished = body(step(Vtex::APP_KEY, "finish-renewal").await).await; // still with the old one
        assert_eq!((&finished["id"], &finished["creationDateNewToken"]), (&renewal["id"], &Value::Null));
        assert_eq!(body(login(&fake, Vtex::APP_TOKEN).send().await).await["authStatus"], "WrongCredentials");
        assert_eq!(body(login(&fake, &fake.app_token(2)).send().await).await["authStatus"], "Success");
        assert_eq!((fake.count("start_token_renewal"), fake.count("finish_token_renewal")), (3, 3));
    }

    #[apply(hunted!)]
    async fn a_shopper_signs_in_with_the_key_from_a_mail() {
        let clock = ManualClock::new();
        let fake = Vtex::builder().clock(clock.clone()).start().await;
        let started = body(start(&fake, "scope=apiexamples").send().await).await;
        let session = started["authenticationToken"].as_str().expect("text").to_owned();
        let mut expected = example("vtex", "/api/vtexid/pub/authentication/start", "get", "200");
        expected["authenticationToken"] = json!(session);
        assert_eq!((started, session.len()), (expected, 64));

        let mail = |email: &str, session: &str| send_key(&fake, email, session).send();
        assert_eq!(body(mail("nobody", &session).await).await, json!({ "authStatus": "InvalidEmail" }));
        assert_eq!(body(mail("new@example.com", "no").await).await, json!({ "authStatus": "InvalidToken" }));
        let sent = mail("new@example.com", &session).await;
        assert_eq!(text(sent).await, "");
        let stale = fake.access_key();
        assert_eq!(status(send_key(&fake, "new@example.com", &session).send()).await, 200);
        let key = fake.access_key();
        assert_eq!((key.len(), fake.access_key_for("new@example.com")), (6, Some(key.clone())));
        assert_eq!(fake.access_key_for(Vtex::EMAIL), None);

        for (email, key, session, told) in [
            ("new@example.com", stale.as_str(), session.as_str(), "WrongCredentials"),
            ("other@example.com", &key, &session, "InvalidEmail"),
            ("new@example.com", &key, "no", "InvalidToken"),
        ] {
            let refused = validate_key(&fake, email, key, session).send().await.expect("answers");
            assert_eq!(refused.status(), 400);
            let mut expected = example("vtex", "/api/vtexid/pub/authentication/accesskey/validate", "post", "400");
            expected["authStatus"] = json!(told);
            assert_eq!(refused.json::<Value>().await.expect("is JSON"), expected);
        }
        let signed_in = validate_key(&fake, "new@example.com", &key, &session).send().await.expect("answers");
        let cookie = header(&signed_in, "set-cookie").to_owned();
        let parts: Vec<&str> = cookie.split("; ").collect();
        assert!(parts[0].starts_with("vid_rt="));
        let rest = [
            "expires=Thu, 08 Jan 2026 00:00:00 GMT",
            "domain=127.0.0.1",
            "path=/api/vtexid/refreshtoken/webstore",
            "secure",
            "samesite=strict",
            "httponly",
        ];
        assert_eq!(parts[1..], rest);
        let answer: Value = signed_in.json().await.expect("is JSON");
        let mut expected = example("vtex", "/api/vtexid/pub/authentication/accesskey/validate", "post", "200");
        expected["authCookie"]["Value"] = json!(fake.token(1));
        expected["accountAuthCookie"]["Value"] = json!(fake.token(1));
        expected["expiresIn"] = json!(86_400);
        expected["userId"] = answer["userId"].clone();
        assert_eq!(answer, expected);

        let again = validate_key(&fake, "new@example.com", &key, &session).send().await;
        assert_eq!(body(again).await["authStatus"], "WrongCredentials"); // it was good once
        clock.advance(DAY);
        assert_eq!(body(mail("new@example.com", &session).await).await["authStatus"], "InvalidToken");
        assert_eq!((fake.count("send_access_key"), fake.count("validate_access_key")), (5, 5));
    }

    #[apply(hunted!)]
    async fn a_storefront_session_is_renewed_by_cookies_that_replace_each_other() {
        let clock = ManualClock::new();
        let fake = Vtex::builder().clock(clock.clone()).start().await;
        let first = shopper(&fake, "scope=apiexamples").await;
        clock.advance(2 * DAY); // the token has ended, the refresh token has not
        let renewed = refresh(&fake, &first, &fake.token(1)).json(&json!({})).send().await.expect("answers");
        let cookies = set_cookies(&renewed);
        let names: Vec<&str> = cookies.iter().map(|(name, _)| name.as_str()).collect();
        let [id_cookie, account_cookie] = cookie_names();
        assert_eq!(names, ["vid_rt", &id_cookie, &account_cookie]);
        assert!(cookies[1].1 == fake.token(2) && cookies[2].1 == fake.token(2));
        let answer: Value = renewed.json().await.expect("is JSON");
        assert_eq!(
            (&answer["status"], &answer["refreshAfter"]),
            (&json!("Success"), &json!("2026-01-03T12:00:00.000Z"))
        );
        let orders = |number: usize| status(with_token(&fake, number, Method::GET, "/api/orders").send());
        assert_eq!((orders(1).await, orders(2).await), (401, 200));

        let reused = refresh(&fake, &first, &fake.token(2)).send().await.expect("answers");
        assert_eq!((reused.status().as_u16(), set_cookies(&reused).len()), (200, 0));
        assert_eq!(reused.json::<Value>().await.expect("is JSON"), json!({ "status": "InvalidToken" }));
        assert_eq!((fake.reuses(), orders(2).await), (1, 401));
        let second = refresh(&fake, &cookies[0].1, &fake.token(2)).send().await;
        assert_eq!(body(second).await["status"], "InvalidToken"); // gone with its family
        assert_eq!((fake.reuses(), fake.count("refresh_storefront_token")), (1, 3));
    }

    #[apply(hunted!)]
    async fn a_renewal_wants_both_cookies_the_fingerprint_and_time() {
        let clock = ManualClock::new();
        let fake = Vtex::builder().refresh_life(DAY).storefront_life(60 * MINUTE).clock(clock.clone()).start().await;
        let token = shopper(&fake, "scope=apiexamples&fingerprint=12345").await;
        shopper(&fake, "scope=apiexamples").await;
        let fingerprint = json!({ "fingerprint": "12345" });
        let told = |request: RequestBuilder| async { body(request.send().await).await["status"].take() };
        let one_cookie = format!("vid_rt={token}; {}={}", cookie_names()[0], fake.token(1));
        let one_cookie = call(&fake, Method::POST, REFRESH).header("cookie", one_cookie);
        assert_eq!(told(one_cookie.json(&fingerprint)).await, "InvalidSession");
        assert_eq!(told(refresh(&fake, &token, &fake.token(2)).json(&fingerprint)).await, "InvalidSession");
        assert_eq!(told(refresh(&fake, &token, &fake.token(1)).json(&json!({}))).await, "InvalidSession");
        assert_eq!(told(refresh(&fake, "no", &fake.token(1)).json(&fingerprint)).await, "InvalidToken");
        assert_eq!(told(refresh(&fake, &token, &fake.token(1)).json(&fingerprint)).await, "Success");
        clock.advance(DAY);
        let second = shopper(&fake, "scope=apiexamples").await;
        fake.revoke_refresh_tokens();
        assert_eq!(told(refresh(&fake, &second, &fake.token(4))).await, "InvalidToken");
        let third = shopper(&fake, "scope=apiexamples").await;
        clock.advance(DAY);
        assert_eq!(told(refresh(&fake, &third, &fake.token(5))).await, "InvalidToken");
        assert_eq!(fake.reuses(), 0);
    }

    #[apply(hunted!)]
    async fn the_settings_of_a_unit_are_read_set_switched_and_deleted() {
        let fake = Vtex::start().await;
        let path = "/api/vtexid/organization-units/{unitId}/settings";
        let at = |unit: &str, method: Method| call(&fake, method, &path.replace("{unitId}", unit));
        let ask = |method: Method, body: Value| with_pair(at(Vtex::UNIT, method)).json(&body).send();
        let settings = |settings: Value| json!({ "settings": settings });
        let read = || with_pair(at(Vtex::UNIT, Method::GET)).send();
        assert_eq!(body(read().await).await, example("vtex", path, "get", "200"));

        let off = settings(json!([{ "type": "OAuth", "status": "Disabled" }]));
        let switched = body(ask(Method::PATCH, off.clone()).await).await;
        assert_eq!(switched["authenticationMethods"][1]["status"], "Disabled");
        let password = settings(json!([{ "type": "Password", "status": "Disabled" }]));
        refused(ask(Method::PATCH, password).await, 400, "Invalid authentication configuration.").await;
        let set = settings(json!([{ "type": "OAuth", "name": "PingFederate", "status": "Disabled" }]));
        let conflict = "Authentication settings already exist for one or more methods.";
        refused(ask(Method::POST, set.clone()).await, 409, conflict).await;

        let deleted = ask(Method::DELETE, settings(json!([{ "type": "OAuth" }]))).await.expect("answers");
        assert_eq!((deleted.status().as_u16(), deleted.text().await.expect("a body")), (204, String::new()));
        let again = ask(Method::DELETE, settings(json!([{ "type": "OAuth" }]))).await;
        refused(again, 400, "Authentication settings were not found for delete.").await;
        refused(ask(Method::PATCH, off).await, 400, "Authentication settings were not found for update.").await;
        assert_eq!(body(ask(Method::POST, set).await).await, json!({ "success": true }));
        let empty = settings(json!([]));
        refused(ask(Method::POST, empty).await, 400, "Invalid authentication configuration.").await;
        assert_eq!(body(read().await).await["authenticationMethods"][1]["status"], "Disabled");

        refused(with_pair(at("no", Method::GET)).send().await, 404, "Organization unit not found.").await;
        refused(at(Vtex::UNIT, Method::GET).send().await, 401, "The current user could not be resolved.").await;
        let counts =
            ["get", "set", "update", "delete"].map(|verb| fake.count(&format!("{verb}_organization_unit_settings")));
        assert_eq!(counts, [4, 3, 3, 2]);
    }

    #[apply(hunted!)]
    async fn each_operation_says_401_in_words_of_its_own() {
        let fake = Vtex::start().await;
        for (operation, method, path, expected) in [
            ("generate_authentication_token", Method::POST, LOGIN, r#"{"authStatus":"WrongCredentials"}"#),
            ("get_user_id_by_email", Method::GET, "/api/vtexid/pvt/user/id", ""),
            ("other", Method::GET, "/api/orders", r#"{"message":"The current user could not be resolved."}"#),
        ] {
            fake.next(operation, Fault::Unauthorized);
            let answer = call(&fake, method, path).send().await.expect("answers");
            assert_eq!(answer.status(), 401);
            assert_eq!(answer.text().await.expect("a body"), expected);
        }
    }

    #[apply(hunted!)]
    async fn passwords_are_ruled_and_made_to_expire() {
        let fake = Vtex::start().await;
        let rules = "/api/vtexid/pub/providers/setup/password/webstore/password";
        let rule = |body: Value| with_pair(call(&fake, Method::POST, rules)).json(&body).send();
        assert_eq!(fake.password_rules(), None);
        assert_eq!(text(rule(json!({ "isActive": true, "allowRepeated": false })).await).await, "");
        assert_eq!(status(rule(json!({ "isActive": true }))).await, 400);
        assert_eq!(fake.password_rules(), Some((true, false)));
        let expire = || call(&fake, Method::POST, "/api/vtexid/password/expire").query(&[("email", "a+b@example.com")]);
        assert_eq!(text(with_pair(expire()).send().await).await, "");
        assert_eq!(status(expire().send()).await, 401);
        fake.next("expire_user_password", Fault::Json(403, json!({})));
        assert_eq!(status(with_pair(expire()).send()).await, 403);
        assert_eq!(fake.expired_passwords(), ["a+b@example.com"]);
    }

    #[apply(hunted!)]
    async fn no_secret_shows_in_what_it_prints() {
        let builder = Vtex::builder().app_key("second", "an app token").provider_token("p", "a provider's token");
        let printed = format!("{builder:?}");
        let fake = builder.start().await;
        let token = shopper(&fake, "scope=apiexamples").await;
        status(refresh(&fake, &token, &fake.token(1)).send()).await;
        status(login(&fake, Vtex::APP_TOKEN).send()).await;
        let secrets = fake.secrets();
        // Two app tokens, two of providers, three user tokens, two to refresh, a sign-in, the key from its mail, a password.
        assert_eq!(secrets.len(), 12);
        let printed = format!("{printed} {fake:?} {:?}", fake.saw());
        assert!(secrets.iter().all(|secret| !printed.contains(secret.as_str())), "{printed}");
    }

    fn login(fake: &Vtex, app_token: &str) -> RequestBuilder {
        call(fake, Method::POST, LOGIN).json(&json!({ "appkey": Vtex::APP_KEY, "apptoken": app_token }))
    }

    /// An exchange of the default provider's token, with these members changed.
    fn exchange(fake: &Vtex, change: Value) -> RequestBuilder {
        let mut request = json!({ "providerId": Vtex::PROVIDER, "accessToken": Vtex::PROVIDER_TOKEN });
        request.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        call(fake, Method::POST, "/api/vtexid/audience/webstore/provider/oauth/exchange").json(&request)
    }

    fn with_token(fake: &Vtex, number: usize, method: Method, path: &str) -> RequestBuilder {
        call(fake, method, path).header("VtexIdclientAutCookie", fake.token(number))
    }

    fn with_pair(request: RequestBuilder) -> RequestBuilder {
        request.header("X-VTEX-API-AppKey", Vtex::APP_KEY).header("X-VTEX-API-AppToken", Vtex::APP_TOKEN)
    }

    fn start(fake: &Vtex, query: &str) -> RequestBuilder {
        call(fake, Method::GET, &format!("/api/vtexid/pub/authentication/start?{query}"))
    }

    fn send_key(fake: &Vtex, email: &str, session: &str) -> RequestBuilder {
        let request = call(fake, Method::POST, "/api/vtexid/pub/authentication/accesskey/send");
        request.query(&[("email", email)]).header("cookie", format!("_vss={session}"))
    }

    fn validate_key(fake: &Vtex, email: &str, key: &str, session: &str) -> RequestBuilder {
        let field = |name: &str, value: &str| {
            format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let form = format!("{}{}--b0undary--\r\n", field("accessKey", key), field("login", email));
        call(fake, Method::POST, "/api/vtexid/pub/authentication/accesskey/validate")
            .header("cookie", format!("_vss={session}"))
            .header("content-type", "multipart/form-data; boundary=b0undary")
            .body(form)
    }

    /// Signs the default user in, and gives the refresh token.
    async fn shopper(fake: &Vtex, query: &str) -> String {
        let session = body(start(fake, query).send().await).await["authenticationToken"].take();
        let session = session.as_str().expect("text");
        assert_eq!(status(send_key(fake, Vtex::EMAIL, session).send()).await, 200);
        let answer = validate_key(fake, Vtex::EMAIL, &fake.access_key(), session).send().await.expect("answers");
        set_cookies(&answer)[0].1.clone()
    }

    fn refresh(fake: &Vtex, refresh_token: &str, user_token: &str) -> RequestBuilder {
        let [id_cookie, account_cookie] = cookie_names();
        let cookies = format!("vid_rt={refresh_token}; {id_cookie}={user_token}; {account_cookie}={user_token}");
        call(fake, Method::POST, REFRESH).header("cookie", cookies)
    }

    fn cookie_names() -> [String; 2] {
        [Vtex::ACCOUNT_ID, Vtex::ACCOUNT].map(|account| format!("VtexIdclientAutCookie_{account}"))
    }

    fn set_cookies(answer: &Response) -> Vec<(String, String)> {
        let lines = answer.headers().get_all("set-cookie").iter().map(|line| line.to_str().expect("text"));
        let cookies = lines.filter_map(|line| line.split(';').next()?.split_once('='));
        cookies.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    async fn refused(answer: reqwest::Result<Response>, status: u16, message: &str) {
        let answer = answer.expect("answers");
        assert_eq!(answer.status(), status);
        assert_eq!(answer.json::<Value>().await.expect("is JSON"), json!({ "message": message }));
    }
}

fn call(fake: &Fake, method: Method, path: &str) -> RequestBuilder {
    Client::new().request(method, format!("{}{path}", fake.uri()))
}

async fn status(answer: impl Future<Output = reqwest::Result<Response>>) -> u16 {
    answer.await.expect("answers").status().as_u16()
}

async fn body(answer: reqwest::Result<Response>) -> Value {
    answer.expect("answers").json().await.expect("is JSON")
}

async fn text(answer: reqwest::Result<Response>) -> String {
    answer.expect("answers").text().await.expect("a body")
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().expect("text"))
}

fn document(surface: &str) -> Value {
    let document = match surface {
        "orderingstack" => include_str!(concat!(env!("OUT_DIR"), "/orderingstack.json")),
        "shopmonkey" => include_str!(concat!(env!("OUT_DIR"), "/shopmonkey.json")),
        _ => include_str!(concat!(env!("OUT_DIR"), "/vtex.json")),
    };
    serde_json::from_str(document).expect("is JSON")
}

/// The vendor's example, straight from the document.
fn example(surface: &str, path: &str, method: &str, status: &str) -> Value {
    document(surface)["paths"][path][method]["responses"][status]["content"]["application/json"]["example"].take()
}
