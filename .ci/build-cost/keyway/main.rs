//! Signs in to any of the vendors and asks one address: `with-keyway VENDOR URL LOGIN PASSWORD PATH`.

use keyway::{Error, Http, orderingstack, shopmonkey, vitamojo, vms, vtex};
use std::env::args;

fn signed_in(vendor: &str, url: String, login: String, password: String) -> Result<Http, Error> {
    Ok(match vendor {
        "vitamojo" => vitamojo::Client::builder(url).password(login, password).build()?.http(),
        "orderingstack" => orderingstack::Client::builder(url).client(login, password).client_credentials().build()?.http(),
        "shopmonkey" => shopmonkey::Client::builder(url).password(login, password).build()?.http(),
        "vms" => vms::Client::builder(url).password(login, password).build()?.http(),
        _ => vtex::Client::builder(url).app_key(login, password).build()?.http(),
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [vendor, url, login, password, path] = [1, 2, 3, 4, 5].map(|n| args().nth(n).unwrap_or_default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer: serde_json::Value = runtime.block_on(async {
        signed_in(&vendor, url, login, password)?.get(&path).send().await?.error_for_status()?.json().await.map_err(Box::<dyn std::error::Error>::from)
    })?;
    println!("{answer}");
    Ok(())
}
