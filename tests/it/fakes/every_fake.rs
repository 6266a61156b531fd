//! What all fakes can do.

use super::*;

#[apply(leak_checked!)]
fn the_test_in_the_documentation_is_that_of_the_example() {
    let page = include_str!("../../../src/testing/mod.rs").lines().filter_map(|line| line.strip_prefix("//!"));
    let mut page = page.map(str::trim);
    let example = include_str!("../../../examples/your_own_tests.rs").lines().map(str::trim);
    let code = example.skip_while(|line| !line.starts_with("async fn cameras"));
    let is_frame = |line: &str| {
        line.len() < 2 || line.contains("mod tests") || line == "use super::*;" || line.starts_with("async fn an_")
    };
    let code: Vec<_> = code.filter(|line| !is_frame(line) && !line.starts_with("#[")).collect();
    assert!(code.len() > 20, "{code:#?}");
    for line in code {
        assert!(page.any(|told| told == line), "the page lacks, or has elsewhere: {line}");
    }
}

#[apply(leak_checked!)]
fn it_outlives_the_runtime_that_started_it_and_ends_with_its_handle() {
    let fake = block_on(FakeVms::start());
    let settings = format!("{}/api/v1/static/basic", fake.uri());
    assert_eq!(block_on(status(reqwest::get(&settings))), 200);
    drop(fake);
    let refused = block_on(reqwest::get(&settings)).expect_err("nobody listens");
    assert!(refused.is_connect());
}

#[apply(leak_checked!)]
async fn a_connection_serves_one_request_after_another() {
    let fake = FakeVms::start().await;
    let address = fake.uri().replace("http://", "");
    let mut connection = TcpStream::connect(address).await.expect("the fake listens");
    for count in 1..=3 {
        connection.write_all(b"GET /api/v1/static/basic HTTP/1.1\r\nhost: fake\r\n\r\n").await.expect("is open");
        let mut answer = vec![0; 4096];
        let length = connection.read(&mut answer).await.expect("answers");
        let answer = String::from_utf8_lossy(&answer[..length]).to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
        assert!(!answer.contains("x-keyway") && !answer.contains("connection:"), "{answer}");
        assert_eq!(fake.count("get_basic_static"), count);
    }
}

#[apply(leak_checked!)]
async fn the_date_of_an_answer_is_the_vendors() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    clock.jump_wall(86_400); // our clock is wrong; theirs is not
    let answer = reqwest::get(format!("{}/api/v1/static/basic", fake.uri())).await.expect("answers");
    assert_eq!(answer.headers()["date"], "Thu, 01 Jan 2026 00:00:00 GMT");
    assert_eq!(fake.saw()[0].at, clock.world());
}

#[apply(leak_checked!)]
async fn a_gate_holds_the_answers_of_one_operation_in_order() {
    let fake = FakeVitaMojo::start().await;
    let gate = fake.hold("auth");
    let first = tokio::spawn(vita_sign_in(&fake).send());
    gate.arrived(1).await;
    let second = tokio::spawn(vita_sign_in(&fake).send());
    gate.arrived(2).await;

    assert_eq!(status(call(&fake, Method::GET, "/user/v1/auth/check").send()).await, 401); // is not held
    assert_eq!((fake.count("auth"), first.is_finished(), second.is_finished()), (2, false, false));

    gate.let_through(1);
    assert_eq!(body(first.await.expect("runs")).await["payload"]["token"]["value"], fake.token(1));
    assert!(!second.is_finished());
    gate.open();
    assert_eq!(body(second.await.expect("runs")).await["payload"]["token"]["value"], fake.token(2));
    assert_eq!(status(vita_sign_in(&fake).send()).await, 201); // held no more
}

#[apply(leak_checked!)]
async fn a_dropped_gate_is_open() {
    let fake = FakeVitaMojo::start().await;
    let gate = fake.hold("auth");
    let sign_in = tokio::spawn(vita_sign_in(&fake).send());
    gate.arrived(1).await;
    drop(gate);
    assert_eq!(status(async { sign_in.await.expect("runs") }).await, 201);
}

#[apply(leak_checked!)]
#[threads(4)]
async fn many_callers_can_be_held_at_once() {
    let fake = FakeVms::start().await;
    let gate = fake.hold("get_basic_static");
    let settings = format!("{}/api/v1/static/basic", fake.uri());
    let http = Client::new();
    let calls: Vec<_> = (0..64).map(|_| tokio::spawn(http.get(&settings).send())).collect();
    gate.arrived(64).await;
    gate.open();
    for call in calls {
        assert_eq!(status(async { call.await.expect("runs") }).await, 200);
    }
}

