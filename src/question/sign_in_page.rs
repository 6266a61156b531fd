//! A page at which a person signs in, and the redirect that leads back from it (RFC 6749, 4.1).

use crate::secret::{Secret, SecretUrl};
use serde_json::{Value, json};
use std::{fmt, sync::Arc};
use url::{Position, Url};

/// A page at which a person signs in, in a browser. It ends with a redirect to an address of yours: the whole address that
/// the browser is sent to is the answer, [`Answer::Redirect`](crate::Answer::Redirect).
///
/// A redirect that belongs to another sign-in, another address or another provider is refused before anything is sent, and
/// the question stays open.
#[derive(Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
pub struct SignInPage(Arc<PageParts>);

#[derive(Clone)]
#[cfg_attr(test, derive(PartialEq, Eq, Hash))]
struct PageParts {
    url: String,
    redirect_uri: String,
    state: Secret,
    issuer: Option<String>,
    tells_issuer: bool,
    thread: Secret,
    /// The name of the session that it is asked for.
    session: Option<String>,
    /// A session is there already, and this is asked beside it.
    step_up: Option<StepUp>,
}

/// What a page is asked for while a session is there: another one in its place, whose person has signed in as an API wants it
/// (RFC 9470).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct StepUp {
    /// The session that it takes the place of. Where another one stands by now, that was done already.
    pub(crate) lineage: u64,
    /// What is wanted, in words.
    pub(crate) wanted: String,
}

impl SignInPage {
    /// The page at `url`, which leads back to `redirect_uri` with this `state`. `thread` is what ties the steps of this sign-in
    /// together and never goes through the browser: the code verifier (RFC 7636), for instance.
    #[must_use]
    pub fn new(
        url: impl Into<String>,
        redirect_uri: impl Into<String>,
        state: impl Into<Secret>,
        thread: impl Into<Secret>,
    ) -> Self {
        let (url, redirect_uri) = (url.into(), redirect_uri.into());
        let (state, thread) = (state.into(), thread.into());
        Self(Arc::new(PageParts {
            url,
            redirect_uri,
            state,
            issuer: None,
            tells_issuer: false,
            thread,
            session: None,
            step_up: None,
        }))
    }

    /// Whose page it is. A redirect that names another issuer is refused, and one that names none if this provider
    /// `always` names itself (RFC 9207).
    #[must_use]
    pub fn with_issuer(mut self, issuer: impl Into<String>, always: bool) -> Self {
        let page = Arc::make_mut(&mut self.0);
        (page.issuer, page.tells_issuer) = (Some(issuer.into()), always);
        self
    }

    /// Which session it is asked for, by its name in a store.
    #[cfg_attr(not(feature = "oauth2"), allow(dead_code, reason = "no other vendor has such pages"))]
    pub(crate) fn of_session(mut self, session: &str) -> Self {
        Arc::make_mut(&mut self.0).session = Some(session.to_owned());
        self
    }

    #[cfg_attr(not(feature = "oauth2"), allow(dead_code, reason = "no other vendor has such pages"))]
    pub(crate) fn session(&self) -> Option<&str> {
        self.0.session.as_deref()
    }

    /// It is asked beside a session, which goes on meanwhile.
    #[cfg_attr(not(feature = "oauth2"), allow(dead_code, reason = "no other vendor has such pages"))]
    pub(crate) fn of_step_up(mut self, step_up: StepUp) -> Self {
        Arc::make_mut(&mut self.0).step_up = Some(step_up);
        self
    }

    pub(crate) fn step_up(&self) -> Option<&StepUp> {
        self.0.step_up.as_ref()
    }

