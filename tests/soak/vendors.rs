//! The vendors of the day, and two clients for each of two users of each.

use crate::{HOUR, day::Actor};
use keyway::{
    AccessKey, EvictionPolicy, MemoryStore, Responder, Secret, Timeouts, orderingstack, shopmonkey,
    testing::{Fake, FakeOrderingStack, FakeShopmonkey, FakeVitaMojo, FakeVms, FakeVtex, Fault, ManualClock, Seen},
    vitamojo, vms, vtex,
};
use std::{mem::discriminant, ops::Deref, sync::Arc};

const OTHER: &str = "c@d.example";
const SECOND: &str = "the second one of all passwords";
const OTHER_KEY: &str = "vtexappkey-soak-SECOND";

/// What is no operation these fakes answer with whose session it is.
const ANY: (&str, &str) = ("/some/things", "/user");

/// A vendor with two users and all that can be done to it.
pub(crate) struct Vendor {
    fake: Arc<dyn Deref<Target = Fake> + Send + Sync>,
    /// What makes a token and spends none.
    pub(crate) plain: &'static [&'static str],
    /// What may spend a refresh token.
    pub(crate) rotating: &'static [&'static str],
    pub(crate) revoke: Box<dyn Fn(u64) + Send + Sync>,
    pub(crate) reuses: Box<dyn Fn() -> usize + Send + Sync>,
}

/// Loses an answer after the vendor has done what was asked.
pub(crate) const LOSING: [Fault; 3] = [Fault::CutAfter, Fault::CutHalfway, Fault::TruncatedJson];

impl Vendor {
    fn new<F: Deref<Target = Fake> + Send + Sync + 'static>(
        fake: &Arc<F>,
        plain: &'static [&'static str],
        rotating: &'static [&'static str],
        revoke: impl Fn(&F, u64) + Send + Sync + 'static,
        reuses: impl Fn(&F) -> usize + Send + Sync + 'static,
    ) -> Self {
        fake.serve(ANY.0);
        let (revoked, counted) = (fake.clone(), fake.clone());
        Self {
            fake: fake.clone(),
            plain,
            rotating,
            revoke: Box::new(move |which| revoke(&revoked, which)),
            reuses: Box::new(move || reuses(&counted)),
        }
    }

    /// How many answers to renewals were lost.
    pub(crate) fn lost(&self) -> usize {
        let loses = |fault: &Fault| LOSING.iter().any(|losing| discriminant(losing) == discriminant(fault));
        let lost = |seen: &Seen| self.rotating.contains(&&*seen.operation) && seen.fault.as_ref().is_some_and(loses);
        self.fake().saw().iter().filter(|seen| lost(seen)).count()
    }

    pub(crate) fn fake(&self) -> &Fake {
        self.fake.deref().deref()
    }

    pub(crate) fn heal(&self) {
        self.plain.iter().chain(self.rotating).chain(&["other"]).for_each(|operation| self.fake().heal(operation));
    }
}

struct Mailbox(Arc<FakeVtex>, &'static str);

impl Responder for Mailbox {
    async fn access_key(&self, _: AccessKey) -> Option<Secret> {
        self.0.access_key_for(self.1).map(Secret::from)
    }
}

/// Everything clients share: one clock, and one store for all.
struct World<'c> {
    clock: &'c ManualClock,
    store: MemoryStore,
    actors: Vec<Actor>,
}

/// Two clients of one user. Their deadlines are such that no jump of the clock passes them while a request is under way.
macro_rules! clients {
    ($world:ident, $user:expr, $whoami:expr, renews: $renews:expr, $builder:expr) => {
        for _ in 0..2 {
            let timeouts = Timeouts::default().with_renewal(365 * 24 * HOUR).with_store_lock(24 * HOUR);
            let builder = $builder.clock($world.clock.clone()).store($world.store.clone()).timeouts(timeouts);
            let client = builder.build().unwrap();
            let (http, session) = (client.http(), client.session().clone());
            $world.actors.push(Actor { user: $user, http, session, whoami: $whoami, renews: $renews });
        }
    };
}

pub(crate) async fn everybody(clock: &ManualClock) -> (Vec<Vendor>, Vec<Actor>) {
    let mut world = World { clock, store: MemoryStore::new(), actors: Vec::new() };
    let vendors = vec![
        world.vitamojo().await,
        world.orderingstack().await,
        world.shopmonkey().await,
        world.vms().await,
        world.vtex().await,
        world.storefront().await,
    ];
    (vendors, world.actors)
}