#[apply(leak_checked!)]
async fn until_completes_when_the_call_was_answered() {
    let fake = FakeVitaMojo::start().await;
    let sign_in = vita_sign_in(&fake).send();
    let ((), answer) = tokio::join!(fake.until("auth", 1), sign_in);
    assert_eq!(answer.expect("answers").status(), 201);
    fake.until("auth", 1).await;
}

#[apply(leak_checked!)]
async fn a_fault_instead_of_the_vendor_spends_nothing() {
    let fake = FakeVms::builder().session_limit(100).start().await;
    let faults = [
        (Fault::Json(503, json!({ "message": "later" })), 503, "application/json"),
        (Fault::Empty(200), 200, ""),
        (Fault::Html(500), 500, "text/html; charset=UTF-8"),
        (Fault::Unauthorized, 401, "application/json"),
        (Fault::TooManyRequests { retry_after: None }, 429, "application/json"),
        (Fault::TooManyRequests { retry_after: Some("7".to_owned()) }, 429, "application/json"),
    ];
    for (fault, status, content_type) in faults {
        fake.next("get_token", fault);
        let answer = vms_sign_in(&fake, json!({})).send().await.expect("answers");
        assert_eq!((answer.status().as_u16(), header(&answer, "content-type")), (status, content_type));
    }
    fake.next("get_token", Fault::CutBefore);
    vms_sign_in(&fake, json!({})).send().await.expect_err("the connection is cut");
    assert_eq!(fake.saw().last().expect("is logged").status, None);
    assert!(fake.sessions().is_empty());
}

#[apply(leak_checked!)]
async fn a_fault_after_the_vendor_loses_only_the_answer() {
    let fake = FakeVms::start().await;
    fake.next("get_token", Fault::CutAfter);
    vms_sign_in(&fake, json!({})).send().await.expect_err("the connection is cut");
    fake.next("get_token", Fault::CutHalfway);
    let torn = vms_sign_in(&fake, json!({})).send().await.expect("the head comes");
    assert_eq!(torn.status(), 200);
    torn.bytes().await.expect_err("the body is torn");
    fake.next("get_token", Fault::TruncatedJson);
    let truncated = text(vms_sign_in(&fake, json!({})).send().await).await;
    assert!(truncated.starts_with('{') && serde_json::from_str::<Value>(&truncated).is_err());
    fake.next("get_token", Fault::WrongContentType);
    let mistaken = vms_sign_in(&fake, json!({})).send().await.expect("answers");
    assert_eq!(header(&mistaken, "content-type"), "text/plain");
    assert!(mistaken.json::<Value>().await.expect("is JSON all the same")["access_token"].is_string());
    assert_eq!(fake.sessions().len(), 4);
    assert!(fake.saw().iter().all(|seen| seen.status == Some(200)));
}

#[apply(leak_checked!)]
async fn a_huge_answer_is_64_mib_longer() {
    let fake = FakeVms::start().await;
    fake.next("get_basic_static", Fault::Huge);
    let huge = text(call(&fake, Method::GET, "/api/v1/static/basic").send().await).await;
    assert!(huge.len() > 64 * 1024 * 1024);
    assert_eq!(serde_json::from_str::<Value>(&huge).expect("is JSON")["is_captcha_available"], false);
}

#[apply(leak_checked!)]
async fn a_delay_passes_on_the_fakes_clock() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    fake.next("get_basic_static", Fault::Delay(MINUTE));
    let delayed = tokio::spawn(call(&fake, Method::GET, "/api/v1/static/basic").send());
    clock.until_sleeping(1).await;
    clock.advance(59 * SECOND);
    assert!(!delayed.is_finished());
    clock.advance(SECOND);
    assert_eq!(status(async { delayed.await.expect("runs") }).await, 200);
}

#[apply(leak_checked!)]
async fn a_slow_body_begins_at_once_and_ends_later() {
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    fake.next("get_basic_static", Fault::SlowBody(MINUTE));
    let answer = call(&fake, Method::GET, "/api/v1/static/basic").send().await.expect("the head comes");
    let body = tokio::spawn(answer.json::<Value>());
    clock.until_sleeping(1).await;
    clock.advance(59 * SECOND);
    assert!(!body.is_finished());
    clock.advance(SECOND);
    assert_eq!(body.await.expect("runs").expect("is whole")["is_captcha_available"], false);
}

