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

mod account;
mod person;

use account::Account;
use keyway::{Error, SignOut, testing::FakeVms, vms};
use person::{Person, while_turning};
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Without an account: captchas are on, and all five sessions are taken.
    let fake = Arc::new(FakeVms::builder().captcha(true).session_limit(5).other_sessions(5).start().await);
    let account = Account::of("VMS", fake.uri());
    let person = match account.is_fake() {
        true => Person::or(move || fake.captcha_answer()),
        false => Person::default(),
    };
    let login = account.get("LOGIN", FakeVms::LOGIN);
    let vms = vms::Client::builder(account.url())
        .password(&login, account.get("PASSWORD", FakeVms::PASSWORD))
        .responder(person)
        .build()?;

    match vms.session().sign_in().await {
        Ok(_) => println!("\nSigned in as {login}."),
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
