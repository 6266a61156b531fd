//! Users, modules, roles and properties, as the fake keeps them.

use super::*;

#[apply(leak_checked!)]
async fn users_keep_to_their_tenant_and_services_choose_one() {
    let fake = Os::builder().tenant(OTHER_TENANT).start().await;
    sign_in(&fake).await;
    let form = [("grant_type", "password"), ("username", Os::LOGIN), ("password", Os::PASSWORD)];
    status(token_in(&fake, OTHER_TENANT, &form).send()).await;
    sign_in_as_service(&fake).await;
    let sibling = |number: usize, tenant: &str| {
        with(&fake, number, Method::GET, "/menu-api/api/menu").header("x-tenant", tenant).send()
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

#[apply(leak_checked!)]
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

#[apply(leak_checked!)]
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

#[apply(leak_checked!)]
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

#[apply(leak_checked!)]
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

#[apply(leak_checked!)]
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

#[apply(leak_checked!)]
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
