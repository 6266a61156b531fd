//! Signs in to a VMS the way a person does: the captcha is shown in the terminal, and if all sessions are taken a table asks
//! which one shall end.
//!
//! ```sh
//! cargo run --example vms_captcha
//! ```
//!
//! Without an account it talks to a fake in this process, which draws real captchas. With `KEYWAY_VMS_URL`,
//! `KEYWAY_VMS_LOGIN` and `KEYWAY_VMS_PASSWORD` it talks to a real VMS.
#![allow(clippy::print_stdout, reason = "it is there to be read")]

mod person;

use keyway::{Error, SignOut, testing::FakeVms, vms};
use person::{Person, while_turning};
use std::env;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Without an account: captchas are on, and all five sessions are taken.
    let fake = FakeVms::builder().captcha(true).session_limit(5).other_sessions(5).start().await;
    let [url, login, password] = match ["URL", "LOGIN", "PASSWORD"].map(|name| env::var(format!("KEYWAY_VMS_{name}"))) {
        [Ok(url), Ok(login), Ok(password)] => [url, login, password],
        _ => [fake.uri(), FakeVms::LOGIN.to_owned(), FakeVms::PASSWORD.to_owned()],
    };

    let vms = vms::Client::builder(&url).password(&login, password).responder(Person).build()?;

    match vms.session().sign_in().await {
        Ok(lease) => println!("\nSigned in as {login}: {lease:?}"),
        Err(error) => {
            println!("\nNot signed in: {error}");
            return Ok(());
        }
    }
    let sessions = vms.api().list_sessions().send().await?;
    println!("The account has {} sessions.", sessions.len());
    let cameras = while_turning("Asking for the cameras", vms.http().get("/api/v1/cameras").send()).await?;
    println!("GET /api/v1/cameras answered {}.", cameras.status());
    println!("\nWhat the session did:\n{}", vms.session().report());
    match vms.session().sign_out().await? {
        SignOut::Revoked => println!("\nSigned out."),
        SignOut::LocalOnly => println!("\nSigned out here; the vendor could not be told."),
    }
    Ok(())
}
