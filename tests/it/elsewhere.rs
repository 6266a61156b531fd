//! Where credentials must not go: to another operation, another host, a proxy, a line that people read.

use crate::{
    TENANT,
    raw::{Raw, answer, json},
    vms_client,
};
use keyway::{ErrorKind, Secret, orderingstack, shopmonkey, testing::*, vms};
use std::{env, process::Command};

async fn vendor() -> Raw {
    vendor_that_says(json(200, "{}")).await
}

/// It signs in whoever asks, and answers everything else so.
async fn vendor_that_says(answer: Vec<u8>) -> Raw {
    Raw::start(move |request| match request.contains("/token") {
        true => json(200, r#"{"access_token":"the-token"}"#),
        false if request.contains("/static/") => json(404, "{}"),
        false => answer.clone(),
    })
    .await
}

fn operator(uri: &str) -> vms::ClientBuilder {
    vms::Client::builder(uri).password("operator", "the-password")
}

#[apply(leak_checked!)]
async fn no_value_leads_a_call_to_another_operation() {
    let fake = FakeShopmonkey::start().await;
    ["/v3/files/{id}", "/v3/files/{id}/{part}"].into_iter().for_each(|path| fake.serve(path));
    let client = shopmonkey::Client::builder(fake.uri()).api_key(FakeShopmonkey::API_KEY).build().unwrap();
    for id in ["../../user/42", "..%2f..%2fuser", "a/%2e%2e/b", "%252e%252e/x", "..;/user", "a\\..\\b", "..%5cuser"] {
        let error = client.api().delete_api_key().id(id).send().await.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Validation, true), "{id}: {error}");
        let error = client.http().get(format!("/v3/files/{id}")).send().await.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Config, true), "{id}: {error}");
    }
    assert!(fake.saw().is_empty());
    for id in ["a..b", "v1.2", "a/b", "...", "a;b"] {
        assert!(client.http().get(format!("/v3/files/{id}")).send().await.is_ok(), "{id}");
    }
}

#[apply(leak_checked!)]
async fn an_address_cannot_bring_its_own_credentials_or_host() {
    let vendor = vendor().await;
    let client = operator(&vendor.uri()).build().unwrap();
    let port = vendor.port();
    let http = client.http();
    for address in [format!("http://user:pw@127.0.0.1:{port}/a"), format!("http://user@127.0.0.1:{port}/a")] {
        let error = http.get(&address).send().await.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Config, true), "{error}");
        let request = reqwest::Request::new(reqwest::Method::GET, address.parse().unwrap());
        assert_eq!(http.execute(request).await.unwrap_err().kind(), ErrorKind::Config);
    }
    let error = http.get("/a").header("Host", "neighbour.example").send().await.unwrap_err();
    assert_eq!((error.kind(), error.is_local()), (ErrorKind::Config, true), "{error}");
    let climbing = format!("http://127.0.0.1:{port}/files/..%2fadmin");
    let request = reqwest::Request::new(reqwest::Method::GET, climbing.parse().unwrap());
    assert_eq!(http.execute(request).await.unwrap_err().kind(), ErrorKind::Config);
    for whole in ["http://169.254.169.254/latest/meta-data", "https://vendor.example/a"] {
        let error = http.clone().paths_only().get(whole).send().await.unwrap_err();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Config, true), "{error}");
        let request = reqwest::Request::new(reqwest::Method::GET, whole.parse().unwrap());
        assert_eq!(http.clone().paths_only().execute(request).await.unwrap_err().kind(), ErrorKind::Config);
    }
    assert!(vendor.seen().is_empty());
    assert!(http.paths_only().get("/a").send().await.is_ok());
}

