//! Asks one address, with a token that is there already: `with-reqwest URL TOKEN`.

use std::env::args;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [url, token] = [1, 2].map(|n| args().nth(n).unwrap_or_default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer: serde_json::Value = runtime.block_on(async {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        client.get(url).bearer_auth(token).send().await?.error_for_status()?.json().await
    })?;
    println!("{answer}");
    Ok(())
}
