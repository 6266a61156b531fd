//! What the world sends: codings, clocks, cookies, JSON and pages as they come, and not as they should.

use crate::{
    TENANT,
    raw::{Raw, answer, json},
    tls::Tls,
};
use keyway::{
    Answer, Error, ErrorKind, Expiry, MemoryStore, Secret, orderingstack, testing::ManualClock, vitamojo, vms, vtex,
};
use serde_json::json as value;
use std::{error::Error as _, time::Duration};

fn till(uri: &str) -> orderingstack::ClientBuilder {
    orderingstack::Client::builder(uri).tenant(TENANT).client("till", "the-client-secret")
}

fn operator(uri: &str) -> vms::ClientBuilder {
    vms::Client::builder(uri).password("operator", "the-password")
}

/// The error of a sign-in that is answered like this.
async fn refused(said: Vec<u8>) -> Error {
    let vendor = Raw::start(move |_| said.clone()).await;
    let client = till(&vendor.uri()).password("cashier", "the-password").build().unwrap();
    client.session().lease().await.unwrap_err()
}

// ---- cookies ----

const VALIDATED: &str =
    r#"{"authStatus":"Success","authCookie":{"Name":"VtexIdclientAutCookie_store","Value":"first-token"}}"#;

/// What a shopper's session is after a renewal that sets these cookies.
async fn renewed(lines: &str) -> Result<vtex::StorefrontSession, Error> {
    let lines = lines.to_owned();
    let vendor = Raw::start(move |request| match request.contains("/refreshtoken/") {
        true => answer(200, &format!("content-type: application/json\n{lines}"), r#"{"status":"Success"}"#),
        false => answer(200, "content-type: application/json\nset-cookie: vid_rt=first-refresh; Path=/", VALIDATED),
    })
    .await;
    let client = vtex::Client::builder(vendor.uri()).account("store").user_token("unused-token").build().unwrap();
    let (thread, key) = (Secret::from("the-thread"), Secret::from("the-key"));
    let session = client.storefront().validate_access_key(&thread, "shopper@example.org", &key).await?;
    client.storefront().refresh(&session, None).await
}

#[apply(leak_checked!)]
async fn the_last_cookie_of_a_name_is_the_sessions_whatever_came_before() {
    for (lines, token, refresh) in [
        (
            "set-cookie: VtexIdclientAutCookie_store=; Expires=Thu, 01 Jan 1970 00:00:00 GMT\n\
             set-cookie: VtexIdclientAutCookie_store=second-token; Path=/\nset-cookie: vid_rt=second-refresh",
            "second-token",
            Some("second-refresh"),
        ),
        (
            "set-cookie: VtexIdclientAutCookie_store=stale-token\nset-cookie: vid_rt=stale-refresh\n\
             set-cookie: VtexIdclientAutCookie_store=third-token\nset-cookie: vid_rt=third-refresh",
            "third-token",
            Some("third-refresh"),
        ),
        (
            "set-cookie: VtexIdclientAutCookie_store=fourth-token\nset-cookie: vid_rt=fourth-refresh\n\
             set-cookie: vid_rt=; Max-Age=0",
            "fourth-token",
            None,
        ),
        (
            "set-cookie: __cf_bm=x; Max-Age=1800\nset-cookie: VtexIdclientAutCookie_store=fifth-token",
            "fifth-token",
            None,
        ),
    ] {
        let session = renewed(lines).await.unwrap();
        assert_eq!(session.cookies.len(), 1, "{lines}");
        assert_eq!(session.cookies[0].1.expose(), token, "{lines}");
        assert_eq!(session.refresh.as_ref().map(Secret::expose), refresh, "{lines}");
    }
}

/// A renewal that takes the refresh token away leaves none: the old one is spent, and is not sent again.
#[apply(leak_checked!)]
async fn a_refresh_token_that_was_taken_away_is_not_sent_again() {
    let vendor = Raw::start(|request| match request.lines().next().unwrap() {
        line if line.contains("/refreshtoken/") => answer(
            200,
            "content-type: application/json\nset-cookie: VtexIdclientAutCookie_store=second-token; Max-Age=60\n\
             set-cookie: vid_rt=; Max-Age=0",
            r#"{"status":"Success"}"#,
        ),
        line if line.contains("/accesskey/send") => json(200, "{}"),
        line if line.contains("/start") => json(200, r#"{"authenticationToken":"the-thread"}"#),
        _ => answer(200, "content-type: application/json\nset-cookie: vid_rt=first-refresh; Path=/", VALIDATED),
    })
    .await;
    let (clock, store) = (ManualClock::new(), MemoryStore::new());
    let builder = vtex::Client::builder(vendor.uri()).account("store").storefront("shopper@example.org");
    let client = builder.clock(clock.clone()).store(store).build().unwrap();
    let question = client.session().lease().await.unwrap_err();
    question.resume().unwrap().answer(Answer::AccessKey(Secret::from("the-key"))).await.unwrap();
    client.session().renew().await.unwrap();
    clock.advance(Duration::from_secs(3600));
    let error = client.session().lease().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessKeyRequired, "{error}");
    assert_eq!(vendor.count("/refreshtoken/"), 1);
}

#[apply(leak_checked!)]
async fn a_renewal_without_the_sessions_cookies_is_none() {
    for lines in [
        "set-cookie: __cf_bm=x; Max-Age=1800",
        "set-cookie: VtexIdclientAutCookie_store=a-token\nset-cookie: VtexIdclientAutCookie_store=; Max-Age=0",
        "set-cookie: VtexIdclientAutCookie_store=",
        "set-cookie: VtexIdclientAutCookie_=a-token",
        "x-nothing: here",
    ] {
        let error = renewed(lines).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(200)), "{lines}: {error}");
    }
}

