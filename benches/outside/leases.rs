//! So many leases and their headers, as somebody would write it.

use keyway::{
    Error, Session,
    custom::{Attempt, Capabilities, Client, Issued, Issuer},
};
use std::{hint::black_box, time::Duration};

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

pub(crate) async fn run(times: u64) {
    let client = Client::builder("https://acme.example").issuer(Acme).build().expect("a client");
    for _ in 0..times {
        header(client.session()).await.expect("a lease");
    }
}
