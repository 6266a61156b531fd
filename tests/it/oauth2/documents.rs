//! Clients of vendors whose document says how one signs in.

use super::{fixture, follow, said};
use keyway::{
    __private::flow,
    Answer, Document, ErrorKind, FlowKind, SecurityFlow,
    oauth2::{Client, ClientBuilder},
    testing::FakeOAuth2,
};

/// A document, as generated code has it.
macro_rules! document {
    ($name:ident, $origin:expr, $flows:expr) => {
        struct $name;
        impl Document for $name {
            const TITLE: &'static str = "Acme";
            const ORIGIN: Option<&'static str> = $origin;
            const FLOWS: &'static [SecurityFlow] = $flows;
        }
    };
}

const SERVICE: FlowKind = FlowKind::ClientCredentials;
const TOKEN: [Option<&str>; 5] = [Some("/token"), None, None, None, None];
const PAGE: [Option<&str>; 5] = [Some("/token"), Some("/authorize"), None, None, None];
const RENEWS_ELSEWHERE: [Option<&str>; 5] = [Some("/token"), None, None, Some("/menu"), None];
const LIVE: [Option<&str>; 5] = [Some("https://id.acme.example/token"), None, None, None, None];
const SANDBOX: [Option<&str>; 5] = [Some("https://test.acme.example/token"), None, None, None, None];
const METADATA: [Option<&str>; 5] =
    [None, None, None, None, Some("https://id.acme.example/.well-known/openid-configuration")];
const HOME: Option<&str> = Some("https://acme.example");

document!(
    Acme,
    HOME,
    &[
        flow("oauth", SERVICE, TOKEN, &["menu"]),
        flow("oauth", FlowKind::AuthorizationCode, PAGE, &["menu"]),
        flow("oauth", FlowKind::Password, RENEWS_ELSEWHERE, &[]),
    ]
);
document!(Silent, None, &[]);
document!(Ambiguous, HOME, &[flow("live", SERVICE, LIVE, &[]), flow("sandbox", SERVICE, SANDBOX, &[])]);
document!(Discovered, HOME, &[flow("oidc", FlowKind::OpenIdConnect, METADATA, &[])]);

#[apply(leak_checked!)]
async fn a_document_says_where_each_grant_is_asked_for() {
    let (fake, clock) = fixture().await;
    let basis = || {
        let builder = Client::builder(fake.uri()).document::<Acme>().clock(clock.clone());
        builder.client(FakeOAuth2::CLIENT_ID, FakeOAuth2::CLIENT_SECRET)
    };
    let service = basis().client_credentials().build().unwrap();
    assert_eq!(service.http().get("/menu").send().await.unwrap().status(), 200);
    let web = basis().authorization_code("https://till.example/back").build().unwrap();
    let question = web.session().lease().await.unwrap_err();
    let redirect = follow(question.sign_in_page().unwrap()).await;
    question.resume().unwrap().answer(Answer::Redirect(redirect)).await.unwrap();
    assert_eq!((fake.count("issue_token"), fake.count("discover")), (2, 0));
    assert_eq!(said(&fake, "grant_type"), ["authorization_code"]);
}

#[apply(leak_checked!)]
async fn tokens_are_renewed_where_the_document_says_unless_the_user_says_otherwise() {
    let (fake, clock) = fixture().await;
    let basis = || {
        let builder = Client::builder(fake.uri()).document::<Acme>().clock(clock.clone());
        let builder = builder.client(FakeOAuth2::CLIENT_ID, FakeOAuth2::CLIENT_SECRET);
        builder.password(FakeOAuth2::LOGIN, FakeOAuth2::PASSWORD)
    };
    let elsewhere = basis().build().unwrap();
    elsewhere.session().lease().await.unwrap();
    let (asked, other) = (fake.count("issue_token"), fake.count("other"));
    // No token endpoint is there, so that the password is used again: what matters is who was asked.
    elsewhere.session().renew().await.unwrap();
    assert_eq!((fake.count("issue_token"), fake.count("other")), (asked + 1, other + 1));
    assert_eq!(said(&fake, "grant_type"), ["password"]);
    let told = basis().token_endpoint("/token").build().unwrap();
    told.session().lease().await.unwrap();
    told.session().renew().await.unwrap();
    assert_eq!(said(&fake, "grant_type"), ["refresh_token"]);
}

#[apply(leak_checked!)]
fn a_document_that_names_no_flow_or_several_is_told_in_one_sentence() {
    let refused = |builder: ClientBuilder, words: &[&str]| {
        let error = builder.build().unwrap_err();
        let text = error.to_string();
        assert!(error.kind() == ErrorKind::Config && words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
    };
    let of = |builder: ClientBuilder| builder.client("till", "a secret").client_credentials();
    refused(of(Client::of_document::<Silent>()), &["no whole address of a server", "Client::builder(address)"]);
    let at = || Client::builder("https://acme.example");
    refused(of(at().document::<Silent>()), &["Acme", "no flow of OAuth 2.0", ".token_endpoint(address)"]);
    refused(
        of(Client::of_document::<Ambiguous>()),
        &["several flows for .client_credentials()", "`live`, `sandbox`", ".security_scheme(name)"],
    );
    refused(
        of(Client::of_document::<Ambiguous>().security_scheme("staging")),
        &["no flow for .client_credentials()", "clientCredentials of `live`"],
    );
    let device = Client::of_document::<Acme>().public_client("till").device();
    refused(device, &["no flow for .device()", "authorizationCode of `oauth`"]);
    of(Client::of_document::<Ambiguous>().security_scheme("sandbox")).build().unwrap();
    of(at().document::<Silent>().token_endpoint("/token")).build().unwrap();
    of(Client::of_document::<Discovered>()).build().unwrap();
}
