//! Free and typed calls: where credentials go, what is replayed, what a broken answer becomes.

use crate::{leak_check::trusts, vitamojo_client, vms_client};
use keyway::{
    ErrorKind, Retry,
    testing::{FakeVitaMojo, FakeVms, Fault, ManualClock},
};
use std::time::Duration;

async fn vms() -> (FakeVms, ManualClock, keyway::vms::Client) {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    fake.serve("/api/v1/marks");
    let client = vms_client(&fake, &clock).retry(Retry::never()).build().unwrap();
    (fake, clock, client)
}

#[apply(leak_checked!)]
async fn another_origin_gets_no_credentials_unless_it_was_named() {
    let (fake, clock, client) = vms().await;
    let other = FakeVms::start().await;
    let foreign = client.http().get(format!("{}/api/v1/cameras", other.uri())).send().await.unwrap();
    assert_eq!(foreign.status(), 401);
    assert_eq!(other.saw()[0].bearer, None);
    assert!(fake.saw().is_empty(), "no session is made for a call that gets none");

    trusts(&other);
    let trusting = vms_client(&fake, &clock).also_origin(other.uri()).build().unwrap();
    trusting.http().get(format!("{}/api/v1/cameras", other.uri())).send().await.unwrap();
    assert!(other.saw().iter().any(|seen| seen.bearer.is_some()));
}

#[apply(leak_checked!)]
async fn a_redirect_is_handed_over_and_not_followed() {
    let (fake, clock) = (FakeVitaMojo::start().await, ManualClock::new());
    let client =
        vitamojo_client(&fake, &clock).http(|b| b.redirect(reqwest::redirect::Policy::limited(5))).build().unwrap();
    fake.always("other", Fault::Empty(302));
    assert_eq!(client.http().get("/order/v1/orders").send().await.unwrap().status(), 302);
    assert_eq!(fake.count("other"), 1);
    fake.always("check_token", Fault::Empty(307));
    let error = client.api().check_token().send().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(307)));
}

#[apply(leak_checked!)]
async fn a_4xx_is_an_answer_to_a_free_call_and_an_error_to_a_typed_one() {
    let (fake, _clock, client) = vms().await;
    fake.always("list_cameras", Fault::Html(403));
    assert_eq!(client.http().get("/api/v1/cameras").send().await.unwrap().status(), 403);
    fake.always("list_sessions", Fault::Html(403));
    let error = client.api().list_sessions().send().await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Forbidden, Some("list_sessions")));
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
async fn a_body_is_replayed_after_a_401_and_a_stream_is_not() {
    let (fake, clock, client) = vms().await;
    client.session().lease().await.unwrap();
    fake.revoke_all();
    let answer = client.http().post("/api/v1/marks").json(&serde_json::json!({"n": 1})).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    // Long enough that the next 401 is about the token again.
    clock.advance(Duration::from_secs(31));
    fake.revoke_all();
    let (mut writer, reader) = tokio::io::duplex(64);
    tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut writer, b"frames").await });
    let stream = reqwest::Body::wrap_stream(chunks(reader));
    let answer = client.http().post("/api/v1/marks").body(stream).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    // The 401 counted: the next call has a new session.
    assert_eq!(client.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    assert_eq!(fake.count("get_token"), 3);
}

#[apply(leak_checked!)]
async fn a_streamed_body_is_sent_once_and_whole_and_never_again_after_a_failure() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    fake.serve("/api/v1/marks");
    // The default retries: a stream is not among what can be sent again.
    let client = vms_client(&fake, &clock).build().unwrap();
    let (mut writer, reader) = tokio::io::duplex(64);
    let upload =
        tokio::spawn(client.http().post("/api/v1/marks").body(reqwest::Body::wrap_stream(chunks(reader))).send());
    for _ in 0..1000 {
        tokio::io::AsyncWriteExt::write_all(&mut writer, b"one frame of many").await.unwrap();
    }
    drop(writer);
    assert_eq!(upload.await.unwrap().unwrap().status(), 200);
    assert_eq!(fake.count("other"), 1);

    fake.next("other", Fault::CutAfter);
    let body = reqwest::Body::wrap_stream(chunks(&b"one frame"[..]));
    let error = client.http().post("/api/v1/marks").body(body).send().await.unwrap_err();
    assert_eq!((error.kind(), fake.count("other"), clock.sleepers()), (ErrorKind::Outage, 2, 0));
}