#[apply(leak_checked!)]
async fn the_session_is_put_on_no_odd_address_under_a_client_of_ones_own() {
    let vendor = vendor().await;
    let client = operator(&vendor.uri()).build().unwrap();
    let own = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(client.middleware()).build();
    let port = vendor.port();
    let climbing = reqwest::Request::new(
        reqwest::Method::GET,
        format!("http://127.0.0.1:{port}/files/..%2fadmin").parse().unwrap(),
    );
    let named = reqwest::Request::new(reqwest::Method::GET, format!("http://u:p@127.0.0.1:{port}/a").parse().unwrap());
    for request in [climbing, named] {
        let error = own.execute(request).await.unwrap_err();
        let error = keyway::Error::from_middleware(&error).unwrap();
        assert_eq!((error.kind(), error.is_local()), (ErrorKind::Config, true), "{error}");
    }
    let other_host = own.get(format!("http://127.0.0.1:{port}/a")).header("Host", "neighbour.example").send().await;
    assert!(keyway::Error::from_middleware(&other_host.unwrap_err()).is_some());
    assert!(vendor.seen().is_empty());
}

/// Runs the test of this name again, in a process with these variables. `None` in that process.
fn in_a_process_of_its_own(test: &str, variables: &[(&str, &str)]) -> Option<()> {
    if env::var_os("KEYWAY_TEST_ALONE").is_some() {
        return None;
    }
    let mut process = Command::new(env::current_exe().unwrap());
    process.args([test, "--exact", "--nocapture"]).env("KEYWAY_TEST_ALONE", "1").envs(variables.iter().copied());
    let output = process.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    Some(())
}

#[apply(leak_checked!)]
fn plain_http_within_this_machine_goes_by_no_proxy() {
    let name = "elsewhere::plain_http_within_this_machine_goes_by_no_proxy";
    let nowhere = "http://127.0.0.1:9";
    let proxied = [("http_proxy", nowhere), ("HTTP_PROXY", nowhere), ("ALL_PROXY", nowhere), ("NO_PROXY", "")];
    if in_a_process_of_its_own(name, &proxied).is_some() {
        return;
    }
    crate::leak_check::runtime(1).block_on(async {
        let vendor = vendor().await;
        for builder in [
            operator(&vendor.uri()),
            operator(&vendor.uri()).http(|b| b.proxy(reqwest::Proxy::all("http://127.0.0.1:9").unwrap())),
        ] {
            let client = builder.build().unwrap();
            client.session().lease().await.unwrap();
            assert_eq!(client.http().get("/a").send().await.unwrap().status(), 200);
            client.api().get_self().send().await.unwrap();
        }
    });
}

#[apply(leak_checked!)]
fn an_error_names_the_proxy_of_the_environment_without_its_password() {
    let name = "elsewhere::an_error_names_the_proxy_of_the_environment_without_its_password";
    let proxied = [("https_proxy", "http://someone:proxy-password@127.0.0.1:9"), ("NO_PROXY", ""), ("no_proxy", "")];
    if in_a_process_of_its_own(name, &proxied).is_some() {
        return;
    }
    crate::leak_check::runtime(1).block_on(async {
        let client = operator("https://vms.example").build().unwrap();
        let error = client.session().lease().await.unwrap_err();
        assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Config, false), "{error}");
        assert!(error.to_string().contains("http://127.0.0.1:9"), "{error}");
        assert!(!format!("{error:?}").contains("proxy-password"));
    });
}

#[apply(leak_checked!)]
async fn a_users_own_retries_send_no_sign_in_twice() {
    let vendor = Raw::start(|_| json(503, "{}")).await;
    let client = operator(&vendor.uri()).http(|b| {
        let retries = reqwest::retry::for_host("127.0.0.1").max_retries_per_request(4).no_budget();
        b.retry(retries.classify_fn(|tried| if tried.status().is_some() { tried.retryable() } else { tried.success() }))
    });
    let client = client.build().unwrap();
    client.session().lease().await.unwrap_err();
    let asked = vendor.count("/static/basic") + vendor.count("/api/v1/token");
    assert_eq!(asked, 1, "{:?}", vendor.seen());
    let body = |b: vms::types::builder::TokenRequest| b.login("operator").password("the-password");
    client.api().get_token().body_map(body).send().await.unwrap_err();
    assert_eq!(vendor.count("/api/v1/token"), 1);
}