#[apply(leak_checked!)]
async fn a_sessions_life_is_that_of_its_own_cookies() {
    let session =
        renewed("set-cookie: __cf_bm=x; Max-Age=1800\nset-cookie: VtexIdclientAutCookie_store=y; Max-Age=600");
    assert_eq!(session.await.unwrap().expires_in, Some(Duration::from_secs(600)));
    let dated = "date: Tue, 14 Nov 2023 22:13:20 GMT\n\
                 set-cookie: VtexIdclientAutCookie_store=y; Expires=Tue, 14-Nov-2023 22:14:20 GMT";
    assert_eq!(renewed(dated).await.unwrap().expires_in, Some(Duration::from_secs(60)));
}

// ---- codings and clocks ----

#[apply(leak_checked!)]
async fn an_encoded_answer_is_not_asked_for_and_its_coding_is_named() {
    for coding in ["gzip", "br", "deflate, gzip"] {
        let said = answer(200, &format!("content-encoding: {coding}"), b"\x1f\x8b\x08\x00");
        let vendor = Raw::start(move |_| said.clone()).await;
        let client = operator(&vendor.uri()).build().unwrap();
        let error = client.session().lease().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains(coding), "{error}");
        assert!(vendor.seen()[0].to_lowercase().contains("accept-encoding: identity"), "{:?}", vendor.seen());
    }
}

#[apply(leak_checked!)]
async fn an_answer_that_a_cache_kept_is_as_old_as_it_says() {
    // The token ends two hours after the vendor's clock of now, of which an hour went by in a cache.
    let vendor = Raw::start(|_| {
        let headers = "date: Tue, 14 Nov 2023 22:13:20 GMT\nage: 3600\ncontent-type: application/json";
        answer(200, headers, r#"{"authStatus":"Success","token":"the-token","expires":1700010800}"#)
    })
    .await;
    let clock = ManualClock::new();
    let client = vtex::Client::builder(vendor.uri()).app_key("key", "the-app-token").clock(clock.clone());
    let lease = client.build().unwrap().session().lease().await.unwrap();
    let Expiry::At(end) = lease.expiry() else { panic!("it ends") };
    assert_eq!(end.duration_since(keyway::Clock::wall(&clock)).unwrap(), Duration::from_secs(7200));
}

#[apply(leak_checked!)]
async fn a_date_to_wait_for_is_one_of_the_vendors_clock() {
    let at = "date: Tue, 14 Nov 2023 22:13:20 GMT";
    for (headers, seconds) in [
        (format!("{at}\nretry-after: Tue, 14 Nov 2023 22:23:20 GMT"), 600),
        (format!("{at}\nage: 60\nretry-after: Tue, 14 Nov 2023 22:23:20 GMT"), 540),
        ("retry-after: 90.0".to_owned(), 90),
    ] {
        let error = refused(answer(429, &headers, "")).await;
        assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(Duration::from_secs(seconds))));
    }
}

// ---- JSON ----

