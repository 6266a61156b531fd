//! A build without a TLS feature says so where the client is built, not with an outage that never ends.

use keyway::{
    Error, ErrorKind, RedisStore, custom,
    custom::{Attempt, Capabilities, Issued, Issuer},
    orderingstack, shopmonkey, vitamojo, vms, vtex,
};

const TENANT: &str = "c36578d8-ffa6-4a5e-a808-400ee422028a";

/// An issuer that is never asked.
struct Nobody;

impl Issuer for Nobody {
    fn describe(&self) -> Capabilities {
        Capabilities::new("nobody", ".issuer(..)")
    }

    async fn sign_in(&self, _: &Attempt) -> Result<Issued, Error> {
        Err(Error::unexpected_status(500))
    }
}

/// How every surface is built at this address.
fn built(url: &str) -> Vec<Result<(), Error>> {
    let ordering = orderingstack::Client::builder(url).tenant(TENANT).client("till", "the-client-secret");
    let vita = vitamojo::Client::builder(url).tenant(TENANT).password("a@b.example", "the-password");
    vec![
        vita.build().map(drop),
        ordering.password("cashier", "the-password").build().map(drop),
        shopmonkey::Client::builder(url).api_key("the-api-key").build().map(drop),
        vms::Client::builder(url).password("operator", "the-password").build().map(drop),
        vtex::Client::builder(url).app_key("key", "the-app-token").build().map(drop),
        custom::Client::builder(url).issuer(Nobody).build().map(drop),
    ]
}

fn is_told(error: &Error) {
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Config, false), "{error}");
    assert!(error.to_string().contains("without TLS") && error.to_string().contains("`rustls`"), "{error}");
}

#[test]
fn an_https_address_is_refused_where_the_client_is_built() {
    for url in ["https://vendor.example", "HTTPS://vendor.example:8443/base"] {
        let refused = built(url).into_iter().map(|built| built.expect_err("nothing could be sent"));
        refused.for_each(|error| {
            is_told(&error);
            // The table of mistakes shows the line, and no other test can be in this build.
            assert!(include_str!("../../../docs/errors.md").contains(&format!("| {error} |")), "{error}");
        });
    }
    let at = vms::Client::builder("http://127.0.0.1:9").password("operator", "the-password");
    is_told(&at.also_origin("https://files.vendor.example").build().expect_err("its other origin needs TLS"));
    for built in built("http://127.0.0.1:9") {
        built.expect("plain http within this machine needs no TLS");
    }
}

/// With settings of the user's own the client is built, because those may bring another TLS; what fails then is told as it is.
#[tokio::test]
async fn a_call_that_needs_it_says_what_is_missing_and_is_not_tried_again() {
    let client = vms::Client::builder("https://127.0.0.1:9").password("operator", "the-password").http(|b| b);
    let client = client.build().expect("its settings may bring TLS");
    is_told(&client.session().lease().await.expect_err("there is none"));
    let plain =
        vms::Client::builder("http://127.0.0.1:9").password("operator", "the-password").build().expect("a client");
    is_told(&plain.http().get("https://elsewhere.example/a").send().await.expect_err("there is none"));
}

#[test]
fn redis_under_tls_is_refused_where_the_store_is_made() {
    let error = RedisStore::connect("rediss://keyway:the-password@redis.example/0").expect_err("there is no TLS");
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("TLS") && !format!("{error:?}").contains("the-password"), "{error}");
}
