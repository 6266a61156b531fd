//! The limit of sessions: whose session ends, and who says so.

use super::*;

#[apply(leak_checked!)]
async fn a_419_with_sessions_is_the_session_limit() {
    let (fake, clock) = start(|b| b.session_limit(3).other_sessions(3)).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::SessionLimitReached, Some(419)));
    assert!(error.detail::<vms::types::SessionLimit>().is_some());
    let limit = error.session_limit().unwrap();
    assert_eq!((limit.sessions.len(), limit.limit, limit.count, limit.captcha_valid_for), (3, Some(3), Some(3), None));

    let stranger = error.resume().unwrap().answer(Answer::Session("stranger".into())).await.unwrap_err();
    assert_eq!(stranger.kind(), ErrorKind::Config);
    assert_eq!(fake.count("get_token"), 1);
    let chosen = limit.sessions[1].id.clone();
    error.resume().unwrap().answer(Answer::Session(chosen.clone())).await.unwrap();
    assert!(fake.sessions().iter().all(|session| session.id != chosen.as_str()));
    assert_eq!((fake.count("get_token"), fake.sessions().len()), (2, 3));
}

#[apply(leak_checked!)]
async fn the_first_answer_wins_and_a_second_one_joins() {
    let (fake, clock) = start(|b| b.session_limit(2).other_sessions(2)).await;
    let client = vms_client(&fake, &clock).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    let ids: Vec<_> = error.session_limit().unwrap().sessions.iter().map(|session| session.id.clone()).collect();
    let answers = ids.into_iter().map(|id| {
        let resume = error.resume().unwrap();
        tokio::spawn(async move { resume.answer(Answer::Session(id)).await })
    });
    for answer in answers.collect::<Vec<_>>() {
        answer.await.unwrap().unwrap();
    }
    assert_eq!((fake.count("get_token"), fake.sessions().len()), (2, 2));
}

#[apply(leak_checked!)]
async fn a_policy_ends_one_session_and_the_captcha_is_used_again_inside_its_lease() {
    let (fake, clock) = start(|b| b.captcha(true).session_limit(4).other_sessions(4)).await;
    let person = reads(&fake);
    let captchas = person.captchas.clone();
    let builder = vms_client(&fake, &clock).responder(person).session_limit(EvictionPolicy::OldestOffline);
    let client = builder.build().unwrap();
    client.session().lease().await.unwrap();
    assert_eq!((captchas.load(Ordering::SeqCst), fake.count("get_captcha"), fake.count("get_token")), (1, 1, 2));
    assert_eq!(fake.sessions().len(), 4);
}

#[apply(leak_checked!)]
async fn after_the_captchas_lease_a_new_one_is_asked_for() {
    let (fake, clock) = start(|b| b.captcha(true).session_limit(1).other_sessions(1)).await;
    let client = vms_client(&fake, &clock).responder(reads(&fake)).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    // Asked which session may end, this person has no opinion.
    assert_eq!(error.kind(), ErrorKind::Declined);
    let limit = error.session_limit().unwrap();
    assert_eq!(limit.captcha_valid_for, Some(Duration::from_secs(120)));
    clock.advance(Duration::from_secs(121));
    let id = limit.sessions[0].id.clone();
    error.resume().unwrap().answer(Answer::Session(id)).await.unwrap();
    assert_eq!((fake.count("get_captcha"), fake.count("get_token")), (2, 2));
}

#[apply(leak_checked!)]
async fn a_limit_that_stays_exceeded_ends_in_an_error_and_not_in_a_loop() {
    let (fake, clock) = start(|b| b).await;
    let sessions = json!({ "sessions": [{ "id": "s1", "is_current": false, "online": false }], "sessions_limit": 1 });
    fake.always("get_token", Fault::Json(419, sessions));
    let client = vms_client(&fake, &clock).session_limit(EvictionPolicy::Oldest).build().unwrap();
    let error = client.session().lease().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SessionLimitReached);
    assert_eq!(fake.count("get_token"), 2);
}

