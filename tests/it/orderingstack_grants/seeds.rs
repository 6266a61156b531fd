//! Sessions that begin with a refresh token from elsewhere.

use super::*;

#[apply(leak_checked!)]
async fn a_session_is_begun_with_a_refresh_token_and_goes_on_with_its_successors() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).refresh_token(fake.new_refresh_token()).build().unwrap();
    for counter in 1..4 {
        client.api().get_self().send().await.unwrap();
        assert_eq!(client.session().lease().await.unwrap().generation().counter(), counter);
        clock.advance(2 * HOUR);
    }
    assert_eq!((counts(&fake), fake.reuses()), (Asked { codes: 0, tokens: 3 }, 0));
}

#[apply(leak_checked!)]
async fn a_refresh_token_that_is_not_replaced_stays_good() {
    let (fake, clock) = start(|b| b.keeps_refresh_token(true)).await;
    let client = builder(&fake, &clock).refresh_token(fake.new_refresh_token()).build().unwrap();
    for _ in 0..3 {
        client.session().lease().await.unwrap();
        clock.advance(2 * HOUR);
    }
    assert_eq!((counts(&fake), fake.reuses()), (Asked { codes: 0, tokens: 3 }, 0));
}

#[apply(leak_checked!)]
async fn after_a_restart_the_store_beats_the_same_seed_and_a_new_seed_beats_the_store() {
    let (fake, clock) = start(|b| b).await;
    let home = tempfile::tempdir().unwrap();
    let client = |seed: &str| {
        let client = builder(&fake, &clock).refresh_token(seed).profile("till-7").store(FileStore::at(home.path()));
        client.build().unwrap()
    };
    let seed = fake.new_refresh_token();
    let first = client(&seed).session().lease().await.unwrap().generation();
    // Adopted while it lives, renewed by the successor when it does not: the seed is sent once in its life.
    assert_eq!(client(&seed).session().lease().await.unwrap().generation(), first);
    clock.advance(2 * HOUR);
    let renewed = client(&seed).session().lease().await.unwrap().generation();
    assert_eq!((renewed.counter(), counts(&fake), fake.reuses()), (2, Asked { codes: 0, tokens: 2 }, 0));

    let another = client(&fake.new_refresh_token()).session().lease().await.unwrap().generation();
    assert_eq!((another.counter(), counts(&fake), fake.reuses()), (1, Asked { codes: 0, tokens: 3 }, 0));
    assert_ne!(another.to_string().split('.').next(), renewed.to_string().split('.').next());
    // The first seed is not the store's any more, and whoever comes with it again is told by the vendor.
    assert_eq!(client(&seed).session().lease().await.unwrap_err().kind(), ErrorKind::InvalidCredentials);
    assert_eq!(counts(&fake), Asked { codes: 0, tokens: 4 });
}

#[apply(leak_checked!)]
async fn a_seed_that_is_spent_is_never_sent_again() {
    let (fake, clock) = start(|b| b).await;
    let store = MemoryStore::new();
    let seed = fake.new_refresh_token();
    let client =
        || builder(&fake, &clock).refresh_token(&*seed).profile("till-7").store(store.clone()).build().unwrap();
    let one = client();
    one.session().lease().await.unwrap();
    fake.revoke_refresh_tokens();
    clock.advance(2 * HOUR);
    let two = client();
    for session in [one.session(), two.session(), one.session(), client().session()] {
        assert_eq!(session.lease().await.unwrap_err().kind(), ErrorKind::SignInRequired);
        assert_eq!(session.sign_in().await.unwrap_err().kind(), ErrorKind::SignInRequired);
        clock.advance(HOUR);
    }
    // The seed once; its successor by each of the three clients, who know nothing of each other's refusals.
    assert_eq!((counts(&fake), fake.reuses()), (Asked { codes: 0, tokens: 4 }, 0));
    let error = one.session().sign_in().await.unwrap_err();
    assert!(error.is_local() && error.to_string().contains(".refresh_token(..)"), "{error}");
}