impl World<'_> {
    async fn vitamojo(&mut self) -> Vendor {
        let builder = FakeVitaMojo::builder().clock(self.clock.clone()).rotating(true).user(OTHER, SECOND);
        let fake = Arc::new(builder.start().await);
        for (user, password) in [(FakeVitaMojo::EMAIL, FakeVitaMojo::PASSWORD), (OTHER, SECOND)] {
            let builder = || vitamojo::Client::builder(fake.uri()).password(user, password);
            clients!(self, user, ("/user/v1/auth/check", "/payload/user/email"), renews: true, builder());
        }
        let revoke = |fake: &FakeVitaMojo, which| match which {
            0 => fake.revoke_refresh_tokens(),
            _ => fake.revoke_access_tokens(),
        };
        Vendor::new(&fake, &["auth"], &["refresh_token"], revoke, FakeVitaMojo::reuses)
    }

    async fn orderingstack(&mut self) -> Vendor {
        let builder = FakeOrderingStack::builder().clock(self.clock.clone()).rotating(true).user(OTHER, SECOND);
        let fake = Arc::new(builder.start().await);
        for (user, password) in [(FakeOrderingStack::LOGIN, FakeOrderingStack::PASSWORD), (OTHER, SECOND)] {
            let builder = || {
                let builder = orderingstack::Client::builder(fake.uri()).tenant(FakeOrderingStack::TENANT);
                let builder = builder.client(FakeOrderingStack::CLIENT_ID, FakeOrderingStack::CLIENT_SECRET);
                builder.password(user, password)
            };
            clients!(self, user, ("/auth-api/api/me", "/login"), renews: true, builder());
        }
        let revoke = |fake: &FakeOrderingStack, which| match which {
            0 => fake.revoke_refresh_tokens(),
            _ => fake.revoke_access_tokens(),
        };
        Vendor::new(&fake, &[], &["issue_token"], revoke, FakeOrderingStack::reuses)
    }

    async fn shopmonkey(&mut self) -> Vendor {
        let builder = FakeShopmonkey::builder().clock(self.clock.clone()).jwt(true).token_life(HOUR);
        let fake = Arc::new(builder.user(OTHER, SECOND).start().await);
        for (user, password) in [(FakeShopmonkey::EMAIL, FakeShopmonkey::PASSWORD), (OTHER, SECOND)] {
            let builder = || shopmonkey::Client::builder(fake.uri()).password(user, password);
            clients!(self, user, ANY, renews: false, builder());
        }
        Vendor::new(&fake, &["login", "logout"], &[], |fake, _| fake.revoke_sessions(), |_| 0)
    }

    async fn vms(&mut self) -> Vendor {
        let fake = Arc::new(FakeVms::builder().clock(self.clock.clone()).user(OTHER, SECOND).start().await);
        for (user, password) in [(FakeVms::LOGIN, FakeVms::PASSWORD), (OTHER, SECOND)] {
            let builder = || {
                let builder = vms::Client::builder(fake.uri()).password(user, password);
                builder.session_limit(EvictionPolicy::Oldest)
            };
            clients!(self, user, ("/api/v1/users/self", "/login"), renews: false, builder());
        }
        Vendor::new(&fake, &["get_token", "get_basic_static", "logout"], &[], |fake, _| fake.revoke_all(), |_| 0)
    }

    async fn vtex(&mut self) -> Vendor {
        let fake = Arc::new(FakeVtex::builder().clock(self.clock.clone()).app_key(OTHER_KEY, SECOND).start().await);
        for (user, password) in [(FakeVtex::APP_KEY, FakeVtex::APP_TOKEN), (OTHER_KEY, SECOND)] {
            let builder = || vtex::Client::builder(fake.uri()).app_key(user, password);
            clients!(self, user, ANY, renews: true, builder());
        }
        Vendor::new(&fake, &["generate_authentication_token"], &[], |fake, _| fake.revoke_tokens(), |_| 0)
    }

    async fn storefront(&mut self) -> Vendor {
        let fake = Arc::new(FakeVtex::builder().clock(self.clock.clone()).user(OTHER, "Till").start().await);
        for user in [FakeVtex::EMAIL, OTHER] {
            let builder = || {
                let builder = vtex::Client::builder(fake.uri()).account(FakeVtex::ACCOUNT);
                builder.storefront(user).responder(Mailbox(fake.clone(), user))
            };
            clients!(self, user, ANY, renews: true, builder());
        }
        let revoke = |fake: &FakeVtex, which| match which {
            0 => fake.revoke_refresh_tokens(),
            _ => fake.revoke_tokens(),
        };
        let plain = &["start_authentication", "send_access_key", "validate_access_key"];
        Vendor::new(&fake, plain, &["refresh_storefront_token"], revoke, FakeVtex::reuses)
    }
}