#[apply(leak_checked!)]
async fn a_redirect_to_an_origin_that_was_named_is_not_followed_either() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let other = FakeVms::start().await;
    [&fake, &other].into_iter().for_each(|fake| fake.serve("/api/v1/marks"));
    trusts(&other);
    let client = vms_client(&fake, &clock).also_origin(other.uri()).build().unwrap();
    fake.always("other", Fault::Empty(307));
    other.always("other", Fault::Empty(308));
    for (root, status) in [(&fake, 307), (&other, 308)] {
        let answer = client.http().get(format!("{}/api/v1/marks", root.uri())).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    assert_eq!((fake.count("other"), other.count("other"), fake.count("get_token")), (1, 1, 1));
    assert!(other.saw()[0].header("referer").is_none());
}

#[apply(leak_checked!)]
async fn a_401_of_an_origin_that_was_named_renews_the_session_like_one_of_our_own() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let other = FakeVms::start().await;
    [&fake, &other].into_iter().for_each(|fake| fake.serve("/api/v1/marks"));
    trusts(&other);
    let client = vms_client(&fake, &clock).also_origin(other.uri()).build().unwrap();
    other.next("other", Fault::Unauthorized);
    // The other fake knows none of the tokens: what matters is that both came with one, and that it was another one.
    let answer = client.http().get(format!("{}/api/v1/marks", other.uri())).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), other.count("other"), fake.count("get_token")), (401, 2, 2));
    assert!(other.saw().iter().all(|seen| seen.bearer.is_some()));
}

#[apply(leak_checked!)]
async fn a_typed_sign_in_with_a_wrong_password_leaves_the_session_alone() {
    let (fake, _clock, client) = vms().await;
    let first = client.session().lease().await.unwrap().generation();
    let sign_in = client.api().get_token().body_map(|body| body.login(FakeVms::LOGIN).password("wrong"));
    assert_eq!(sign_in.send().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    assert_eq!(fake.saw().last().unwrap().bearer, None);
    assert_eq!(client.session().lease().await.unwrap().generation(), first);
    assert_eq!(client.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
    assert_eq!((fake.count("get_token"), fake.count("get_basic_static")), (2, 1));
}

fn chunks(
    reader: impl tokio::io::AsyncRead + Unpin + Send + 'static,
) -> impl futures_util::Stream<Item = std::io::Result<Vec<u8>>> + Send {
    futures_util::stream::unfold(reader, |mut reader| async move {
        let mut chunk = vec![0; 16];
        match tokio::io::AsyncReadExt::read(&mut reader, &mut chunk).await {
            Ok(0) => None,
            Ok(n) => Some((Ok(chunk[..n].to_vec()), reader)),
            Err(error) => Some((Err(error), reader)),
        }
    })
}

#[apply(leak_checked!)]
async fn every_broken_answer_is_one_line_with_its_status_and_without_its_secrets() {
    let (fake, _clock, client) = vms().await;
    client.session().lease().await.unwrap();
    for (fault, kind, status) in [
        (Fault::Html(200), ErrorKind::Protocol, Some(200)),
        (Fault::Empty(200), ErrorKind::Protocol, Some(200)),
        (Fault::TruncatedJson, ErrorKind::Protocol, Some(200)),
        (Fault::Huge, ErrorKind::Protocol, Some(200)),
        (Fault::Html(500), ErrorKind::Outage, Some(500)),
        (Fault::Html(502), ErrorKind::Outage, Some(502)),
        (Fault::CutHalfway, ErrorKind::Outage, Some(200)),
        (Fault::CutBefore, ErrorKind::Outage, None),
    ] {
        fake.next("get_self", fault.clone());
        let error = client.api().get_self().send().await.unwrap_err();
        let shown = error.to_string();
        assert_eq!((error.status(), error.operation()), (status, Some("get_self")), "{fault:?}: {shown}");
        assert_eq!(error.kind(), kind, "{fault:?}: {shown}");
        assert!(!shown.contains('\n') && shown.len() < 300 && !shown.contains('<'), "{fault:?}: {shown}");
        assert!(fake.secrets().iter().all(|secret| !format!("{error:?}").contains(secret.as_str())), "{fault:?}");
    }
    // What the content type says is not what decides.
    fake.next("get_self", Fault::WrongContentType);
    client.api().get_self().send().await.unwrap();
    assert_eq!(fake.count("get_token"), 1);
}

#[apply(leak_checked!)]
async fn a_pure_read_is_sent_again_after_a_failure_that_may_pass_and_a_write_is_not() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).build().unwrap();
    client.session().lease().await.unwrap();
    for (number, fault) in [Fault::Html(503), Fault::CutBefore].into_iter().enumerate() {
        fake.next("list_sessions", fault);
        let call = {
            let client = client.clone();
            tokio::spawn(async move { client.api().list_sessions().send().await.unwrap().status() })
        };
        clock.until_sleeping(1).await;
        clock.advance(Duration::from_millis(200));
        assert_eq!(call.await.unwrap(), 200);
        assert_eq!(fake.count("list_sessions"), 2 * (number + 1));
    }

    fake.next("update_self", Fault::Html(503));
    let error = client.api().update_self().body_map(|body| body.language("en".to_owned())).send().await.unwrap_err();
    assert_eq!((error.kind(), fake.count("update_self")), (ErrorKind::Outage, 1));
}