#[apply(leak_checked!)]
async fn a_redirect_leads_where_it_was_told_to() {
    let (fake, other) = (FakeVms::start().await, FakeVms::start().await);
    let elsewhere = format!("{}/api/v1/token", other.uri());
    let http = Client::builder().redirect(Policy::none()).build().expect("a client");
    for status in [301, 302, 303, 307, 308] {
        fake.next("get_token", Fault::Redirect(status, elsewhere.clone()));
        let answer = http.post(format!("{}/api/v1/token", fake.uri())).send().await.expect("answers");
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (status, elsewhere.as_str()));
    }
    assert_eq!((fake.sessions().len(), other.saw().len()), (0, 0));
}

#[apply(leak_checked!)]
async fn a_member_can_be_another_be_added_or_be_missing() {
    let fake = FakeVms::builder().sign_ins_per_login(99).sign_ins_per_address(99).start().await;
    let whole = body(vms_sign_in(&fake, json!({})).send().await).await;
    for at in ["/access_token", "/user/login", "/user/permissions/0/name", "/user/brand~1new", "/brand~0new"] {
        for value in [json!(null), json!(17), json!("zz-new"), json!({ "deep": [] })] {
            fake.next("get_token", Fault::Member(at.to_owned(), value.clone()));
            let answer = body(vms_sign_in(&fake, json!({})).send().await).await;
            assert_eq!(answer.pointer(at), Some(&value), "{at}");
            fake.revoke_all();
            if whole.pointer(at).is_some() {
                fake.next("get_token", Fault::WithoutMember(at.to_owned()));
                let answer = body(vms_sign_in(&fake, json!({})).send().await).await;
                assert_eq!((answer.pointer(at), &answer["user"]["id"]), (None, &whole["user"]["id"]), "{at}");
                fake.revoke_all();
            }
        }
    }
    fake.verify();
}

#[apply(leak_checked!)]
async fn a_member_that_cannot_be_found_is_told_without_a_value() {
    let fake = FakeVms::start().await;
    fake.next("get_token", Fault::WithoutMember("/token".to_owned()));
    fake.next("get_token", Fault::Member("/user/login/name".to_owned(), json!(1)));
    for _ in 0..2 {
        assert_eq!(status(vms_sign_in(&fake, json!({})).send()).await, 200);
    }
    fake.next("logout", Fault::WithoutMember("/status".to_owned()));
    fake.next("get_basic_static", Fault::Member("/version/0".to_owned(), json!(1)));
    status(vms(&fake, Method::GET, "/api/v1/static/basic").send()).await;
    let told = unmet(|| drop(fake));
    assert!(told.contains("a fault of `get_token` could not be done: there is no `/token` in the answer"), "{told}");
    assert!(told.contains("there is no `/user/login/name` in the answer { access_token, user: {"), "{told}");
    assert!(told.contains("`get_basic_static` could not be done: there is no `/version/0`"), "{told}");
    assert!(!told.contains("vms-") && !told.contains(FakeVms::LOGIN), "{told}");
}

#[apply(leak_checked!)]
async fn a_skewed_clock_is_wrong_in_all_that_the_vendor_tells_and_does() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).jwt(true).start().await;
    fake.skew_clock(-86_400);
    let answer = vita_sign_in(&fake).send().await.expect("answers");
    assert_eq!(header(&answer, "date"), "Wed, 31 Dec 2025 00:00:00 GMT");
    let token = fake.token(1);
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("claims")).expect("is base64");
    let claims: Value = serde_json::from_slice(&claims).expect("is JSON");
    assert_eq!(claims["exp"], 1_767_225_600 - 86_400 + 600);
    let check = || status(call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(&token).send());
    assert_eq!(check().await, 200);
    fake.skew_clock(0);
    assert_eq!(check().await, 401); // by the right clock it ended yesterday
    fake.skew_clock(86_400);
    let answer = call(&fake, Method::GET, "/user/v1/auth/check").send().await.expect("answers");
    assert_eq!(header(&answer, "date"), "Fri, 02 Jan 2026 00:00:00 GMT");
    assert_eq!(clock.sleepers(), 0);
}

