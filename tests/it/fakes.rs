//! The fakes themselves, asked by a plain HTTP client: if a fake is wrong, every test that stands on it is.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use keyway::{
    Clock,
    testing::{FakeVitaMojo, FakeVms, Fault, ManualClock, RefreshDialect},
};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    future::Future,
    panic::{self, AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Once,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The manual clock.
mod clock {
    use super::*;

    #[apply(hunted!)]
    async fn advancing_moves_all_hands_and_wakes_those_who_are_due() {
        let clock = ManualClock::new();
        let (wall, monotonic, world) = (clock.wall(), clock.monotonic(), clock.world());
        let soon = tokio::spawn(clock.sleep(SECOND));
        let later = tokio::spawn(clock.sleep(MINUTE));
        clock.until_sleeping(2).await;

        clock.clone().advance(SECOND);

        soon.await.expect("the first sleeper wakes");
        assert_eq!((clock.sleepers(), later.is_finished()), (1, false));
        let moved = (clock.wall(), clock.monotonic(), clock.world());
        assert_eq!(moved, (wall + SECOND, monotonic + SECOND, world + SECOND));
        clock.advance(MINUTE);
        later.await.expect("the second sleeper wakes");
    }

    #[apply(hunted!)]
    fn it_starts_where_its_documentation_says() {
        let clock = ManualClock::new();
        assert_eq!(clock.wall(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600));
        assert_eq!(ManualClock::at(SystemTime::UNIX_EPOCH).wall(), SystemTime::UNIX_EPOCH);
    }

    #[apply(hunted!)]
    fn a_jump_of_the_wall_clock_moves_nothing_else() {
        let clock = ManualClock::new();
        let (wall, monotonic, world) = (clock.wall(), clock.monotonic(), clock.world());

        clock.jump_wall(-3600);
        assert_eq!(clock.wall(), wall - 60 * MINUTE);
        clock.jump_wall(7200);
        assert_eq!(clock.wall(), wall + 60 * MINUTE);
        clock.set_wall(wall);
        assert_eq!((clock.wall(), clock.monotonic(), clock.world()), (wall, monotonic, world));
    }

    #[apply(hunted!)]
    fn a_sleeping_machine_loses_monotonic_time_and_wakes_nobody() {
        let clock = ManualClock::new();
        let (wall, monotonic) = (clock.wall(), clock.monotonic());
        let mut sleep = clock.sleep(MINUTE);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(sleep.as_mut().poll(&mut context), Poll::Pending);

        clock.stop_monotonic_for(60 * MINUTE);

        assert_eq!((clock.wall(), clock.monotonic()), (wall + 60 * MINUTE, monotonic));
        assert_eq!(sleep.as_mut().poll(&mut context), Poll::Pending);
        clock.advance(MINUTE);
        assert_eq!(sleep.as_mut().poll(&mut context), Poll::Ready(()));
    }

    #[apply(hunted!)]
    fn a_sleeper_counts_from_its_first_poll_to_its_end() {
        let clock = ManualClock::new();
        let mut context = Context::from_waker(Waker::noop());
        let mut barrier = pin!(clock.until_sleeping(1));
        let mut sleep = clock.sleep(MINUTE);
        assert_eq!(clock.sleepers(), 0);
        assert_eq!(barrier.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(sleep.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(clock.sleepers(), 1);
        assert_eq!(barrier.as_mut().poll(&mut context), Poll::Ready(()));
        drop(sleep);
        assert_eq!(clock.sleepers(), 0);
    }
}

/// What all fakes can do.
mod every_fake {
    use super::*;

    #[apply(hunted!)]
    fn the_test_in_the_documentation_is_that_of_the_example() {
        let page = include_str!("../../src/testing/mod.rs").lines().filter_map(|line| line.strip_prefix("//!"));
        let mut page = page.map(str::trim);
        let example = include_str!("../../examples/your_own_tests.rs").lines().map(str::trim);
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

    #[apply(hunted!)]
    fn it_outlives_the_runtime_that_started_it_and_ends_with_its_handle() {
        let fake = block_on(FakeVms::start());
        let settings = format!("{}/api/v1/static/basic", fake.uri());
        assert_eq!(block_on(status(reqwest::get(&settings))), 200);
        drop(fake);
        let refused = block_on(reqwest::get(&settings)).expect_err("nobody listens");
        assert!(refused.is_connect());
    }

    #[apply(hunted!)]
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

    #[apply(hunted!)]
    async fn the_date_of_an_answer_is_the_vendors() {
        let clock = ManualClock::new();
        let fake = FakeVms::builder().clock(clock.clone()).start().await;
        clock.jump_wall(86_400); // our clock is wrong; theirs is not
        let answer = reqwest::get(format!("{}/api/v1/static/basic", fake.uri())).await.expect("answers");
        assert_eq!(answer.headers()["date"], "Thu, 01 Jan 2026 00:00:00 GMT");
        assert_eq!(fake.saw()[0].at, clock.world());
    }

    #[apply(hunted!)]
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

    #[apply(hunted!)]
    async fn a_dropped_gate_is_open() {
        let fake = FakeVitaMojo::start().await;
        let gate = fake.hold("auth");
        let sign_in = tokio::spawn(vita_sign_in(&fake).send());
        gate.arrived(1).await;
        drop(gate);
        assert_eq!(status(async { sign_in.await.expect("runs") }).await, 201);
    }

    #[apply(hunted!)]
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

    #[apply(hunted!)]
    async fn until_completes_when_the_call_was_answered() {
        let fake = FakeVitaMojo::start().await;
        let sign_in = vita_sign_in(&fake).send();
        let ((), answer) = tokio::join!(fake.until("auth", 1), sign_in);
        assert_eq!(answer.expect("answers").status(), 201);
        fake.until("auth", 1).await;
    }

    #[apply(hunted!)]
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

    #[apply(hunted!)]
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

    #[apply(hunted!)]
    async fn a_huge_answer_is_64_mib_longer() {
        let fake = FakeVms::start().await;
        fake.next("get_basic_static", Fault::Huge);
        let huge = text(call(&fake, Method::GET, "/api/v1/static/basic").send().await).await;
        assert!(huge.len() > 64 * 1024 * 1024);
        assert_eq!(serde_json::from_str::<Value>(&huge).expect("is JSON")["is_captcha_available"], false);
    }

    #[apply(hunted!)]
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

    #[apply(hunted!)]
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

    #[apply(hunted!)]
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

    #[apply(hunted!)]
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

    #[apply(hunted!)]
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
        let told = complaint(|| drop(fake));
        assert!(
            told.contains("a fault of `get_token` could not be done: there is no `/token` in the answer"),
            "{told}"
        );
        assert!(told.contains("there is no `/user/login/name` in the answer { access_token, user: {"), "{told}");
        assert!(told.contains("`get_basic_static` could not be done: there is no `/version/0`"), "{told}");
        assert!(!told.contains("vms-") && !told.contains(FakeVms::LOGIN), "{told}");
    }

    #[apply(hunted!)]
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

    #[apply(hunted!)]
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

    #[apply(hunted!)]
    async fn an_expectation_that_is_not_met_is_told_in_a_sentence() {
        let fake = FakeVitaMojo::start().await;
        fake.expect("auth", 1);
        fake.expect("refresh_token", 2);
        assert_eq!(status(vita_sign_in(&fake).send()).await, 201);
        assert_eq!(
            status(call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(fake.token(1)).send()).await,
            200
        );
        let sibling = call(&fake, Method::GET, "/order/v1/orders").header("tenant", "t-1");
        fake.next("other", Fault::CutBefore);
        sibling.send().await.expect_err("the connection is cut");
        let told = "\
FakeVitaMojo: `refresh_token` was to be called 2 times, but was never called. It saw:
  auth: POST /user/v1/auth, answered with 201
  check_token: GET /user/v1/auth/check with token #1, answered with 200
  other: GET /order/v1/orders for tenant t-1, cut before it was seen";
        assert_eq!(complaint(|| fake.verify()), told);
        assert_eq!(complaint(|| drop(fake)), told);
    }

    #[apply(hunted!)]
    async fn an_expectation_of_a_fake_that_saw_nothing_says_so() {
        let fake = FakeVms::start().await;
        fake.expect("get_token", 1);
        let told = "FakeVms: `get_token` was to be called once, but was never called. It saw nothing.";
        assert_eq!(complaint(|| drop(fake)), told);
    }

    #[apply(hunted!)]
    async fn a_mistyped_operation_does_not_count_as_never_called() {
        let fake = FakeVitaMojo::start().await;
        let sentence = "this fake knows no operation `sign_in`, only auth, check_token, other, refresh_token";
        assert_eq!(complaint(|| fake.expect("sign_in", 0)), sentence);
    }

    #[apply(hunted!)]
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

    #[apply(hunted!)]
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
}

/// Vita Mojo.
mod vitamojo {
    use super::*;

    #[apply(hunted!)]
    async fn a_sign_in_replays_the_vendors_example_with_tokens_of_its_own() {
        let fake = FakeVitaMojo::start().await;
        let answer = vita_sign_in(&fake).header("tenant", "t-1").send().await.expect("answers");
        assert_eq!(answer.status(), 201);
        assert_eq!(header(&answer, "content-type"), "application/json; charset=utf-8");

        let mut answer: Value = answer.json().await.expect("is JSON");
        let mut example = example("vitamojo", "/v1/auth", "post", "201");
        let (tokens, theirs) = (answer["payload"]["token"].take(), example["payload"]["token"].take());
        assert_eq!(answer, example);
        assert_ne!(tokens, theirs);
        let seen = &fake.saw()[0];
        assert_eq!((seen.path.as_str(), seen.method.as_str()), ("/user/v1/auth", "POST"));
        assert_eq!((seen.status, seen.tenant.as_deref(), &seen.bearer), (Some(201), Some("t-1"), &None));
    }

    #[apply(hunted!)]
    async fn a_failed_sign_in_is_400_in_the_shape_of_the_live_service() {
        let fake = FakeVitaMojo::builder().clock(ManualClock::new()).start().await;
        for (email, password) in [(FakeVitaMojo::EMAIL, "wrong"), ("nobody@example.org", FakeVitaMojo::PASSWORD)] {
            let credentials = json!({ "email": email, "password": password });
            let answer = call(&fake, Method::POST, "/user/v1/auth").json(&credentials).send().await.expect("answers");
            assert_eq!(answer.status(), 400);
            let expected = json!({
                "message": "User not found",
                "statusCode": 400,
                "timestamp": "2026-01-01T00:00:00.000Z",
                "path": "/v1/auth",
            });
            assert_eq!(answer.json::<Value>().await.expect("is JSON"), expected);
        }
        let torn = call(&fake, Method::POST, "/user/v1/auth").body("{\"email\":").send();
        assert_eq!(status(torn).await, 400);
        let partial = call(&fake, Method::POST, "/user/v1/auth").json(&json!({ "email": "a" })).send().await;
        assert_eq!(body(partial).await["message"][0]["value"], "password");
    }

    #[apply(hunted!)]
    async fn a_tenant_may_be_required() {
        let fake = FakeVitaMojo::builder().require_tenant("t-1").start().await;
        assert_eq!(status(vita_sign_in(&fake).send()).await, 400);
        assert_eq!(status(vita_sign_in(&fake).header("tenant", "t-2").send()).await, 400);
        let signed_in = body(vita_sign_in(&fake).header("tenant", "t-1").send().await).await;
        assert_eq!(signed_in["payload"]["user"]["tenantUUID"], "t-1");
        let orders = || call(&fake, Method::GET, "/order/v1/orders?limit=1").bearer_auth(fake.token(1));
        assert_eq!(status(orders().send()).await, 400);
        let answer = body(orders().header("tenant", "t-1").send().await).await;
        assert_eq!(answer, json!({ "ok": true, "path": "/order/v1/orders", "tenant": "t-1" }));
    }

    #[apply(hunted!)]
    async fn an_access_token_ends_after_its_life_on_the_fakes_clock() {
        let clock = ManualClock::new();
        let fake = FakeVitaMojo::builder().clock(clock.clone()).start().await;
        let tokens = body(vita_sign_in(&fake).send().await).await["payload"]["token"].clone();
        let check = || call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(fake.token(1)).send();

        clock.advance(10 * MINUTE - SECOND);
        clock.jump_wall(86_400); // not the vendor's clock
        assert_eq!(body(check().await).await["payload"]["token"], tokens);
        clock.advance(SECOND);
        assert_eq!(status(check()).await, 401);
        assert_eq!(status(call(&fake, Method::GET, "/order/v1/orders").send()).await, 401);
    }

    #[apply(hunted!)]
    async fn a_renewal_keeps_the_refresh_token_unless_it_rotates() {
        let fake = FakeVitaMojo::start().await;
        let refresh = refresh_token(&body(vita_sign_in(&fake).send().await).await);
        let renewed = renew(&fake, Method::PUT, &refresh).send().await.expect("answers");
        assert_eq!(renewed.status(), 200);
        assert_eq!(refresh_token(&renewed.json().await.expect("is JSON")), refresh);
        assert_eq!(status(renew(&fake, Method::PUT, &refresh).send()).await, 200);
        assert_eq!(fake.reuses(), 0);
        assert_eq!(fake.count("refresh_token"), 2);
        for number in [1, 2, 3] {
            let check = call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(fake.token(number));
            assert_eq!(status(check.send()).await, 200);
        }
    }

    #[apply(hunted!)]
    async fn reuse_of_a_rotated_refresh_token_revokes_its_whole_family() {
        let fake = FakeVitaMojo::builder().rotating(true).start().await;
        let first = refresh_token(&body(vita_sign_in(&fake).send().await).await);
        let other_family = refresh_token(&body(vita_sign_in(&fake).send().await).await);
        let second = refresh_token(&body(renew(&fake, Method::PUT, &first).send().await).await);
        assert_ne!(first, second);

        let reused = body(renew(&fake, Method::PUT, &first).send().await).await;
        assert_eq!((&reused["statusCode"], &reused["vmosCode"]), (&json!(400), &json!("US-04")));
        assert_eq!(fake.reuses(), 1);
        assert_eq!(status(renew(&fake, Method::PUT, &second).send()).await, 400);
        let check =
            |number| status(call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(fake.token(number)).send());
        assert_eq!((check(1).await, check(3).await), (401, 401));
        assert_eq!(check(2).await, 200);
        assert_eq!(status(renew(&fake, Method::PUT, &other_family).send()).await, 200);
    }

    #[apply(hunted!)]
    async fn each_dialect_answers_the_other_with_404_and_no_vendor_code() {
        for (dialect, right, wrong, ok) in [
            (RefreshDialect::PutOk, Method::PUT, Method::POST, 200),
            (RefreshDialect::PostCreated, Method::POST, Method::PUT, 201),
        ] {
            let fake = FakeVitaMojo::builder().refresh_dialect(dialect).start().await;
            let refresh = refresh_token(&body(vita_sign_in(&fake).send().await).await);
            let missing = renew(&fake, wrong, &refresh).send().await.expect("answers");
            assert_eq!(missing.status(), 404);
            assert_eq!(missing.json::<Value>().await.expect("is JSON").get("vmosCode"), None);
            assert_eq!(status(renew(&fake, right, &refresh).send()).await, ok);
            assert_eq!(fake.count("refresh_token"), 2);
        }
    }

    #[apply(hunted!)]
    async fn an_odd_refresh_token_works_once_it_is_encoded() {
        let fake = FakeVitaMojo::builder().odd_tokens(true).rotating(true).start().await;
        let refresh = refresh_token(&body(vita_sign_in(&fake).send().await).await);
        assert!(['/', '%', '+', '?', '#', ' ', 'é'].iter().all(|odd| refresh.contains(*odd)));
        let bare = call(&fake, Method::PUT, &format!("/user/v1/auth/refresh/{refresh}")).send();
        assert_eq!(status(bare).await, 404);
        assert_eq!(status(renew(&fake, Method::PUT, &refresh).send()).await, 200);
    }

    #[apply(hunted!)]
    async fn a_jwt_tells_when_it_ends() {
        let clock = ManualClock::new();
        let fake = FakeVitaMojo::builder().jwt(true).token_life(MINUTE).clock(clock.clone()).start().await;
        status(vita_sign_in(&fake).send()).await;
        let token = fake.token(1);
        let claims = token.split('.').nth(1).expect("claims");
        let claims =
            serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(claims).expect("is base64")).expect("is JSON");
        assert_eq!(claims["exp"], 1_767_225_660);
        let check = || status(call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(&token).send());
        assert_eq!(check().await, 200);
        clock.advance(MINUTE);
        assert_eq!(check().await, 401);
    }

    #[apply(hunted!)]
    async fn tokens_can_be_revoked_and_passwords_changed() {
        let fake = FakeVitaMojo::builder().user("second@example.org", "second").start().await;
        let refresh = refresh_token(&body(vita_sign_in(&fake).send().await).await);
        fake.revoke_access_tokens();
        let check = call(&fake, Method::GET, "/user/v1/auth/check").bearer_auth(fake.token(1));
        assert_eq!(status(check.send()).await, 401);
        assert_eq!(status(renew(&fake, Method::PUT, &refresh).send()).await, 200);
        fake.revoke_refresh_tokens();
        assert_eq!(body(renew(&fake, Method::PUT, &refresh).send().await).await["vmosCode"], "US-04");
        fake.set_password(FakeVitaMojo::EMAIL, "changed");
        assert_eq!(status(vita_sign_in(&fake).send()).await, 400);
        let second = json!({ "email": "second@example.org", "password": "second" });
        let second = body(call(&fake, Method::POST, "/user/v1/auth").json(&second).send().await).await;
        assert_eq!(second["payload"]["user"]["email"], "second@example.org");
    }
}

/// VMS.
mod vms {
    use super::*;

    #[apply(hunted!)]
    async fn a_sign_in_replays_the_vendors_example_with_a_session_of_its_own() {
        let fake = FakeVms::start().await;
        let answer = body(vms_sign_in(&fake, json!({ "session_id": null })).send().await).await;

        let mut expected = example("vms", "/api/v1/token", "post", "200");
        expected["access_token"] = json!(fake.token(1));
        expected["user"]["login"] = json!(FakeVms::LOGIN);
        expected["user"]["access_token_id"] = json!(fake.sessions()[0].id);
        assert_eq!(answer, expected);
        assert_ne!(expected["access_token"], example("vms", "/api/v1/token", "post", "200")["access_token"]);
        assert_eq!(body(with_token(&fake, Method::GET, "/api/v1/users/self").await).await, expected["user"]);
    }

    #[apply(hunted!)]
    async fn a_token_may_come_with_its_scheme() {
        let fake = FakeVms::builder().prefixed_token(true).start().await;
        let answer = body(vms_sign_in(&fake, json!({})).send().await).await;
        assert_eq!(answer["access_token"], format!("Bearer {}", fake.token(1)));
        assert_eq!(with_token(&fake, Method::GET, "/api/v1/cameras").await.expect("answers").status(), 200);
        let twice = vms(&fake, Method::GET, "/api/v1/cameras").bearer_auth(format!("Bearer {}", fake.token(1)));
        assert_eq!(status(twice.send()).await, 401);
    }

    #[apply(hunted!)]
    async fn the_session_limit_is_419_and_a_chosen_session_makes_room() {
        let clock = ManualClock::new();
        let fake = FakeVms::builder().session_limit(2).other_sessions(2).clock(clock.clone()).start().await;
        let unknown = vms_sign_in(&fake, json!({ "session_id": "no-such-session" })).send().await;
        let unknown = unknown.expect("answers");
        assert_eq!(unknown.status(), 422);
        assert!(unknown.json::<Value>().await.expect("is JSON")["errors"]["session_id"].is_array());
        let limit = vms_sign_in(&fake, json!({})).send().await.expect("answers");
        assert_eq!(limit.status(), 419);
        let limit: Value = limit.json().await.expect("is JSON");
        let mut expected = example("vms", "/api/v1/token", "post", "419");
        let mut session = expected["sessions"][0].take();
        session["id"] = json!("other-1");
        session["last"] = json!(1_767_225_600 - 7200);
        expected["sessions"] = json!([session.clone(), session]);
        expected["sessions"][1]["id"] = json!("other-2");
        expected["sessions"][1]["online"] = json!(false);
        expected["sessions"][1]["last"] = json!(1_767_225_600 - 3600);
        expected["sessions_limit"] = json!(2);
        expected["sessions_count"] = json!(2);
        expected.as_object_mut().expect("an object").remove("captcha_will_required_in");
        assert_eq!(limit, expected);

        assert_eq!(status(vms_sign_in(&fake, json!({ "session_id": "other-2" })).send()).await, 200);
        let sessions = fake.sessions();
        assert_eq!((sessions.len(), sessions[0].id.as_str(), sessions[1].last), (2, "other-1", clock.world()));
        assert_eq!(status(vms_sign_in(&fake, json!({})).send()).await, 419);
    }

    #[apply(hunted!)]
    async fn a_wrong_password_ends_no_session() {
        let fake = FakeVms::builder().session_limit(1).other_sessions(1).start().await;
        let wrong = json!({ "session_id": "other-1", "password": "wrong" });
        assert_eq!(field_blamed(vms_sign_in(&fake, wrong)).await, "login");
        assert_eq!(field_blamed(vms_sign_in(&fake, json!({ "login": "nobody" }))).await, "login");
        assert_eq!(field_blamed(vms_sign_in(&fake, json!({ "password": null }))).await, "password");
        assert_eq!(fake.sessions().len(), 1);
    }

    #[apply(hunted!)]
    async fn a_captcha_counts_once_and_for_a_minute() {
        let clock = ManualClock::new();
        let fake = FakeVms::builder().captcha(true).sign_ins_per_login(99).sign_ins_per_address(99);
        let fake = fake.clock(clock.clone()).start().await;
        assert_eq!(
            body(vms(&fake, Method::GET, "/api/v1/static/basic").send().await).await["is_captcha_available"],
            true
        );
        assert_eq!(field_blamed(vms_sign_in(&fake, json!({}))).await, "captcha");

        let key = captcha_key(&fake).await;
        let answer = json!({ "captcha": fake.captcha_answer(), "key": key });
        assert_eq!(fake.captcha_answer_for(&key), Some(fake.captcha_answer()));
        assert_eq!(status(vms_sign_in(&fake, answer.clone()).send()).await, 200);
        assert_eq!(field_blamed(vms_sign_in(&fake, answer)).await, "captcha"); // it was good once

        let key = captcha_key(&fake).await;
        let right = json!({ "captcha": fake.captcha_answer(), "key": key });
        let wrong = json!({ "captcha": "wrong", "key": key });
        assert_eq!(field_blamed(vms_sign_in(&fake, wrong)).await, "captcha");
        assert_eq!(field_blamed(vms_sign_in(&fake, right)).await, "captcha"); // the wrong answer has spent it

        let key = captcha_key(&fake).await;
        let late = json!({ "captcha": fake.captcha_answer(), "key": key });
        clock.advance(MINUTE);
        assert_eq!(field_blamed(vms_sign_in(&fake, late)).await, "captcha");
    }

    #[apply(hunted!)]
    async fn a_captcha_can_be_needed_after_some_sign_ins() {
        let fake = FakeVms::builder().captcha_after(2).start().await;
        let available = || async {
            body(vms(&fake, Method::GET, "/api/v1/static/basic").send().await).await["is_captcha_available"].take()
        };
        assert_eq!(field_blamed(vms_sign_in(&fake, json!({ "password": "wrong" }))).await, "login");
        assert_eq!(available().await, false);
        assert_eq!(status(vms_sign_in(&fake, json!({})).send()).await, 200);
        assert_eq!(available().await, true);
        assert_eq!(field_blamed(vms_sign_in(&fake, json!({}))).await, "captcha");
        let key = captcha_key(&fake).await;
        let answer = json!({ "captcha": fake.captcha_answer(), "key": key });
        assert_eq!(status(vms_sign_in(&fake, answer).send()).await, 200);
    }

    #[apply(hunted!)]
    async fn after_a_session_limit_the_same_captcha_counts_again_for_two_minutes() {
        let clock = ManualClock::new();
        let fake =
            FakeVms::builder().captcha(true).session_limit(1).other_sessions(1).clock(clock.clone()).start().await;
        let key = captcha_key(&fake).await;
        let mut request = json!({ "captcha": fake.captcha_answer(), "key": key });
        let limit = |request: &Value| vms_sign_in(&fake, request.clone()).send();
        assert_eq!(body(limit(&request).await).await["captcha_will_required_in"], 120);
        clock.advance(119 * SECOND);
        assert_eq!(body(limit(&request).await).await["captcha_will_required_in"], 1);
        request["session_id"] = json!("other-1");
        assert_eq!(status(vms_sign_in(&fake, request.clone()).send()).await, 200);
        assert_eq!(field_blamed(vms_sign_in(&fake, request)).await, "captcha"); // the session has spent it

        let key = captcha_key(&fake).await;
        let request = json!({ "captcha": fake.captcha_answer(), "key": key });
        assert_eq!(status(vms_sign_in(&fake, request.clone()).send()).await, 419);
        clock.advance(120 * SECOND);
        assert_eq!(field_blamed(vms_sign_in(&fake, request)).await, "captcha");
    }

    #[apply(hunted!)]
    async fn a_captcha_has_a_picture_and_twenty_are_enough() {
        let clock = ManualClock::new();
        let fake = FakeVms::builder().clock(clock.clone()).start().await;
        let captcha = body(vms(&fake, Method::GET, "/api/v1/captcha").send().await).await;
        let picture = captcha["img"].as_str().expect("text").strip_prefix("data:image/png;base64,").expect("a PNG");
        assert!(STANDARD.decode(picture).expect("is base64").starts_with(b"\x89PNG\r\n\x1a\n"));
        assert_eq!(captcha["ttl"], 60);
        let key = captcha["key"].as_str().expect("text");
        assert!(key.starts_with("$2y$10$") && key.contains('/') && key.len() == 60, "{key}");
        for _ in 1..20 {
            assert_eq!(status(vms(&fake, Method::GET, "/api/v1/captcha").send()).await, 200);
        }
        assert_eq!(status(vms(&fake, Method::GET, "/api/v1/captcha").send()).await, 429);
        clock.advance(10 * MINUTE);
        assert_eq!(status(vms(&fake, Method::GET, "/api/v1/captcha").send()).await, 200);
    }

    #[apply(hunted!)]
    async fn every_attempt_counts_and_the_eleventh_is_429() {
        let clock = ManualClock::new();
        let fake = FakeVms::builder().session_limit(1).clock(clock.clone()).start().await;
        let sign_in = |change| status(vms_sign_in(&fake, change).send());
        assert_eq!(sign_in(json!({})).await, 200);
        for _ in 0..5 {
            assert_eq!(sign_in(json!({})).await, 419);
        }
        for _ in 0..4 {
            assert_eq!(sign_in(json!({ "password": "wrong" })).await, 422);
        }
        let refused = vms_sign_in(&fake, json!({})).send().await.expect("answers");
        assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (429, ""));
        assert_eq!(refused.json::<Value>().await.expect("is JSON"), json!({ "message": "Too Many Attempts." }));
        clock.advance(10 * MINUTE);
        assert_eq!(sign_in(json!({})).await, 419);
    }

    #[apply(hunted!)]
    async fn the_throttles_count_by_address_and_by_login() {
        let fake = FakeVms::builder().sign_ins_per_login(2).session_limit(9).user("second", "pw");
        let fake = fake.retry_after(true).empty_429(true).clock(ManualClock::new()).start().await;
        let sign_in = |login: &str, address: &str| {
            vms_sign_in(&fake, json!({ "login": login, "password": "wrong" })).header("x-forwarded-for", address).send()
        };
        assert_eq!(status(sign_in(FakeVms::LOGIN, "192.0.2.1")).await, 422);
        assert_eq!(status(sign_in(FakeVms::LOGIN, "192.0.2.2")).await, 422);
        let refused = sign_in(FakeVms::LOGIN, "192.0.2.3").await.expect("answers");
        assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (429, "600"));
        assert_eq!(refused.text().await.expect("a body"), "");
        for number in 0..9 {
            assert_eq!(status(sign_in(&format!("guess-{number}"), "192.0.2.1")).await, 422);
        }
        assert_eq!(status(sign_in("second", "192.0.2.1")).await, 429);
        assert_eq!(status(sign_in("second", "192.0.2.2")).await, 422);
    }

    #[apply(hunted!)]
    async fn sessions_are_listed_ended_and_signed_out() {
        let fake = FakeVms::builder().other_sessions(2).start().await;
        status(vms_sign_in(&fake, json!({})).send()).await;
        let listed = body(with_token(&fake, Method::GET, "/api/v1/sessions").await).await;
        let current: Vec<_> = listed.as_array().expect("a list").iter().map(|session| &session["is_current"]).collect();
        assert_eq!(current, [false, false, true]);
        assert_eq!(listed[2]["id"], fake.sessions()[2].id);

        let ended = with_token(&fake, Method::POST, "/api/v1/sessions/other-1").await;
        assert_eq!(body(ended).await, json!({ "status": "ok" }));
        assert!(fake.end_session("other-2") && !fake.end_session("other-2"));
        assert_eq!(fake.sessions().len(), 1);
        assert_eq!(status(with_token(&fake, Method::POST, "/api/v1/logout")).await, 200);
        assert_eq!(status(with_token(&fake, Method::POST, "/api/v1/logout")).await, 401);
        assert_eq!(fake.saw().last().expect("is logged").bearer.as_deref(), Some("token #1"));
        assert!(fake.sessions().is_empty());
    }

    #[apply(hunted!)]
    async fn a_session_ends_with_its_life_or_when_it_is_revoked() {
        let clock = ManualClock::new();
        let fake = FakeVms::builder().token_life(MINUTE).session_limit(1).clock(clock.clone()).start().await;
        status(vms_sign_in(&fake, json!({})).send()).await;
        let cameras = body(with_token(&fake, Method::GET, "/api/v1/cameras").await).await;
        assert_eq!(cameras.as_array().expect("a list").len(), 3);
        clock.advance(MINUTE);
        assert_eq!(status(with_token(&fake, Method::GET, "/api/v1/cameras")).await, 401);
        assert_eq!(status(vms_sign_in(&fake, json!({})).send()).await, 200); // there is room again
        fake.revoke_all();
        let cameras = vms(&fake, Method::GET, "/api/v1/cameras").bearer_auth(fake.token(2));
        assert_eq!(status(cameras.send()).await, 401);
    }

    #[apply(hunted!)]
    async fn a_password_can_be_changed_by_who_knows_it() {
        let fake = FakeVms::start().await;
        status(vms_sign_in(&fake, json!({})).send()).await;
        let change =
            |change: Value| vms(&fake, Method::PUT, "/api/v1/users/self").bearer_auth(fake.token(1)).json(&change);
        let new = json!({ "current_password": "wrong", "password": "new", "password_confirmation": "new" });
        assert_eq!(field_blamed(change(new)).await, "current_password");
        let new = json!({ "current_password": FakeVms::PASSWORD, "password": "new", "password_confirmation": "other" });
        assert_eq!(field_blamed(change(new)).await, "password");
        let new = json!({ "current_password": FakeVms::PASSWORD, "password": "new", "password_confirmation": "new" });
        assert_eq!(status(change(new).send()).await, 200);
        assert_eq!(status(change(json!({ "language": "en" })).send()).await, 200);
        assert_eq!(field_blamed(vms_sign_in(&fake, json!({}))).await, "login");
        assert_eq!(status(vms_sign_in(&fake, json!({ "password": "new" })).send()).await, 200);
    }

    #[apply(hunted!)]
    async fn who_does_not_ask_for_json_is_taken_for_a_browser() {
        let fake = FakeVms::builder().session_limit(1).start().await;
        let http = Client::builder().redirect(Policy::none()).build().expect("a client");
        let sign_in = |password: &str| {
            let credentials = json!({ "login": FakeVms::LOGIN, "password": password });
            http.post(format!("{}/api/v1/token", fake.uri())).json(&credentials).send()
        };
        assert_eq!(status(sign_in(FakeVms::PASSWORD)).await, 200); // what works looks the same
        let limit = sign_in(FakeVms::PASSWORD).await.expect("answers");
        assert_eq!((limit.status().as_u16(), header(&limit, "content-type")), (419, "text/html; charset=UTF-8"));
        let refused = sign_in("wrong").await.expect("answers");
        assert_eq!((refused.status(), header(&refused, "location")), (StatusCode::FOUND, "/login"));
        let cameras = http.get(format!("{}/api/v1/cameras", fake.uri())).send().await.expect("answers");
        assert_eq!((cameras.status(), header(&cameras, "location")), (StatusCode::FOUND, "/login"));
        let page = text(http.get(format!("{}/login", fake.uri())).send().await).await;
        assert!(page.starts_with("<!DOCTYPE html>"));
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

fn call(fake: &keyway::testing::Fake, method: Method, path: &str) -> RequestBuilder {
    Client::new().request(method, format!("{}{path}", fake.uri()))
}

fn vita_sign_in(fake: &FakeVitaMojo) -> RequestBuilder {
    let credentials = json!({ "email": FakeVitaMojo::EMAIL, "password": FakeVitaMojo::PASSWORD });
    call(fake, Method::POST, "/user/v1/auth").json(&credentials)
}

fn renew(fake: &FakeVitaMojo, method: Method, refresh: &str) -> RequestBuilder {
    let mut url = reqwest::Url::parse(&fake.uri()).expect("a URL");
    url.path_segments_mut().expect("a base").extend(["user", "v1", "auth", "refresh", refresh]);
    call(fake, method, url.path())
}

fn refresh_token(auth_res: &Value) -> String {
    auth_res["payload"]["token"]["refresh"].as_str().expect("a refresh token").to_owned()
}

fn vms(fake: &FakeVms, method: Method, path: &str) -> RequestBuilder {
    call(fake, method, path).header("accept", "application/json")
}

/// A sign-in of the default user, with these members changed.
fn vms_sign_in(fake: &FakeVms, change: Value) -> RequestBuilder {
    let mut request = json!({ "login": FakeVms::LOGIN, "password": FakeVms::PASSWORD });
    for (member, value) in change.as_object().expect("an object") {
        request[member] = value.clone();
    }
    vms(fake, Method::POST, "/api/v1/token").json(&request)
}

async fn with_token(fake: &FakeVms, method: Method, path: &str) -> reqwest::Result<Response> {
    vms(fake, method, path).bearer_auth(fake.token(1)).send().await
}

async fn captcha_key(fake: &FakeVms) -> String {
    let captcha = body(vms(fake, Method::GET, "/api/v1/captcha").send().await).await;
    captcha["key"].as_str().expect("a key").to_owned()
}

async fn field_blamed(request: RequestBuilder) -> String {
    let refused = request.send().await.expect("answers");
    assert_eq!(refused.status(), 422);
    let body: Value = refused.json().await.expect("is JSON");
    body["errors"].as_object().expect("an object").keys().next().expect("a field").clone()
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

/// The vendor's example, straight from the document.
fn example(surface: &str, path: &str, method: &str, status: &str) -> Value {
    let document = match surface {
        "vitamojo" => include_str!(concat!(env!("OUT_DIR"), "/vitamojo.json")),
        _ => include_str!(concat!(env!("OUT_DIR"), "/vms.json")),
    };
    let document: Value = serde_json::from_str(document).expect("is JSON");
    document["paths"][path][method]["responses"][status]["content"]["application/json"]["example"].clone()
}

/// What a panic says.
fn complaint(panics: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(panics)).expect_err("panics");
    panic.downcast_ref::<String>().expect("a sentence").clone()
}

/// The file and the line that a panic names.
fn place_of_panic(panics: impl FnOnce()) -> (String, u32) {
    thread_local!(static PLACE: RefCell<Option<(String, u32)>> = const { RefCell::new(None) });
    // The hook is the whole process's: it hands on what it hears, and each thread reads its own place.
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(|at| (at.file().to_owned(), at.line()));
            PLACE.with_borrow_mut(|last| *last = place);
            print(panic);
        }));
    });
    catch_unwind(AssertUnwindSafe(panics)).expect_err("panics");
    PLACE.take().expect("a place")
}