#[apply(leak_checked!)]
async fn each_policy_ends_the_session_it_names_or_none() {
    // As they are listed: in use, out of use for long, out of use for longer.
    type Choice = fn() -> EvictionPolicy;
    let listed = |online: [bool; 3]| {
        let sessions = ["busy", "recent", "old"].into_iter().zip(online).zip([9, 5, 1]);
        let sessions = sessions
            .map(|((id, online), last)| json!({ "id": id, "is_current": false, "online": online, "last": last }));
        Fault::Json(419, json!({ "sessions": sessions.collect::<Vec<_>>(), "sessions_limit": 3, "sessions_count": 3 }))
    };
    let mixed = [true, false, false];
    for (policy, online, ends) in [
        ((|| EvictionPolicy::Never) as Choice, mixed, false),
        (|| EvictionPolicy::OldestOffline, mixed, true),
        (|| EvictionPolicy::OldestOffline, [true; 3], false),
        (|| EvictionPolicy::Oldest, [true; 3], true),
        (|| EvictionPolicy::choose(|limit| Some(limit.sessions[1].id.clone())), mixed, true),
        (|| EvictionPolicy::choose(|_| None), mixed, false),
        (|| EvictionPolicy::choose(|_| Some("stranger".into())), mixed, false),
        (|| EvictionPolicy::choose_async(async |limit| Some(limit.sessions[1].id.clone())), mixed, true),
        (|| EvictionPolicy::choose_async(async |_| None), mixed, false),
        (|| EvictionPolicy::choose_async(async |_| Some("stranger".into())), mixed, false),
    ] {
        let (fake, clock) = start(|b| b).await;
        let (policy, about) = (policy(), format!("{:?}", policy()));
        fake.next("get_token", listed(online));
        let client = vms_client(&fake, &clock).session_limit(policy).build().unwrap();
        match client.session().lease().await {
            // The fake knows none of these sessions, so the choice is answered with 422, and there is room without it.
            Ok(_) => assert!(ends && fake.count("get_token") == 3, "{about}"),
            Err(error) => {
                assert!(
                    !ends && error.kind() == ErrorKind::SessionLimitReached && error.resume().is_some(),
                    "{about}: {error}"
                );
                assert_eq!((error.session_limit().unwrap().sessions.len(), fake.count("get_token")), (3, 1), "{about}");
                assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SessionLimitReached);
                assert_eq!(fake.count("get_token"), 1, "{about}");
            }
        }
    }
}

#[apply(leak_checked!)]
async fn which_session_a_policy_ends_is_seen_at_the_vendor() {
    for (policy, ended) in [(EvictionPolicy::OldestOffline, 1), (EvictionPolicy::Oldest, 0)] {
        let (fake, clock) = start(|b| b.session_limit(3)).await;
        // Three others, begun one after the other; the first is in use all the time.
        let others: Vec<_> = (0..3).map(|_| vms_client(&fake, &clock).build().unwrap()).collect();
        for other in &others {
            other.session().lease().await.unwrap();
            clock.advance(4 * MINUTE);
        }
        let before: Vec<_> = fake.sessions().into_iter().map(|session| session.id).collect();
        let first_is_in_use = ended == 1;
        if first_is_in_use {
            assert_eq!(cameras(&others[0]).await.unwrap(), 200);
        }
        let client = vms_client(&fake, &clock).session_limit(policy).build().unwrap();
        client.session().lease().await.unwrap();
        let after: Vec<_> = fake.sessions().into_iter().map(|session| session.id).collect();
        let gone: Vec<_> = (0..3).filter(|at| !after.contains(&before[*at])).collect();
        assert_eq!((gone, fake.count("get_token")), (vec![ended], 5));
    }
}

#[apply(leak_checked!)]
async fn a_chosen_session_that_has_vanished_ends_nobody_elses() {
    for place_is_free in [true, false] {
        let (fake, clock) = start(|b| b.session_limit(2).other_sessions(2)).await;
        let client = vms_client(&fake, &clock).build().unwrap();
        let question = client.session().lease().await.unwrap_err();
        let chosen = question.session_limit().unwrap().sessions[0].id.clone();
        assert!(fake.end_session(chosen.as_str()));
        if !place_is_free {
            vms_client(&fake, &clock).build().unwrap().session().lease().await.unwrap();
        }
        let there: Vec<_> = fake.sessions().into_iter().map(|session| session.id).collect();
        let outcome = question.resume().unwrap().answer(Answer::Session(chosen)).await;
        let left: Vec<_> = fake.sessions().into_iter().map(|session| session.id).collect();
        assert!(there.iter().all(|id| left.contains(id)), "{place_is_free}");
        match outcome {
            // With the choice, which the vendor does not know any more, and without it.
            Ok(_) => assert!(place_is_free && fake.count("get_token") == 3),
            Err(error) => {
                // One session at most is ended per sign-in: who asks again may choose again.
                assert!(!place_is_free && error.kind() == ErrorKind::SessionLimitReached, "{error}");
                assert_eq!((error.session_limit().unwrap().sessions.len(), fake.count("get_token")), (2, 4));
                let next = error.session_limit().unwrap().sessions[0].id.clone();
                error.resume().unwrap().answer(Answer::Session(next)).await.unwrap();
                assert_eq!(fake.count("get_token"), 5);
            }
        }
    }
}

#[apply(leak_checked!)]
async fn a_429_with_sessions_is_the_session_limit_and_without_a_throttle() {
    let (fake, clock) = start(|b| b).await;
    let sessions = json!({ "sessions": [{ "id": "s1", "is_current": false, "online": true }] });
    fake.next("get_token", Fault::Json(429, sessions));
    let client = vms_client(&fake, &clock).build().unwrap();
    assert_eq!(client.session().lease().await.unwrap_err().kind(), ErrorKind::SessionLimitReached);

    let client = vms_client(&fake, &clock).build().unwrap();
    fake.next("get_token", Fault::TooManyRequests { retry_after: Some("7".into()) });
    let error = client.session().lease().await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::Throttled, Some(Duration::from_secs(7))));
    assert!(client.session().lease().await.unwrap_err().is_local());
    assert_eq!(fake.count("get_token"), 2);
    clock.advance(Duration::from_secs(7));
    client.session().lease().await.unwrap();
}