#[apply(leak_checked!)]
async fn faults_queue_up_and_standing_ones_stay_until_healed() {
    let fake = FakeVms::start().await;
    let settings = || status(call(&fake, Method::GET, "/api/v1/static/basic").send());
    fake.next_times("get_basic_static", 2, Fault::Empty(500));
    fake.next("get_basic_static", Fault::Empty(502));
    fake.always("get_basic_static", Fault::Empty(503));
    for expected in [500, 500, 502, 503, 503] {
        assert_eq!(settings().await, expected);
    }
    fake.heal("get_basic_static");
    assert_eq!(settings().await, 200);
}

#[apply(leak_checked!)]
async fn an_expectation_that_is_not_met_is_told_in_a_sentence() {
    let fake = FakeVitaMojo::start().await;
    fake.expect("auth", 1);
    fake.expect("refresh_token", 2);
    assert_eq!(status(vita_sign_in(&fake).send()).await, 201);
    assert_eq!(status(call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(fake.token(1)).send()).await, 200);
    let sibling = call(&fake, Method::GET, "/order/v1/orders").header("tenant", "t-1");
    fake.next("other", Fault::CutBefore);
    sibling.send().await.expect_err("the connection is cut");
    let told = "\
FakeVitaMojo: `refresh_token` was to be called 2 times, but was never called. It saw:
  auth: POST /user/v1/auth, answered with 201
  check_token: GET /user/v1/auth/check with token #1, answered with 200
  other: GET /order/v1/orders for tenant t-1, cut before it was seen";
    assert_eq!(unmet(|| fake.verify()), told);
    assert_eq!(unmet(|| drop(fake)), told);
}

#[apply(leak_checked!)]
async fn an_expectation_of_a_fake_that_saw_nothing_says_so() {
    let fake = FakeVms::start().await;
    fake.expect("get_token", 1);
    let told = "FakeVms: `get_token` was to be called once, but was never called. It saw nothing.";
    assert_eq!(unmet(|| drop(fake)), told);
}

#[apply(leak_checked!)]
async fn a_mistyped_operation_does_not_count_as_never_called() {
    let fake = FakeVitaMojo::start().await;
    let sentence = "this fake knows no operation `sign_in`, only auth, check_token, other, refresh_token, unknown";
    assert_eq!(unmet(|| fake.expect("sign_in", 0)), sentence);
}