#[apply(leak_checked!)]
async fn only_the_token_of_a_sign_in_is_essential() {
    for body in [
        "\u{feff}{\"access_token\":\"the-token\"}",
        r#"{"access_token":"the-token","expires_in":"600","refresh_token":7}"#,
        r#"{"access_token":"stale","access_token":"the-token"}"#,
        r#"{"access_token":"the-token","UUID":{"a":[1]},"scope":["read"],"scope":"write"}"#,
    ] {
        let vendor = Raw::start(move |_| json(200, body)).await;
        let client = till(&vendor.uri()).client_credentials().build().unwrap();
        let lease = client.session().lease().await.unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(lease.token().unwrap().expose(), "the-token", "{body}");
    }
    for body in
        [r#"{"access_token":7}"#, r#"{"access_token":["x"]}"#, r#"{"access_token":""}"#, r#"[{"access_token":"x"}]"#]
    {
        let error = refused(json(200, body)).await;
        assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(200)), "{body}: {error}");
        assert!(!error.to_string().contains("builder"), "{error}");
    }
}

#[apply(leak_checked!)]
async fn a_captcha_a_list_and_a_limit_are_read_across_types() {
    let vendor = Raw::start(|request| match request.split(' ').nth(1).unwrap_or_default() {
        "/api/v1/static/basic" => json(200, r#"{"is_captcha_available":"1"}"#),
        "/api/v1/captcha" => json(200, "{\"key\":\"the-captcha-key\",\"ttl\":\"60\",\"img\":\"data:image/png;base64,aGVs\\r\\nbG8=\\n\"}"),
        "/api/v1/token" => json(
            419,
            r#"{"sessions":[{"id":41,"is_current":0,"online":"true","last":"1700000000.0","ip":[]},{"x":1}],"sessions_limit":"1"}"#,
        ),
        _ => json(404, "{}"),
    })
    .await;
    let client = operator(&vendor.uri()).build().unwrap();
    let question = client.session().lease().await.unwrap_err();
    assert_eq!(question.captcha().unwrap_or_else(|| panic!("{question}")).image(), b"hello");
    let question = question.resume().unwrap().answer(Answer::Captcha("the-answer".into())).await.unwrap_err();
    let limit = question.session_limit().unwrap_or_else(|| panic!("{question}"));
    assert_eq!((limit.sessions.len(), limit.limit), (1, Some(1)));
    let session = &limit.sessions[0];
    assert_eq!((session.id.as_str(), session.online, session.last), ("41", true, Some(1_700_000_000)));
}

#[apply(leak_checked!)]
async fn a_broken_member_of_a_typed_answer_costs_that_member() {
    let vendor = Raw::start(|request| match request.split(' ').nth(1).unwrap_or_default() {
        path if path.ends_with("/oauth/token") => json(200, r#"{"access_token":"the-token"}"#),
        path if path.ends_with("/api/config") => json(200, r#"{"config.a":"x","config.b":7,"config.c":{"d":1}}"#),
        "/api/v1/token" => json(200, r#"{"access_token":"the-token"}"#),
        "/api/v1/static/basic" => json(200, r#"{"is_captcha_available":0}"#),
        "/api/v1/users/self" => json(200, r#"{"id":"12","name":7,"email":["a"],"phone":"+1"}"#),
        _ => json(404, "{}"),
    })
    .await;
    let config = till(&vendor.uri()).password("cashier", "the-password").build().unwrap();
    let config = config.api().get_public_tenant_config().send().await.unwrap();
    assert_eq!(serde_json::to_value(&*config).unwrap(), value!({ "config.a": "x", "config.b": "7" }));
    let user = operator(&vendor.uri()).build().unwrap();
    let user = user.api().get_self().send().await.unwrap();
    assert_eq!((user.id, user.name.as_deref(), user.email.as_deref()), (Some(12), Some("7"), None));
    assert_eq!(user.phone.as_deref(), Some("+1"));
}

// ---- what a code means ----

#[apply(leak_checked!)]
async fn the_code_decides_whatever_the_status() {
    for (status, body, kind, temporary) in [
        (403, r#"{"error":"invalid_grant"}"#, ErrorKind::InvalidCredentials, false),
        (200, r#"{"error":"invalid_grant"}"#, ErrorKind::InvalidCredentials, false),
        (422, "\u{feff}{\"error\":\"invalid_grant\"}", ErrorKind::InvalidCredentials, false),
        (400, r#"{"error":"temporarily_unavailable"}"#, ErrorKind::Outage, true),
        (200, r#"{"error":"server_error"}"#, ErrorKind::Outage, true),
        (400, r#"{"error":"slow_down"}"#, ErrorKind::Throttled, true),
        (503, r#"{"error":"invalid_grant"}"#, ErrorKind::Outage, true),
        (429, r#"{"error":"invalid_grant"}"#, ErrorKind::Throttled, true),
    ] {
        let error = refused(json(status, body)).await;
        assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{status} {body}: {error}");
        assert_eq!(error.is_temporary(), temporary, "{status} {body}");
    }
}

#[apply(leak_checked!)]
async fn a_refused_refresh_token_is_one_with_every_status() {
    for status in [200, 400, 401, 403] {
        let vendor = Raw::start(move |request| match request.contains("grant_type=refresh_token") {
            true => json(status, r#"{"error":"invalid_grant"}"#),
            false => json(200, r#"{"access_token":"the-token","refresh_token":"the-refresh-token","expires_in":600}"#),
        })
        .await;
        let client = till(&vendor.uri()).password("cashier", "the-password").build().unwrap();
        client.session().lease().await.unwrap();
        client.session().renew().await.unwrap_or_else(|error| panic!("{status}: {error}"));
        assert_eq!(vendor.count("/oauth/token"), 3, "once by password, once refused, once by password");
    }
}

#[apply(leak_checked!)]
async fn a_refusal_without_words_is_one_where_the_document_has_none() {
    for status in [400, 401] {
        let vendor = Raw::start(move |request| match request.starts_with("PUT") {
            true => answer(status, "", ""),
            false => json(201, r#"{"payload":{"token":{"value":"the-token","refresh":"the-refresh-token"}}}"#),
        })
        .await;
        let client = vitamojo::Client::builder(vendor.uri()).password("till@example.org", "the-password");
        let client = client.build().unwrap();
        client.session().lease().await.unwrap();
        client.session().renew().await.unwrap_or_else(|error| panic!("{status}: {error}"));
        assert_eq!((vendor.count("/refresh/"), vendor.count("POST /user/v1/auth ")), (1, 2));
    }
}

// ---- who answered ----

#[apply(leak_checked!)]
async fn a_firewalls_page_at_the_sign_in_is_named() {
    let page = "<!doctype html><title>Attention Required!</title>";
    for (headers, who) in [
        ("content-type: text/html\nserver: cloudflare\ncf-ray: 7", "Cloudflare"),
        ("content-type: text/html\nserver: awselb/2.0", "awselb/2.0"),
        ("content-type: text/html", "does not say what it is"),
    ] {
        let error = refused(answer(403, headers, page)).await;
        assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(403)), "{error}");
        assert!(error.to_string().contains(who) && !error.to_string().contains("this session"), "{error}");
    }
    let error =
        refused(answer(403, "content-type: text/plain\nserver: cloudflare\ncf-ray: 7", "error code: 1020")).await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[apply(leak_checked!)]
async fn an_unknown_tenant_is_named() {
    let error =
        refused(json(400, r#"{"error":"invalid_request","error_description":"X-Tenant names no tenant"}"#)).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::Config, Some(400)), "{error}");
    assert!(error.to_string().contains(TENANT) && error.to_string().contains(".tenant(..)"), "{error}");
}

#[apply(leak_checked!)]
async fn a_free_call_fails_as_a_typed_one_does() {
    for (status, headers, body, kind) in [
        (401, "", "", ErrorKind::Unauthorized),
        (403, "", r#"{"code":"NO"}"#, ErrorKind::Forbidden),
        (404, "", r#"{"code":"GONE"}"#, ErrorKind::Api),
        (422, "", r#"{"errors":{"name":["is taken"]}}"#, ErrorKind::Validation),
        (429, "retry-after: 7", "", ErrorKind::Throttled),
        (503, "retry-after: 9", "", ErrorKind::Outage),
        (504, "", "", ErrorKind::Timeout),
        (302, "location: /login", "", ErrorKind::Protocol),
    ] {
        let said = answer(status, headers, body);
        let vendor = Raw::start(move |request| match request.contains("/api/v1/token") {
            true => json(200, r#"{"access_token":"the-token"}"#),
            false if request.contains("/static/") => json(404, "{}"),
            false => said.clone(),
        })
        .await;
        let client = operator(&vendor.uri()).build().unwrap();
        let error = client.http().get("/api/v1/marks").send_ok().await.unwrap_err();
        assert_eq!((error.kind(), error.status(), error.operation()), (kind, Some(status), Some("http")), "{error}");
        let wait = headers.strip_prefix("retry-after: ").map(|wait| Duration::from_secs(wait.parse().unwrap()));
        assert_eq!(error.retry_after(), wait, "{error}");
        assert_eq!(error.validation().is_some(), kind == ErrorKind::Validation);
        assert_eq!(error.code(), body.contains("code").then(|| body.split('"').nth(3).unwrap()));

        let answered = client.http().get("/api/v1/marks").send().await.unwrap();
        if let Err(error) = answered.error_for_status() {
            let error = Error::from(error);
            assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{error}");
        }
    }
}

#[apply(leak_checked!)]
async fn one_address_is_one_session_however_it_is_written() {
    let vendor = Raw::start(|_| json(200, r#"{"access_token":"the-token"}"#)).await;
    let (store, port) = (MemoryStore::new(), vendor.port());
    for address in [
        format!("http://localhost:{port}/platform"),
        format!("http://localhost:{port}/platform/"),
        format!("http://LOCALHOST:{port}/platform//"),
        format!("http://localhost:{port}/pl%61tform"),
        format!("HTTP://localhost:{port}/./platform"),
    ] {
        let client = till(&address).password("cashier", "the-password").store(store.clone()).build().unwrap();
        client.session().lease().await.unwrap();
        assert_eq!(vendor.count("/oauth/token"), 1, "{address}");
    }
}

// ---- what will not do tomorrow either ----

#[apply(leak_checked!)]
async fn tls_to_a_port_of_plain_http_is_a_mistake_and_no_outage() {
    let vendor = Raw::start(|_| answer(400, "", "")).await;
    let client = operator(&format!("https://127.0.0.1:{}", vendor.port())).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Config, false), "{error}");
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
    assert!(error.source().is_some(), "the cause can be asked for");
}

#[apply(leak_checked!)]
async fn a_proxy_that_is_not_there_is_named() {
    let gone = {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        port.local_addr().unwrap()
    };
    let proxy = format!("http://someone:the-proxy-password@{gone}");
    let client = operator("https://vms.example").http(move |b| b.proxy(reqwest::Proxy::all(&proxy).unwrap()));
    let error = client.build().unwrap().session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Config, false), "{error}");
    assert!(error.to_string().contains(&gone.to_string()), "{error}");
    assert!(!format!("{error:?}").contains("the-proxy-password"));
}

/// Found by `fuzz answer`: what stood before the tear refused the credentials for good.
#[apply(leak_checked!)]
async fn a_refusal_that_breaks_off_refuses_nobody() {
    for body in
        [r#"{"error":"invalid_grant","#, r#"{"error":"invalid_grant" "x":1}"#, "{\"error\":\"invalid_grant\",B\0:true}"]
    {
        let error = refused(json(400, body)).await;
        assert!(!matches!(error.kind(), ErrorKind::InvalidCredentials | ErrorKind::SignInRequired), "{body}: {error}");
    }
    let whole = refused(json(400, "\u{feff}{\"error\":\"invalid_grant\"}")).await;
    assert_eq!(whole.kind(), ErrorKind::InvalidCredentials, "{whole}");
    let torn = |request: &str| match request.contains("/static/") {
        true => json(404, "{}"),
        false => json(422, r#"{"errors":{"login":["is wrong"]},"#),
    };
    let vendor = Raw::start(torn).await;
    let error = operator(&vendor.uri()).build().unwrap().session().lease().await.unwrap_err();
    assert_ne!(error.kind(), ErrorKind::InvalidCredentials, "{error}");
    for line in [r#"{"status":"InvalidSession","#, r#"{"status":"InvalidSession"}"#] {
        let vendor = Raw::start(move |request| match request.contains("/refreshtoken/") {
            true => json(401, line),
            false => answer(200, "content-type: application/json\nset-cookie: vid_rt=first-refresh; Path=/", VALIDATED),
        });
        let vendor = vendor.await;
        let client = vtex::Client::builder(vendor.uri()).account("store").user_token("unused-token").build().unwrap();
        let (thread, key) = (Secret::from("the-thread"), Secret::from("the-key"));
        let session = client.storefront().validate_access_key(&thread, "shopper@example.org", &key).await.unwrap();
        let refused = client.storefront().refresh(&session, None).await.unwrap_err().kind();
        assert_eq!(refused == ErrorKind::SignInRequired, line.ends_with('}'), "{line}: {refused:?}");
    }
}

#[apply(leak_checked!)]
async fn a_certificate_of_an_unknown_authority_is_told_with_its_cure() {
    let vendor = Tls::start(1999..3999).await;
    let client = operator(&vendor.uri).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Config, false), "{error}");
    let line = error.to_string();
    assert!(line.contains("certificate is not trusted") && line.contains("add_root_certificate"), "{line}");
    assert!(error.source().is_some());
    let client = operator(&vendor.uri).http(move |b| b.add_root_certificate(vendor.authority.clone())).build().unwrap();
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::Outage, "the cure cures");
}