#[apply(leak_checked!)]
async fn a_refused_seed_is_sent_once() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).refresh_token("long dead").build().unwrap();
    for _ in 0..3 {
        let error = client.session().lease().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("invalid_grant")));
        assert!(error.to_string().contains(".refresh_token(..)"), "{error}");
        clock.advance(HOUR);
    }
    assert_eq!(counts(&fake), Asked { codes: 0, tokens: 1 });
}

#[apply(leak_checked!)]
async fn an_outage_spends_no_seed_and_an_explicit_sign_in_loses_no_session() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).refresh_token(fake.new_refresh_token()).build().unwrap();
    fake.next("issue_token", Fault::Html(503));
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::Outage);
    clock.advance(SECOND);
    client.session().lease().await.unwrap();
    clock.advance(2 * HOUR);
    fake.next_times("issue_token", 2, Fault::Html(503));
    for _ in 0..2 {
        assert_eq!(client.session().sign_in().await.unwrap_err().kind(), ErrorKind::Outage);
    }
    client.session().sign_in().await.unwrap();
    assert_eq!((counts(&fake), fake.reuses()), (Asked { codes: 0, tokens: 5 }, 0));
    assert_eq!(client.session().lease().await.unwrap().generation().counter(), 2);
}

#[apply(leak_checked!)]
async fn a_torn_answer_to_the_seed_leaves_it_to_the_next_call_to_find_out() {
    let (fake, clock) = start(|b| b.rotating(false)).await;
    let client = builder(&fake, &clock).refresh_token(fake.new_refresh_token()).build().unwrap();
    fake.next("issue_token", Fault::CutAfter);
    let error = client.session().lease().await.unwrap_err();
    assert!(error.is_temporary(), "{error}");
    assert_eq!(counts(&fake), Asked { codes: 0, tokens: 1 });
    clock.advance(SECOND);
    client.session().lease().await.unwrap();
    assert_eq!(counts(&fake), Asked { codes: 0, tokens: 2 });
}

#[apply(leak_checked!)]
async fn a_signed_out_seed_begins_no_other_session() {
    let (fake, clock) = start(|b| b).await;
    let client = builder(&fake, &clock).refresh_token(fake.new_refresh_token()).build().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!(client.session().sign_out().await.unwrap(), SignOut::LocalOnly);
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SignedOut);
    assert_eq!(client.session().sign_in().await.unwrap_err().kind(), ErrorKind::SignInRequired);
    assert_eq!(counts(&fake), Asked { codes: 0, tokens: 1 });
}

/// A store that is there only while it is told to be.
#[derive(Clone, Default)]
struct Flaky {
    memory: MemoryStore,
    down: Arc<AtomicBool>,
}

impl Flaky {
    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) { Err(StoreError::new("down")) } else { Ok(()) }
    }
}

impl Store for Flaky {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.check()?;
        self.memory.load(key).await
    }

    async fn compare_and_swap(&self, key: &Key, old: Option<Generation>, new: Record) -> Result<bool, StoreError> {
        self.check()?;
        self.memory.compare_and_swap(key, old, new).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.memory.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.check()?;
        self.memory.lock(key, wait).await
    }
}

#[apply(leak_checked!)]
async fn without_its_store_a_seed_is_not_sent_because_it_may_be_spent() {
    let (fake, clock) = start(|b| b).await;
    let (store, seed) = (Flaky::default(), fake.new_refresh_token());
    let client = || {
        let client = builder(&fake, &clock).refresh_token(&*seed).profile("till-7").store(store.clone());
        client.build().unwrap().session().clone()
    };
    let first: Session = client();
    first.lease().await.unwrap();
    store.down.store(true, Ordering::SeqCst);
    let restarted = client();
    let error = restarted.lease().await.unwrap_err();
    assert_eq!((error.kind(), counts(&fake)), (ErrorKind::Store, Asked { codes: 0, tokens: 1 }));
    // Whoever holds a token goes on with it.
    first.lease().await.unwrap();
    store.down.store(false, Ordering::SeqCst);
    clock.advance(SECOND);
    assert_eq!(restarted.lease().await.unwrap().generation(), first.lease().await.unwrap().generation());
    assert_eq!((counts(&fake), fake.reuses()), (Asked { codes: 0, tokens: 1 }, 0));
}