    /// The page's address, for a browser. It is good for this sign-in alone: show it only to the
    /// person who signs in.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The address that it leads back to.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.0.redirect_uri
    }

    /// What ties the steps of this sign-in together.
    #[must_use]
    pub fn thread(&self) -> &Secret {
        &self.0.thread
    }

    /// By which another process can finish this sign-in: a secret that belongs to the person's browser session, in a
    /// store of yours or in an encrypted cookie.
    #[must_use]
    pub fn ticket(&self) -> Secret {
        let ticket = json!({
            "url": self.0.url,
            "redirect_uri": self.0.redirect_uri,
            "state": self.0.state.expose(),
            "issuer": self.0.issuer,
            "tells_issuer": self.0.tells_issuer,
            "thread": self.0.thread.expose(),
            "session": self.0.session,
            "step_up": self.0.step_up.as_ref().map(|step| json!({ "lineage": step.lineage, "wanted": step.wanted })),
        });
        Secret::from(ticket.to_string())
    }

    /// The page that a [`ticket`](Self::ticket) was made of; `None`, if it is none.
    #[must_use]
    pub fn from_ticket(ticket: &Secret) -> Option<Self> {
        let said: Value = serde_json::from_slice(ticket.expose().as_bytes()).ok()?;
        let text = |name: &str| said[name].as_str();
        let mut page = Self::new(text("url")?, text("redirect_uri")?, text("state")?, text("thread")?);
        let step = |said: &Value| {
            Some(StepUp { lineage: said["lineage"].as_u64()?, wanted: said["wanted"].as_str()?.to_owned() })
        };
        let inner = Arc::make_mut(&mut page.0);
        (inner.session, inner.step_up) = (text("session").map(str::to_owned), step(&said["step_up"]));
        Some(match text("issuer") {
            Some(issuer) => page.with_issuer(issuer, said["tells_issuer"] == true),
            None => page,
        })
    }

    /// Whether this redirect is the answer to this page, or why not.
    pub(crate) fn accepts(&self, redirect: &Secret) -> Result<(), &'static str> {
        let given = SecretUrl::parse(redirect).ok_or("it is no address")?;
        let own = Url::parse(self.redirect_uri()).map_err(|_| "the page leads back to no address")?;
        // Letter by letter: a path that is nearly the same may be another program's.
        if *given.before_query() != own[..Position::AfterPath] {
            return Err("it leads to another address");
        }
        if !own.query_pairs().all(|pair| given.pairs().any(|known| known == pair)) {
            return Err("it leads to another address");
        }
        let said = |name: &str| {
            let mut all = given.pairs().filter(|(known, _)| known == name).map(|(_, value)| value);
            (all.next(), all.next().is_some())
        };
        match said("state") {
            (Some(state), false) if is_same(&state, self.0.state.expose()) => {}
            _ => return Err("its `state` is another one"),
        }
        match (said("iss"), &self.0.issuer) {
            ((None, _), _) if !self.0.tells_issuer => Ok(()),
            ((Some(_), false), None) => Ok(()),
            ((Some(issuer), false), Some(own)) if issuer == own.as_str() => Ok(()),
            _ => Err("its `iss` names another provider, or none"),
        }
    }
}

/// In the same time wherever they differ: the state is what another program would have to guess.
fn is_same(one: &str, other: &str) -> bool {
    let differ = one.bytes().zip(other.bytes()).fold(0, |differ, (one, other)| differ | (one ^ other));
    one.len() == other.len() && differ == 0
}

impl fmt::Debug for SignInPage {
    /// Not its addresses: the person who opens the first decides who is signed in, and the other is what is guessed at.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInPage").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> SignInPage {
        SignInPage::new("https://id.example/authorize?state=s-7f3a", "https://app.example/back?a=1", "s-7f3a", "v-7f3a")
    }

    fn refusal(page: &SignInPage, redirect: &str) -> String {
        page.accepts(&Secret::from(redirect)).expect_err(redirect).to_owned()
    }

    #[apply(leak_checked!)]
    fn a_redirect_is_taken_only_at_its_very_address_and_with_its_state() {
        page().accepts(&Secret::from("https://app.example/back?a=1&code=c&state=s-7f3a")).expect("the answer");
        for elsewhere in [
            "https://app.example/back?code=c&state=s-7f3a",
            "https://app.example/back/?a=1&code=c&state=s-7f3a",
            "https://app.example/Back?a=1&code=c&state=s-7f3a",
            "http://app.example/back?a=1&code=c&state=s-7f3a",
            "https://app.example:8443/back?a=1&code=c&state=s-7f3a",
            "https://app.example.evil.example/back?a=1&code=c&state=s-7f3a",
        ] {
            assert!(refusal(&page(), elsewhere).contains("another address"), "{elsewhere}");
        }
        for state in ["", "&state=", "&state=s-7f3b", "&state=s-7f3", "&state=s-7f3a&state=s-7f3b"] {
            let redirect = format!("https://app.example/back?a=1&code=c{state}");
            assert!(refusal(&page(), &redirect).contains("`state`"), "{state}");
        }
        assert!(refusal(&page(), "code=c").contains("no address"));
    }

    #[apply(leak_checked!)]
    fn a_redirect_of_another_provider_is_refused() {
        let back = "https://app.example/back?a=1&code=c&state=s-7f3a";
        let (own, other) = (format!("{back}&iss=https://id.example"), format!("{back}&iss=https://evil.example"));
        let (told, silent) =
            (page().with_issuer("https://id.example", true), page().with_issuer("https://id.example", false));
        for good in [(&told, own.as_str()), (&silent, own.as_str()), (&silent, back)] {
            good.0.accepts(&Secret::from(good.1)).expect("the answer");
        }
        for bad in [(&told, back), (&told, other.as_str()), (&silent, other.as_str())] {
            assert!(refusal(bad.0, bad.1).contains("`iss`"));
        }
    }

    #[apply(leak_checked!)]
    fn a_ticket_is_the_whole_page_and_shows_nothing() {
        let step = StepUp { lineage: u64::MAX, wanted: "acr_values `mfa`".to_owned() };
        let page = page().with_issuer("https://id.example", true).of_session("oauth2-0f").of_step_up(step);
        let ticket = page.ticket();
        assert!(SignInPage::from_ticket(&ticket).expect("a ticket") == page);
        assert!(!format!("{page:?} {ticket:?}").contains("7f3a"));
        for none in ["", "{}", "[]", "s-7f3a"] {
            assert!(SignInPage::from_ticket(&Secret::from(none)).is_none(), "{none}");
        }
    }
}
