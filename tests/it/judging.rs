//! Where a status does not say what a vendor means, the user does: whichever client the session was opened with.

use crate::vms_client;
use keyway::{
    Error, ErrorKind,
    custom::Failure,
    oauth2,
    testing::{FakeOAuth2, FakeVms, Fault, ManualClock},
};
use serde_json::json;

fn teapot() -> Fault {
    Fault::Json(418, json!({ "errors": [{ "extensions": { "code": "SHORT_AND_STOUT" } }] }))
}

fn judge(failure: &Failure<'_>) -> Option<Error> {
    (failure.status() == 418).then(|| Error::declined(format!("a teapot at {}", failure.operation())))
}

#[track_caller]
fn is_read(refused: &Error, operation: &str) {
    assert_eq!(
        (refused.kind(), refused.code(), refused.status()),
        (ErrorKind::Declined, Some("SHORT_AND_STOUT"), Some(418))
    );
    assert!(refused.to_string().contains(&format!("a teapot at {operation}")), "{refused}");
}

#[apply(leak_checked!)]
async fn a_judge_reads_typed_calls_free_calls_and_sign_ins_of_a_bundled_vendor() {
    let (fake, clock) = (FakeVms::start().await, ManualClock::new());
    let client = vms_client(&fake, &clock).code_at("/errors/0/extensions/code").judge(judge).build().unwrap();
    fake.next("get_token", teapot());
    is_read(&client.session().lease().await.unwrap_err(), "get_token");
    client.session().sign_in().await.unwrap();
    fake.next("list_sessions", teapot());
    is_read(&client.api().list_sessions().send().await.unwrap_err(), "list_sessions");
    fake.next("list_cameras", teapot());
    is_read(&client.http().get("/api/v1/cameras").send_ok().await.unwrap_err(), "http");
    // What it leaves alone is what it was.
    fake.next("list_sessions", Fault::Json(403, json!({})));
    assert_eq!(client.api().list_sessions().send().await.unwrap_err().kind(), ErrorKind::Forbidden);
}

#[apply(leak_checked!)]
async fn a_judge_reads_free_calls_and_sign_ins_under_a_standard_provider() {
    let clock = ManualClock::new();
    let fake = FakeOAuth2::builder().clock(clock.clone()).start().await;
    fake.serve("/tea");
    let builder = oauth2::Client::discover(fake.uri()).client(FakeOAuth2::CLIENT_ID, FakeOAuth2::CLIENT_SECRET);
    let builder = builder.clock(clock).code_at("/errors/0/extensions/code").judge(judge);
    let client = builder.client_credentials().build().unwrap();
    fake.next("issue_token", teapot());
    is_read(&client.session().lease().await.unwrap_err(), "issue_token");
    client.session().sign_in().await.unwrap();
    fake.next("other", teapot());
    is_read(&client.http().get("/tea").send_ok().await.unwrap_err(), "http");
}