/// Where nothing listens: a failed connect is tried again whatever the call is.
#[apply(leak_checked!)]
async fn a_wait_before_another_try_that_does_not_fit_into_the_calls_timeout_is_not_begun() {
    let clock = ManualClock::new();
    let fake = FakeVms::start().await;
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody_at = format!("http://{}/", nobody.local_addr().unwrap());
    let retry = Retry::default().with_first_wait(Duration::from_secs(3));
    let client = vms_client(&fake, &clock).retry(retry).build().unwrap();

    // 3 s do not fit into 3 s.
    let error = client.http().get(&nobody_at).timeout(Duration::from_secs(3)).send().await.unwrap_err();
    assert_eq!((error.kind(), clock.sleepers()), (ErrorKind::Outage, 0), "{error}");
    // 3 s fit into 7 s; the next wait would be 5 s.
    let call = tokio::spawn(client.http().get(&nobody_at).timeout(Duration::from_secs(7)).send());
    // The call's timeout and the wait.
    clock.until_sleeping(2).await;
    clock.advance(Duration::from_secs(3));
    assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::Outage);
}

#[apply(leak_checked!)]
async fn a_vendor_that_is_not_there_is_an_outage_without_its_address() {
    // Bound, and listening to nobody: what is only free may be another test's by now.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = nobody.local_addr().unwrap();
    let client = keyway::vms::Client::builder(format!("http://{at}")).password("operator", "hunter2").build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Outage, true));
    assert!(!error.to_string().contains(&at.to_string()), "{error}");
}

#[apply(leak_checked!)]
async fn a_caller_who_brings_credentials_keeps_them() {
    let (fake, _clock, client) = vms().await;
    let answer = client.http().get("/api/v1/cameras").header("authorization", "Bearer own").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), fake.count("get_token")), (401, 0));
    assert_eq!(fake.saw()[0].bearer.as_deref(), Some("unknown"));
}

/// What the document asks no credentials for carries none, whatever session there is: an ended one would be refused.
#[apply(leak_checked!)]
async fn a_typed_call_without_security_carries_no_session() {
    let fake = FakeVms::start().await;
    let client = vms_client(&fake, &ManualClock::new()).build().unwrap();
    client.session().lease().await.unwrap();
    client.api().get_basic_static().send().await.unwrap();
    client.api().list_sessions().send().await.unwrap();
    let carried = |operation: &str| {
        let seen = fake.saw();
        let call = seen.iter().find(|call| call.operation == operation).unwrap();
        call.bearer.is_some()
    };
    assert_eq!((carried("get_basic_static"), carried("list_sessions")), (false, true));
}
