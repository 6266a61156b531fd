//! Typed calls of Matrix' own documents under Keyway's session: `matrix ROOT USER PASSWORD TASKS SECONDS`.
//!
//! A room is made and listed; then so many tasks call at once while tokens end every few seconds. It ends with an error if a call
//! fails, or if the session counts for anything after the sign-out.

mod issuer;

keyway::include_document!(create_room);
keyway::include_document!(list_joined_rooms);
keyway::include_document!(whoami);

use create_room::types::CreateRoomBody;
use issuer::{Matrix, judge};
use keyway::{ErrorKind, Secret, SignOut, custom};
use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [root, user, password, tasks, seconds] = &words[..] else {
        return Err("matrix ROOT USER PASSWORD TASKS SECONDS".into());
    };
    let session = session(root, user, password)?;
    let whoami = whoami::Client::new(&session);
    let device = typed(&session, user).await?;
    refused(root, user).await?;
    soak(&whoami, tasks.parse()?, Duration::from_secs(seconds.parse()?)).await?;
    let same = whoami.api().get_token_owner().send().await?.into_inner().device_id;
    assert_eq!(same, device, "renewals go on with one session");

    // A header that was lent before the sign-out is refused by the homeserver after it.
    let bearer = whoami.session().lease().await?.header().clone();
    assert_eq!(whoami.session().sign_out().await?, SignOut::Revoked);
    let after = whoami.api().get_token_owner().send().await.expect_err("it was signed out");
    assert_eq!(after.kind(), ErrorKind::SignedOut);
    let late = keyway::reqwest::Client::new().get(format!("{root}/_matrix/client/v3/account/whoami"));
    let late = late.header("authorization", bearer).send().await?;
    assert_eq!(late.status().as_u16(), 401, "the homeserver has ended the session");
    println!("  signed out: the token of before is answered with {}", late.status());
    Ok(())
}

fn session(root: &str, user: &str, password: &str) -> Result<custom::Client, keyway::Error> {
    let (login, secret) = (user.to_owned(), Secret::from(password));
    let issuer = move |sender| Matrix { user: login.clone(), password: secret.clone(), sender };
    custom::Client::builder(root).issuer_with(issuer).principal(user).code_at("/errcode").judge(judge).build()
}

/// Three documents, one session. The device that it is.
async fn typed(session: &custom::Client, user: &str) -> Result<Option<String>, Box<dyn Error>> {
    let me = whoami::Client::new(session).api().get_token_owner().send().await?.into_inner();
    assert_eq!(me.user_id.as_deref(), Some(format!("@{user}:localhost").as_str()));
    let body = CreateRoomBody::builder().name("Keyway".to_owned());
    let room = create_room::Client::new(session).api().create_room().body(body).send().await?.into_inner().room_id;
    let room = room.ok_or("a room without an id")?;
    let rooms = list_joined_rooms::Client::new(session).api().get_joined_rooms().send().await?.into_inner();
    assert!(rooms.joined_rooms.iter().any(|joined| joined.as_str() == room), "the new room is not listed");
    println!("  typed: who am I, a room made and listed");
    Ok(me.device_id)
}

/// A wrong password is presented once, whoever asks.
async fn refused(root: &str, user: &str) -> Result<(), Box<dyn Error>> {
    let client = whoami::Client::new(&session(root, user, "not the password")?);
    for _ in 0..3 {
        let error = client.api().get_token_owner().send().await.expect_err("the password is wrong");
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("M_FORBIDDEN")), "{error}");
    }
    Ok(())
}

async fn soak(client: &whoami::Client, tasks: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    let (before, end) = (client.session().lease().await?.generation().counter(), Instant::now() + time);
    let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(calls(client.clone(), end))).collect();
    let (mut good, mut failures) = (0, Vec::new());
    for task in tasks {
        let (calls, failed) = task.await?;
        good += calls;
        failures.extend(failed);
    }
    let renewals = client.session().lease().await?.generation().counter() - before;
    println!("  {} s: {good} calls, {} failures, {renewals} renewals", time.as_secs(), failures.len());
    assert!(renewals > 0, "no token ended");
    failures.first().map_or(Ok(()), |failure| Err(failure.clone().into()))
}

async fn calls(client: whoami::Client, end: Instant) -> (usize, Vec<String>) {
    let (mut good, mut failures) = (0, Vec::new());
    while Instant::now() < end {
        match client.api().get_token_owner().send().await {
            Ok(_) => good += 1,
            Err(error) => failures.push(error.to_string()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (good, failures)
}
