//! What every surface keeps to, whatever is peculiar to it: one suite, one test per law and surface. The laws are those of
//! `keyway::testing::session_laws!`, in `src/testing/session_law/laws.rs`.
//!
//! A bundled vendor is a file in `laws/bundled/` that is called as its document is, and gets all of them, and every other
//! test that is made for every surface. A surface that has no document of its own does too, and is named once in this file.

mod acme;
pub(crate) mod bundled;
mod oauth2;

pub(crate) use acme::Acme;
pub(crate) use keyway::testing::__laws::*;
use keyway::{
    Generation, Key, MemoryStore, Record, Store, StoreError, StoreLock,
    testing::{__session_law_names, SessionFactory},
};
pub(crate) use oauth2::{OAuthDevice, OAuthPerson, OAuthService, OAuthUser, follow};
use std::time::Duration;

/// A path that wants a session, and that no document has.
const PATH: &str = "/some/service/v1/things";

/// A surface as every other test sees it that all of them must pass.
pub(crate) trait Surface: SessionFactory {
    /// Whether the next token costs a refresh token, which is spent by that.
    const RENEWS_BY_ROTATION: bool = Self::OBTAIN.len() > 1;
    /// Whether it believes a wait that a vendor asks for with `Retry-After`.
    const READS_RETRY_AFTER: bool = true;
    /// Whether a document says what stands in its answers.
    const HAS_DOCUMENT: bool = true;

    /// The vendor forgets every refresh token, where it has them.
    fn forget_refresh(&self) {}
}

/// A store that keeps what it is given as text, as files do.
#[derive(Clone, Default)]
pub(crate) struct Written(MemoryStore);

impl Store for Written {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let record = Store::load(&self.0, key).await?;
        record.map(|record| Record::from_json(record.to_json().expose())).transpose()
    }

    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Generation>,
        record: Record,
    ) -> Result<bool, StoreError> {
        self.0.compare_and_swap(key, expected, record).await
    }

    async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        self.0.remove(key).await
    }

    async fn lock(&self, key: &Key, wait: Duration) -> Result<StoreLock, StoreError> {
        self.0.lock(key, wait).await
    }
}

/// Makes these tests for every surface, each surface in a module of its own.
macro_rules! for_every_surface {
    ($($test:ident)*) => {
        crate::for_every_document! { crate::laws::for_every_surface, @bundled [$($test)*] }
        crate::laws::for_every_surface! { @surfaces [$($test)*]
            vtex_shopper: bundled::vtex::Shopper;
            outside: Acme;
            oauth2_user: OAuthUser;
            oauth2_service: OAuthService;
            oauth2_person: OAuthPerson;
        }
    };
    (@bundled $tests:tt $($name:ident)*) => {
        crate::laws::for_every_surface! { @surfaces $tests $($name: bundled::$name::Vendor;)* }
    };
    (@surfaces $tests:tt $($name:ident: $($surface:ident)::+;)*) => {$(
        mod $name {
            use crate::laws::$($surface)::+ as Surface;
            crate::laws::for_every_surface! { @tests $tests }
        }
    )*};
    (@tests [$($test:ident)*]) => {$(
        #[apply(leak_checked!)]
        async fn $test() {
            super::$test::<Surface>().await;
        }
    )*};
}
pub(crate) use for_every_surface;

/// As `session_laws!` does, with the leak check around each, and for every surface. A device, too: its sign-in is two requests
/// where the tests of other files count one.
macro_rules! leak_checked_laws {
    ($_factory:ty, $($law:ident)*) => {
        for_every_surface! { $($law)* }
        for_every_surface! { @surfaces [$($law)*] oauth2_device: OAuthDevice; }
    };
}

__session_law_names!(leak_checked_laws, ());
