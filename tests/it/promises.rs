//! What is promised of every type and future, checked by the compiler: they may be shared, kept, and sent to another thread.
//! The typed calls are checked where they are generated, the clients of vendors where `surface_client!` makes them, and the
//! fakes where `a_fake!` does.

use keyway::*;
use std::time::Duration;

const fn shared<T: Send + Sync + 'static>() {}
const fn cloned<T: Clone + Send + Sync + 'static>() {}
const fn sent<T: Send>(_: &T) {}

const _: () = {
    cloned::<custom::Client>();
    cloned::<custom::ClientBuilder>();
    cloned::<custom::Capabilities>();
    cloned::<custom::Issued>();
    cloned::<custom::Tokens>();
    shared::<custom::Attempt>();
    shared::<custom::SendPermit>();
    shared::<vtex::Storefront>();
    shared::<vtex::StorefrontSession>();
    cloned::<Session>();
    cloned::<Lease>();
    cloned::<Profile>();
    cloned::<Report>();
    cloned::<Http>();
    shared::<SessionMiddleware>();
    shared::<ResponseValue<String>>();
    cloned::<Error>();
    cloned::<ErrorKind>();
    cloned::<Resume>();
    cloned::<Answer>();
    cloned::<Captcha>();
    cloned::<DeviceCode>();
    cloned::<AccessKey>();
    cloned::<SessionLimit>();
    cloned::<EvictionPolicy>();
    cloned::<Secret>();
    cloned::<Expiry>();
    cloned::<Generation>();
    cloned::<Key>();
    cloned::<Record>();
    shared::<StoreError>();
    shared::<StoreLock>();
    cloned::<MemoryStore>();
    cloned::<FileStore>();
    cloned::<PostgresStore>();
    cloned::<RedisStore>();
    cloned::<Retry>();
    cloned::<Timeouts>();
    cloned::<Windows>();
    cloned::<SystemClock>();
    cloned::<testing::ManualClock>();
    cloned::<custom::Placement>();
    cloned::<custom::Renewal>();
    cloned::<custom::Polled>();
    cloned::<SignOut>();
    cloned::<ActiveSession>();
    cloned::<SessionId>();
    cloned::<Optional<String>>();
    shared::<testing::Fake>();
    cloned::<testing::Fault>();
    cloned::<testing::Seen>();
    shared::<testing::VmsSession>();
    cloned::<testing::ExpiresIn>();
    cloned::<testing::RefreshDialect>();
    shared::<testing::Gate>();
};

const fn movable<T: Send + 'static>() {}

const _: () = {
    movable::<RequestBuilder>();
    movable::<Pages<String>>();
};

/// Never called: that it compiles is the proof.
#[allow(dead_code, unused_must_use, reason = "nothing of this is run")]
fn every_future_may_go_to_another_thread(
    session: &Session,
    http: &Http,
    request: reqwest::Request,
    builder: RequestBuilder,
    pages: &mut Pages<String>,
    resume: &Resume,
) {
    sent(&session.lease());
    sent(&session.lease_for(Duration::ZERO));
    sent(&session.sign_in());
    sent(&session.renew());
    sent(&session.sign_out());
    sent(&session.close());
    sent(&http.execute(request));
    sent(&builder.send());
    sent(&pages.next());
    sent(&resume.answer(Answer::DeviceCode));
}

#[allow(dead_code, unused_must_use, reason = "nothing of this is run")]
fn so_may_those_of_an_attempt(attempt: &custom::Attempt, leave: custom::SendPermit) {
    sent(&attempt.acquire());
    sent(&attempt.release(leave));
}

#[allow(dead_code, unused_must_use, reason = "nothing of this is run")]
fn so_may_those_of_the_stores(
    key: &Key,
    record: Record,
    file: &FileStore,
    redis: &RedisStore,
    postgres: &PostgresStore,
) {
    sent(&file.load(key));
    sent(&file.compare_and_swap(key, None, record.clone()));
    sent(&file.remove(key));
    sent(&file.lock(key, Duration::ZERO));
    sent(&redis.load(key));
    sent(&redis.compare_and_swap(key, None, record.clone()));
    sent(&redis.lock(key, Duration::ZERO));
    sent(&postgres.create_table());
    sent(&postgres.load(key));
    sent(&postgres.compare_and_swap(key, None, record.clone()));
    sent(&postgres.lock(key, Duration::ZERO));
    let memory = MemoryStore::new();
    sent(&memory.compare_and_swap(key, None, record));
    sent(&memory.lock(key, Duration::ZERO));
}

#[allow(dead_code, unused_must_use, reason = "nothing of this is run")]
fn so_may_those_of_lists_of_fakes_and_of_a_shoppers_sign_in(
    pages: Pages<String>,
    storefront: &vtex::Storefront,
    shopper: &vtex::StorefrontSession,
    secret: &Secret,
) {
    sent(&pages.collect());
    sent(&storefront.send_access_key(secret, ""));
    sent(&storefront.validate_access_key(secret, "", secret));
    sent(&storefront.refresh(shopper, None));
    sent(&testing::FakeVms::start());
}