/// reqwest's feature `cookies` is on in this build, as a neighbour in the tree may switch it on.
#[apply(leak_checked!)]
async fn no_jar_carries_a_sessions_cookies_to_another_port_or_past_a_sign_out() {
    let set = "content-type: application/json\nset-cookie: sid=the-old-cookie; Path=/";
    let token = r#"{"access_token":"the-token"}"#;
    let shared = std::sync::Arc::new(reqwest::cookie::Jar::default());
    let jar = |kind| {
        let shared = shared.clone();
        move |builder: reqwest::ClientBuilder| match kind {
            "none" => builder,
            "own" => builder.cookie_store(true),
            _ => builder.cookie_provider(shared.clone()),
        }
    };
    for kind in ["none", "own", "shared"] {
        let vendor = Raw::start(move |_| answer(200, set, token)).await;
        let neighbour = Raw::start(move |_| answer(200, set, token)).await;
        let client = operator(&vendor.uri()).http(jar(kind)).build().unwrap();
        let body = |b: vms::types::builder::TokenRequest| b.login("operator").password("the-password");
        for _ in 0..2 {
            client.session().sign_in().await.unwrap();
            client.http().get("/a").send().await.unwrap();
            client.api().get_token().body_map(body).send().await.unwrap();
            client.http().get(format!("{}/b", neighbour.uri())).send().await.unwrap();
            client.session().sign_out().await.unwrap();
        }
        client.session().sign_in().await.unwrap();
        client.http().get("/a").header("Cookie", "own=1").send().await.unwrap();
        let carried = |raw: &Raw| -> Vec<String> {
            let lines = raw.seen().into_iter().flat_map(|seen| seen.lines().map(str::to_lowercase).collect::<Vec<_>>());
            lines.filter(|line| line.starts_with("cookie:")).collect()
        };
        assert_eq!((carried(&vendor), carried(&neighbour)), (vec!["cookie: own=1".to_owned()], vec![]), "{kind}");
    }
}

// ---- lines that people read ----

