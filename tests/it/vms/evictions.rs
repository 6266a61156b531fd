//! Two programs at one account must not end each other's sessions for ever.

use super::*;

/// A platform for one session at a time, which somebody else has.
async fn contested() -> (Arc<FakeVms>, ManualClock) {
    start(|b| b.session_limit(1).other_sessions(1)).await
}

/// Somebody else takes the only session back.
fn lose_to_another(fake: &FakeVms) {
    fake.revoke_all();
}

#[apply(leak_checked!)]
async fn a_session_lost_soon_after_it_took_anothers_place_is_not_taken_back() {
    let (fake, clock) = contested().await;
    let client = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    assert_eq!((cameras(&client).await.unwrap(), fake.count("get_token")), (200, 2));
    clock.advance(10 * MINUTE - Duration::from_secs(1));
    lose_to_another(&fake);
    for second in 0..600 {
        let error = cameras(&client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SessionLimitReached, "{error}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(600 - second)));
        clock.advance(Duration::from_secs(1));
    }
    // One call met the 401; nothing else was sent for ten minutes.
    assert_eq!((fake.count("get_token"), fake.count("list_cameras")), (2, 2));
    assert_eq!((cameras(&client).await.unwrap(), fake.count("get_token")), (200, 3));
}

#[apply(leak_checked!)]
async fn after_the_peace_a_sign_in_ends_no_session_until_somebody_asks_for_it() {
    let (fake, clock) = contested().await;
    let rival = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    let client = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    assert_eq!((cameras(&client).await.unwrap(), cameras(&rival).await.unwrap()), (200, 200));
    assert_eq!(cameras(&client).await.unwrap_err().kind(), ErrorKind::SessionLimitReached);
    assert_eq!(fake.count("get_token"), 4);
    clock.advance(10 * MINUTE);
    for _ in 0..5 {
        let error = cameras(&client).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::SessionLimitReached, Some(419)), "{error}");
        assert!(error.session_limit().is_some() && error.resume().is_some());
    }
    assert_eq!((cameras(&rival).await.unwrap(), fake.count("get_token")), (200, 5));
    client.session().sign_in().await.unwrap();
    assert_eq!((cameras(&client).await.unwrap(), fake.count("get_token")), (200, 7));
    // The rival's session took a place more than ten minutes ago, so that it is simply made anew, by its policy.
    assert_eq!((cameras(&rival).await.unwrap(), fake.count("get_token")), (200, 9));
}

#[apply(leak_checked!)]
async fn a_session_lost_later_than_that_is_made_anew() {
    let (fake, clock) = contested().await;
    let client = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    for round in 0..5 {
        assert_eq!((cameras(&client).await.unwrap(), fake.count("get_token")), (200, 2 + round));
        clock.advance(10 * MINUTE);
        lose_to_another(&fake);
    }
}

#[apply(leak_checked!)]
async fn one_that_took_nobodys_place_is_made_anew_however_soon_it_is_lost() {
    let (fake, clock) = start(|b| b).await;
    let client = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    for round in 1..=3 {
        assert_eq!((cameras(&client).await.unwrap(), fake.count("get_token")), (200, round));
        clock.advance(MINUTE);
        fake.revoke_all();
    }
}

#[apply(leak_checked!)]
async fn who_adopts_such_a_session_from_a_store_keeps_the_peace_too() {
    let (fake, clock) = contested().await;
    let store = crate::laws::Written::default();
    let client =
        || vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).store(store.clone()).build().unwrap();
    assert_eq!((cameras(&client()).await.unwrap(), fake.count("get_token")), (200, 2));
    clock.advance(5 * MINUTE);
    let heir = client();
    assert_eq!((cameras(&heir).await.unwrap(), fake.count("get_token")), (200, 2));
    clock.advance(4 * MINUTE);
    lose_to_another(&fake);
    assert_eq!(cameras(&heir).await.unwrap_err().kind(), ErrorKind::SessionLimitReached);
    clock.advance(9 * MINUTE);
    assert_eq!(cameras(&heir).await.unwrap_err().kind(), ErrorKind::SessionLimitReached);
    assert_eq!(fake.count("get_token"), 2);
    clock.advance(MINUTE);
    assert_eq!((cameras(&heir).await.unwrap(), fake.count("get_token")), (200, 3));
}

#[apply(leak_checked!)]
async fn two_fleets_at_one_account_do_not_end_each_others_sessions_for_ever() {
    let (fake, clock) = start(|b| b.session_limit(1)).await;
    let fleet = || vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    let (one, two) = (fleet(), fleet());
    let mut served = [0, 0];
    for _ in 0..120 {
        for (fleet, served) in [&one, &two].into_iter().zip(&mut served) {
            match cameras(fleet).await {
                Ok(status) => *served += usize::from(status == 200),
                Err(error) => assert_eq!(error.kind(), ErrorKind::SessionLimitReached, "{error}"),
            }
        }
        clock.advance(MINUTE);
    }
    // The first signs in (1); the second ends its session (2), loses its own to it (2), leaves it alone for ten minutes, and
    // from then on looks every five minutes whether there is room: minute 11, 16 … 116.
    assert_eq!((served, fake.count("get_token")), ([120, 1], 5 + 22));
}