#[apply(leak_checked!)]
async fn a_mistyped_operation_is_told_at_the_line_that_has_it() {
    let fake = FakeVms::start().await;
    let wrong = "sing_in";
    type Call<'a> = Box<dyn FnOnce() + 'a>;
    let calls: [(u32, Call<'_>); 8] = [
        (line!(), Box::new(|| assert_eq!(fake.count(wrong), 0))),
        (line!(), Box::new(|| drop(fake.until(wrong, 1)))),
        (line!(), Box::new(|| fake.expect(wrong, 1))),
        (line!(), Box::new(|| drop(fake.hold(wrong)))),
        (line!(), Box::new(|| fake.next(wrong, Fault::CutBefore))),
        (line!(), Box::new(|| fake.next_times(wrong, 2, Fault::CutBefore))),
        (line!(), Box::new(|| fake.always(wrong, Fault::CutBefore))),
        (line!(), Box::new(|| fake.heal(wrong))),
    ];
    for (line, call) in calls {
        assert_eq!(place_of_panic(call), (file!().to_owned(), line));
    }
}

#[apply(leak_checked!)]
async fn no_secret_shows_in_what_a_fake_prints() {
    let fake = FakeVitaMojo::builder().odd_tokens(true).start().await;
    let tokens = body(vita_sign_in(&fake).send().await).await["payload"]["token"].clone();
    let (access, refresh) = (tokens["value"].as_str().expect("text"), tokens["refresh"].as_str().expect("text"));
    // Not encoded, so that it fits no route.
    status(call(&fake, Method::PUT, &format!("/user/v1/auth/refresh/{refresh}")).bearer_auth(access).send()).await;
    let printed = format!("{fake:#?} {:#?} {:#?}", fake.saw(), FakeVms::builder());
    assert!(printed.contains("token #1") && printed.contains("/user/v1/auth/refresh/…"), "{printed}");
    assert_eq!(fake.saw()[1].header("authorization"), None);
    let random_part = refresh.rsplit('/').next().expect("a part");
    for secret in fake.secrets().iter().map(String::as_str).chain([random_part, FakeVms::PASSWORD]) {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[apply(leak_checked!)]
async fn a_path_that_a_fake_does_not_know_is_answered_with_404_and_counted() {
    let (vita, ordering, monkey) =
        (FakeVitaMojo::start().await, FakeOrderingStack::start().await, FakeShopmonkey::start().await);
    let (vms, vtex, provider) = (FakeVms::start().await, FakeVtex::start().await, FakeOAuth2::start().await);
    // Each with a slip of the hand, and with how the vendor says so.
    let slips: [(&Fake, &str, &str); 6] = [
        (&vita, "/user/v1/auht", r#"{"error":"Not Found","message":"Cannot GET /v1/auht","statusCode":404}"#),
        (&ordering, "/auth-api/api/mee", "Not Found"),
        (&monkey, "/v3/orders", "API-404001"),
        (&vms, "/api/v1/camera", "<h1>404</h1>"),
        (&vtex, "/api/oms/pvt/order", ""),
        (&provider, "/tokens", ""),
    ];
    for (fake, path, words) in slips {
        let answer = call(fake, Method::GET, path).send().await.expect("answers");
        assert_eq!(answer.status(), 404, "{path}");
        let said = answer.text().await.expect("a body");
        assert!(said.contains(words), "{path}: {said}");
        assert_eq!((fake.count("unknown"), fake.count("other")), (1, 0), "{path}");
        let line = fake.saw()[0].to_string();
        assert_eq!(line, format!("unknown: GET {path}, answered with 404"));
    }
}

#[apply(leak_checked!)]
async fn a_mistyped_method_of_a_documented_path_is_unknown_too() {
    let fake = FakeVms::start().await;
    assert_eq!(status(call(&fake, Method::DELETE, "/api/v1/token").send()).await, 404);
    assert_eq!((fake.count("unknown"), fake.count("get_token")), (1, 0));
}

#[apply(leak_checked!)]
async fn a_fake_serves_the_paths_that_it_is_told_of_to_whoever_has_a_session() {
    let fake = FakeVms::start().await;
    fake.serve("/api/v1/marks/{id}");
    let token = body(vms_sign_in(&fake, json!({})).send().await).await["access_token"].take();
    let marks = |path: &str| vms(&fake, Method::GET, path).bearer_auth(token.as_str().expect("a token")).send();
    assert_eq!(body(marks("/api/v1/marks/7").await).await, json!({ "ok": true, "path": "/api/v1/marks/7" }));
    assert_eq!(status(vms(&fake, Method::GET, "/api/v1/marks/7").send()).await, 401);
    for slip in ["/api/v1/marks", "/api/v1/mark/7", "/api/v1/marks/7/8"] {
        assert_eq!(status(marks(slip)).await, 404, "{slip}");
    }
    fake.serve_any_path();
    assert_eq!(status(marks("/api/v1/mark/7")).await, 200);
    fake.serve("/of/no/use/any/more");
    assert_eq!(status(marks("/api/v1/mark/7")).await, 200);
    assert_eq!((fake.count("other"), fake.count("unknown")), (4, 3));
}

#[apply(leak_checked!)]
async fn a_fault_of_unknown_paths_can_be_told_like_any_other() {
    let fake = FakeVtex::start().await;
    fake.next("unknown", Fault::Html(502));
    assert_eq!(status(call(&fake, Method::GET, "/no").send()).await, 502);
    assert_eq!(status(call(&fake, Method::GET, "/no").send()).await, 404);
}

/// A free port that nobody is given who asks for any.
fn own_port() -> u16 {
    let begin = u16::try_from(std::process::id() % 10_000).expect("is small");
    let mut ports = (0..10_000).map(|more| 20_000 + (begin + more) % 10_000);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("one of them is free")
}

#[apply(leak_checked!)]
async fn a_fake_listens_at_the_port_that_it_is_given() {
    let port = own_port();
    let uri = format!("http://127.0.0.1:{port}");
    assert_eq!(FakeVitaMojo::builder().port(port).start().await.uri(), uri);
    assert_eq!(FakeOrderingStack::builder().port(port).start().await.uri(), uri);
    assert_eq!(FakeShopmonkey::builder().port(port).start().await.uri(), uri);
    assert_eq!(FakeVms::builder().port(port).start().await.uri(), uri);
    assert_eq!(FakeVtex::builder().port(port).start().await.uri(), uri);
    let there = FakeOAuth2::builder().port(port).start().await;
    assert_eq!(there.uri(), uri);
    let refused = tokio::spawn(FakeVms::builder().port(port).start()).await.expect_err("the port is taken");
    let said = refused.into_panic().downcast_ref::<String>().expect("a sentence").clone();
    assert!(said.starts_with(&format!("a fake cannot listen on port {port} of 127.0.0.1: ")), "{said}");
}