#[apply(leak_checked!)]
async fn nothing_from_outside_moves_the_cursor_of_a_terminal() {
    let odd = || async { Err::<Secret, _>(std::io::Error::other("no\u{1b}[2J vault\r\u{9b}31m\u{202e}")) };
    let fake = FakeVms::start().await;
    let client = vms::Client::builder(fake.uri()).password_from(FakeVms::LOGIN, odd).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(char::is_control) && !shown.contains('\u{202e}'), "{shown:?}");

    let vendor = Raw::start(|_| {
        json(200, r#"{"device_code":"the-device-code","user_code":"AB\u001b[2JCD","verification_uri":"https://v.example/\r\u001b]0;x\u0007"}"#)
    })
    .await;
    let client = orderingstack::Client::builder(vendor.uri()).tenant(TENANT).client("till", "the-client-secret");
    let error = client.device("kiosk-1").build().unwrap().session().lease().await.unwrap_err();
    let device = error.device_code().unwrap_or_else(|| panic!("{error}"));
    for shown in [device.user_code(), device.verification_uri()] {
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
}

#[apply(leak_checked!)]
async fn a_secret_that_the_vendor_repeats_is_not_shown() {
    let vendor = Raw::start(|request| match request.contains("grant_type=refresh_token") {
        true => json(400, r#"{"error":"the-refresh-token"}"#),
        false => json(200, r#"{"access_token":"the-token","refresh_token":"the-refresh-token"}"#),
    })
    .await;
    let client = orderingstack::Client::builder(vendor.uri()).tenant(TENANT).client("till", "the-client-secret");
    let client = client.refresh_token("the-refresh-token").build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!(error.code(), None);
    assert!(!format!("{error} {error:?}").contains("the-refresh-token"), "{error}");

    // As the name of a field, and as that of a member that the document lacks: a warning tells those.
    for body in [r#"{"errors":{"Hunter-two":["is wrong"]}}"#, r#"{"Hunter-two":1}"#] {
        for status in [200, 422] {
            let vendor = Raw::start(move |request| match request.contains("/static/") {
                true => json(404, "{}"),
                false => json(status, body),
            })
            .await;
            let client = vms::Client::builder(vendor.uri()).password("operator", "Hunter-two").build().unwrap();
            let error = client.session().lease().await.unwrap_err();
            assert!(
                !format!("{error:?} {:?} {:?}", error.code(), error.validation()).contains("Hunter-two"),
                "{error}"
            );
        }
    }
}

#[apply(leak_checked!)]
async fn a_failure_does_not_hand_back_what_the_call_carried_in() {
    let vendor = Raw::start(|request| match request.contains("/oauth/token") {
        true => json(200, r#"{"access_token":"the-token"}"#),
        false => {
            json(409, r#"{"code":"TAKEN","sent":{"password":"Hunter-two-2","login":"ann"},"seen":"Bearer the-token"}"#)
        }
    })
    .await;
    let client = orderingstack::Client::builder(vendor.uri()).tenant(TENANT).client("till", "the-client-secret");
    let client = client.password("cashier", "the-password").build().unwrap();
    let secret = Secret::from("Hunter-two-2");
    #[derive(serde::Serialize)]
    struct Sent<'a> {
        login: &'a str,
        password: &'a Secret,
    }
    let call = client.http().post("/api/users").json(&Sent { login: "ann", password: &secret });
    let error = call.send_ok().await.unwrap_err();
    let body = error.body().expect("a short answer");
    assert_eq!(body["sent"], serde_json::json!({ "password": "***", "login": "ann" }));
    assert_eq!(body["seen"], "Bearer ***");
    assert_eq!(error.code(), Some("TAKEN"));
}

/// The detail is read from what the vendor sent, in whatever encoding, and without what the call carried.
#[apply(leak_checked!)]
async fn the_detail_of_a_failure_is_what_its_document_gives_without_the_secrets_of_the_call() {
    let told = |body: Vec<u8>| async move {
        let vendor = vendor_that_says(answer(422, "content-type: application/json", body)).await;
        let client = operator(&vendor.uri()).build().unwrap();
        let call = client.api().update_self().body_map(|body| body.language("xx".to_owned()));
        let error = call.send().await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Validation, Some(422)), "{error}");
        assert!(error.detail::<vms::types::SessionLimit>().is_none());
        let detail = error.detail::<vms::types::ValidationError>()?;
        Some(detail.errors.get("language")?.join(" "))
    };
    let fields = |why: &str| format!(r#"{{"errors":{{"language":["{why}"]}}}}"#).into_bytes();
    assert_eq!(told(fields("is none")).await.as_deref(), Some("is none"));
    assert_eq!(told(fields("the-token is none")).await.as_deref(), Some("*** is none"));
    let with_mark = [&b"\xEF\xBB\xBF"[..], &fields("is none")].concat();
    assert_eq!(told(with_mark).await.as_deref(), Some("is none"));
    let in_latin_1 = b"{\"errors\":{\"language\":[\"is none\"]},\"hint\":\"\xE9\"}";
    assert_eq!(told(in_latin_1.to_vec()).await.as_deref(), Some("is none"));
    for nothing in ["", "no", "<html>", "[]"] {
        assert_eq!(told(nothing.into()).await, None, "{nothing}");
    }
    assert_eq!(told(fields(&"x".repeat(20_000))).await, None, "it is too long to be kept");
}

#[apply(leak_checked!)]
async fn no_client_prints_its_address() {
    let clock = ManualClock::new();
    let fake = FakeVms::start().await;
    let client = vms_client(&fake, &clock).build().unwrap();
    let http = client.http();
    let call = http.get("/api/v1/cameras?token=x");
    let shown = format!("{client:?} {http:?} {call:?} {:?} {:?}", client.middleware(), client.api());
    assert!(!shown.contains("127.0.0.1") && !shown.contains("http://") && !shown.contains("cameras"), "{shown}");
}

#[apply(leak_checked!)]
async fn a_failure_is_kept_small() {
    let fields: String = (0..5000).map(|n| format!(r#""f{n}":["m"],"#)).collect();
    let body = format!(r#"{{"errors":{{{fields}"z":["m"]}},"code":"{}"}}"#, "x".repeat(4000));
    let vendor = vendor_that_says(answer(422, "", body)).await;
    let client = operator(&vendor.uri()).build().unwrap();
    let error = client.http().get("/api/v1/marks").send_ok().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Validation, None));
    assert!(error.validation().is_none_or(|fields| fields.len() <= 64));
    assert!(error.body().is_none());
}
