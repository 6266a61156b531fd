//! So many leases and their headers, as somebody would write it.

use keyway::{
    Error, Session,
    custom::{Attempt, Capabilities, Client, Issued, Issuer},
};
use std::{env, hint::black_box, time::Duration};

struct Acme;

impl Issuer for Acme {
    fn describe(&self) -> Capabilities {
        Capabilities::new("acme", ".password(..)")
    }

    async fn sign_in(&self, _: &Attempt) -> Result<Issued, Error> {
        Ok(Issued::new("t".repeat(40)).lives_for(Duration::from_secs(3600)))
    }
}

async fn header(session: &Session) -> Result<(), Error> {
    let lease = session.lease().await?;
    black_box(lease.header().clone());
    Ok(())
}

fn main() -> Result<(), Error> {
    let times: u64 = env::args().nth(1).and_then(|times| times.parse().ok()).unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::declined(error.to_string()))?;
    runtime.block_on(async {
        let client = Client::builder("https://acme.example").issuer(Acme).build()?;
        for _ in 0..times {
            header(client.session()).await?;
        }
        Ok(())
    })
}
