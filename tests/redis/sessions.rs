//! The engine on Redis: what is served is stored before, and two processes are one sign-in and one renewal, at every vendor.

use crate::server::Server;
use keyway::{
    RedisStore, Session, orderingstack, shopmonkey,
    testing::{Fake, FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex, ManualClock},
    vtex,
};
use std::{ops::Deref, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);

/// Two clients that share nothing but Redis.
async fn two_are_one<F: Deref<Target = Fake>>(
    fake: F,
    clock: &ManualClock,
    obtain: &[&str],
    client: impl Fn(&F, RedisStore) -> Session,
) {
    let Some(server) = Server::start() else { return };
    let store = || RedisStore::connect(server.url()).unwrap();
    let (one, two) = (client(&fake, store()), client(&fake, store()));
    let obtained = || obtain.iter().map(|operation| fake.count(operation)).sum::<usize>();
    for round in 1..4 {
        let (a, b) = tokio::join!(one.lease(), two.lease());
        let (a, b) = (a.unwrap().generation(), b.unwrap().generation());
        assert_eq!((a, obtained()), (b, round));
        // One that starts now finds it: it was stored before it was served.
        assert_eq!(client(&fake, store()).lease().await.unwrap().generation(), a);
        assert_eq!(obtained(), round);
        clock.advance(Duration::from_secs(48 * 3600));
    }
}

#[apply(leak_checked!)]
async fn redis_makes_two_processes_one_at_vita_mojo() {
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    two_are_one(fake, &clock, &["auth", "refresh_token"], |fake, store| {
        crate::vitamojo_client(fake, &clock, store).session().clone()
    })
    .await;
}

#[apply(leak_checked!)]
async fn redis_makes_two_processes_one_at_ordering_stack() {
    let clock = ManualClock::new();
    let fake = FakeOrderingStack::builder().clock(clock.clone()).rotating(true).start().await;
    two_are_one(fake, &clock, &["issue_token"], |fake, store| {
        let builder = orderingstack::Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT);
        let builder = builder.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET);
        let builder = builder.password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD);
        builder.clock(clock.clone()).store(store).build().unwrap().session().clone()
    })
    .await;
}

#[apply(leak_checked!)]
async fn redis_makes_two_processes_one_at_shopmonkey() {
    let clock = ManualClock::new();
    let fake = FakeShopmonkey::builder().clock(clock.clone()).jwt(true).token_life(HOUR).start().await;
    two_are_one(fake, &clock, &["login"], |fake, store| {
        let builder = shopmonkey::Client::builder(fake.uri());
        let builder = builder.password(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD);
        builder.clock(clock.clone()).store(store).build().unwrap().session().clone()
    })
    .await;
}

#[apply(leak_checked!)]
async fn redis_makes_two_processes_one_at_vtex() {
    let clock = ManualClock::new();
    let fake = FakeVtex::builder().clock(clock.clone()).start().await;
    two_are_one(fake, &clock, &["generate_authentication_token"], |fake, store| {
        let builder = vtex::Client::builder(fake.uri()).account(FakeVtex::ACCOUNT);
        let builder = builder.app_key(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN);
        builder.clock(clock.clone()).store(store).build().unwrap().session().clone()
    })
    .await;
}

/// The vendor tells no end: the token is used until it is refused.
#[apply(leak_checked!)]
async fn redis_makes_two_processes_one_at_vms() {
    let Some(server) = Server::start() else { return };
    let clock = ManualClock::new();
    let fake = FakeVms::builder().clock(clock.clone()).start().await;
    let client = || crate::vms_client(&fake, &clock, RedisStore::connect(server.url()).unwrap());
    let clients = [client(), client()];
    for round in 1..4 {
        for client in clients.iter().chain([&client()]) {
            assert_eq!(client.http().get("/api/v1/cameras").send().await.unwrap().status(), 200);
        }
        assert_eq!(fake.count("get_token"), round);
        clock.advance(HOUR);
        fake.revoke_all();
    }
}

/// What was begun is saved although nobody waits for it any more, and the lock is free again.
#[apply(leak_checked!)]
async fn redis_hears_of_a_session_whose_callers_have_gone() {
    let Some(server) = Server::start() else { return };
    let clock = ManualClock::new();
    let fake = FakeVitaMojo::builder().clock(clock.clone()).rotating(true).start().await;
    let store = RedisStore::connect(server.url()).unwrap();
    let client = crate::vitamojo_client(&fake, &clock, store.clone());
    let gate = fake.hold("auth");
    let session = client.session().clone();
    let caller = tokio::spawn(async move { session.lease().await.map(drop) });
    gate.arrived(1).await;
    caller.abort();
    gate.open();
    client.session().close().await.unwrap();
    let names: Vec<String> = server.ask(&["KEYS", "*:session"]);
    assert_eq!(names.len(), 1);
    let another = crate::vitamojo_client(&fake, &clock, store);
    another.session().lease().await.unwrap();
    assert_eq!(fake.count("auth"), 1);
}
