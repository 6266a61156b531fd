//! Many callers: how often the vendor is asked does not depend on how many they are.

use keyway::{
    Clock, ErrorKind, orderingstack,
    testing::{FakeOrderingStack, Fault, ManualClock},
};
use std::{sync::Arc, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);

fn client(fake: &FakeOrderingStack, clock: &ManualClock) -> orderingstack::Client {
    orderingstack::Client::builder(fake.uri())
        .tenant(FakeOrderingStack::TENANT)
        .client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET)
        .password(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD)
        .clock(clock.clone())
        .build()
        .unwrap()
}

async fn herd(client: &orderingstack::Client, callers: usize) {
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let session = client.session().clone();
            tokio::spawn(async move { session.lease().await.unwrap().generation() })
        })
        .collect();
    let mut generations = std::collections::HashSet::new();
    for task in tasks {
        generations.insert(task.await.unwrap());
    }
    assert_eq!(generations.len(), 1);
}

#[apply(leak_checked!)]
#[threads(4)]
async fn ten_thousand_tasks_on_a_cold_and_on_an_expired_cache_are_one_request_each() {
    let clock = ManualClock::new();
    let fake = FakeOrderingStack::builder().clock(clock.clone()).rotating(true).token_life(HOUR).start().await;
    let client = client(&fake, &clock);
    herd(&client, 10_000).await;
    assert_eq!(fake.count("issue_token"), 1);
    clock.advance(2 * HOUR);
    herd(&client, 10_000).await;
    assert_eq!((fake.count("issue_token"), fake.reuses()), (2, 0));
}

#[apply(leak_checked!)]
#[threads(4)]
async fn a_thousand_callers_over_twenty_expiries_use_no_refresh_token_twice() {
    let clock = ManualClock::new();
    let fake = FakeOrderingStack::builder().clock(clock.clone()).rotating(true).token_life(HOUR).start().await;
    let client = client(&fake, &clock);
    for _ in 0..20 {
        herd(&client, 1000).await;
        clock.advance(2 * HOUR);
    }
    let sign_ins = fake.count("issue_token");
    assert_eq!((sign_ins, fake.reuses()), (20, 0));
    assert_eq!(client.session().lease().await.unwrap().generation().counter(), 21);
}

/// Ten minutes of an outage with a hundred callers a second: the schedule decides, not the callers.
#[apply(leak_checked!)]
async fn an_outage_is_asked_about_on_a_schedule_and_ends_by_itself() {
    let clock = ManualClock::new();
    let fake = FakeOrderingStack::builder().clock(clock.clone()).start().await;
    let client = client(&fake, &clock);
    fake.always("issue_token", Fault::Html(503));
    let (mut asked, mut next) = (Vec::new(), clock.monotonic());
    for second in 0..600 {
        let due = clock.monotonic() >= next;
        for _ in 0..100 {
            let error = client.session().lease().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Outage);
            // The schedule is what the errors say.
            next = clock.monotonic() + error.retry_after().unwrap();
        }
        asked.extend(due.then_some(second));
        assert_eq!(fake.count("issue_token"), asked.len());
        clock.advance(Duration::from_secs(1));
    }
    // Waits of 1, 2, 4, 8, 16, 32 and then 60 s, each up to a quarter shorter, looked at once a second.
    for (n, pair) in asked.windows(2).enumerate() {
        let longest = (1_u64 << n.min(6)).min(60);
        let waited = pair[1] - pair[0];
        assert!(waited <= longest && waited >= longest * 3 / 4, "wait {n} was {waited} s of at most {longest} s");
    }
    fake.heal("issue_token");
    clock.advance(Duration::from_secs(60));
    client.session().lease().await.unwrap();
}

#[apply(leak_checked!)]
#[threads(4)]
async fn in_a_million_leases_fifty_tenants_never_get_each_others_token() {
    let clock = ManualClock::new();
    let tenants: Vec<String> = (0..50).map(|n| format!("3f2b8f6e-9c1d-4a57-8e46-1b7c0d5a2e{n:02}")).collect();
    let fake =
        tenants.iter().fold(FakeOrderingStack::builder().clock(clock.clone()), |fake, tenant| fake.tenant(tenant));
    let fake = Arc::new(fake.jwt(true).token_life(HOUR).start().await);
    let store = keyway::MemoryStore::new();
    let clients: Vec<_> = tenants
        .iter()
        .map(|tenant| {
            orderingstack::Client::builder(fake.uri())
                .tenant(tenant)
                .client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET)
                .client_credentials()
                .store(store.clone())
                .clock(clock.clone())
                .build()
                .unwrap()
        })
        .collect();
    let mut chance = Chance(20_260_101);
    for _ in 0..ROUNDS {
        let tasks: Vec<_> = clients
            .iter()
            .zip(&tenants)
            .flat_map(|(client, tenant)| (0..200).map(move |_| (client.session().clone(), tenant.clone())))
            .map(|(session, tenant)| tokio::spawn(async move { take_leases(&session, &tenant).await }))
            .collect();
        // Some are renewed in between, so that each tenant's token ends at a time of its own.
        for client in clients.iter().filter(|_| chance.below(3) == 0) {
            client.session().renew().await.unwrap();
        }
        for task in tasks {
            task.await.unwrap();
        }
        for client in &clients {
            client.session().close().await.unwrap();
        }
        clock.advance(Duration::from_secs(60 * chance.below(95)));
    }
    let issued = fake.count("issue_token");
    println!("50 tenants, 200 callers each, {LEASES} leases, {issued} tokens, no mix-up");
    // More than one per tenant, and nowhere near one per round and tenant from each of 200 callers.
    assert!((50 * 5..50 * ROUNDS * 2).contains(&issued), "{issued}");
}

const ROUNDS: usize = 20;
const LEASES: usize = 50 * 200 * ROUNDS * LEASES_AT_A_TIME;
const LEASES_AT_A_TIME: usize = 5;
const _: () = assert!(LEASES == 1_000_000);

async fn take_leases(session: &keyway::Session, tenant: &str) {
    let mut known = None;
    for _ in 0..LEASES_AT_A_TIME {
        let lease = session.lease().await.unwrap();
        assert_eq!(lease.headers()["x-tenant"], tenant);
        let token = lease.token().unwrap().expose();
        assert_eq!(lease.headers()["authorization"].to_str().unwrap().strip_prefix("Bearer "), Some(token));
        // Reading a token's claims is what takes the time here: a token that was read need not be read again.
        if known.as_deref() != Some(token) {
            assert_eq!(tenant_of(token), tenant);
            known = Some(token.to_owned());
        }
        tokio::task::yield_now().await;
    }
}

/// The same numbers in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// The claim `TENANT` of a token.
fn tenant_of(token: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("a JWT")).unwrap();
    serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["TENANT"].as_str().unwrap().to_owned()
}
