//! Typed calls of Directus' own document under Keyway's session: `directus ROOT EMAIL PASSWORD TASKS SECONDS`.
//!
//! Folders are made, read and removed; then so many tasks call at once while tokens end every few seconds. It ends with an error
//! if a call fails, or if the session counts for anything after the sign-out.

mod issuer;

keyway::include_document!(directus);

use directus::types::CreateFolderBody;
use issuer::{CODE, Directus};
use keyway::{ErrorKind, SignOut, custom};
use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [root, email, password, tasks, seconds] = &words[..] else {
        return Err("directus ROOT EMAIL PASSWORD TASKS SECONDS".into());
    };
    let session = session(root, email, password)?;
    let client = directus::Client::new(&session);
    typed(&client, email).await?;
    refused(root, email).await?;
    soak(&client, tasks.parse()?, Duration::from_secs(seconds.parse()?)).await?;

    assert_eq!(client.session().sign_out().await?, SignOut::Revoked);
    let after = client.api().get_me().send().await.expect_err("it was signed out");
    assert_eq!(after.kind(), ErrorKind::SignedOut);
    println!("  signed out");
    Ok(())
}

fn session(root: &str, email: &str, password: &str) -> Result<custom::Client, keyway::Error> {
    let (login, secret) = (email.to_owned(), keyway::Secret::from(password));
    let issuer = move |sender| Directus { email: login.clone(), password: secret.clone(), sender };
    custom::Client::builder(root).issuer_with(issuer).principal(email).code_at(CODE).build()
}

async fn typed(client: &directus::Client, email: &str) -> Result<(), Box<dyn Error>> {
    let api = client.api();
    let me = api.get_me().send().await?.into_inner().data.ok_or("nobody is signed in")?;
    assert_eq!(me.email.as_deref(), Some(email));
    let body = CreateFolderBody::builder().name("Keyway");
    let made = api.create_folder().body(body).send().await?.into_inner().data.ok_or("no folder")?;
    let id = made.id.ok_or("a folder without an id")?;
    let folders = api.get_folders().limit(100).send().await?.into_inner().data;
    assert!(folders.iter().any(|folder| folder.id.as_deref() == Some(id.as_str())), "the new folder is not listed");
    api.delete_folder().id(&id).send().await?;
    let gone = api.get_folder().id(&id).send().await.expect_err("it was removed");
    assert_eq!(gone.code(), Some("FORBIDDEN"), "{gone}");
    println!("  typed: who am I, a folder made, listed, removed; then {gone}");
    Ok(())
}

/// A wrong password is presented once, whoever asks.
async fn refused(root: &str, email: &str) -> Result<(), Box<dyn Error>> {
    let client = directus::Client::new(&session(root, email, "not the password")?);
    for _ in 0..3 {
        let error = client.api().get_me().send().await.expect_err("the password is wrong");
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidCredentials, Some("INVALID_CREDENTIALS")));
    }
    Ok(())
}

async fn soak(client: &directus::Client, tasks: usize, time: Duration) -> Result<(), Box<dyn Error>> {
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

async fn calls(client: directus::Client, end: Instant) -> (usize, Vec<String>) {
    let (mut good, mut failures) = (0, Vec::new());
    while Instant::now() < end {
        match client.api().get_me().send().await {
            Ok(_) => good += 1,
            Err(error) => failures.push(error.to_string()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (good, failures)
}
