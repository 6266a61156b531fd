//! Keyway in a program without `async` (feature `blocking`): the same clients, and [`Wait::wait`] in the place of `.await`.
//!
//! ```no_run
//! use keyway::{blocking::Wait, vms};
//!
//! fn main() -> Result<(), keyway::Error> {
//!     let vms = vms::Client::builder("https://vms.example").password("operator", "secret").build()?;
//!     let answer = vms.http().get("/api/v1/cameras").send().wait()?;
//!     println!("{}", answer.text().wait()?);
//!     vms.session().close().wait()
//! }
//! ```
//!
//! What runs behind (renewals in the early window, sign-outs that are owed, connections) does so on one thread of Keyway's own,
//! which the first wait starts and which lives as long as the program. A forked process has none: wait in the process that you
//! want to wait in, and not before a fork.

use crate::Error;
use std::{future::Future, sync::LazyLock};
use tokio::runtime::{Builder, Handle, Runtime};

/// One thread, for work that no caller waits for.
static RUNTIME: LazyLock<Result<Runtime, String>> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("keyway-blocking").enable_all().build();
    runtime.map_err(|error| error.to_string())
});

/// Where something goes on that no caller waits for, in a program without a runtime of its own.
#[cfg(feature = "sessions")]
pub(crate) fn handle() -> Option<Handle> {
    RUNTIME.as_ref().ok().map(|runtime| runtime.handle().clone())
}

/// Waits for what would be awaited: every future of this crate and of `reqwest` that ends in a result.
pub trait Wait {
    /// What comes of it, if it works.
    type Output;

    /// Blocks this thread until it has ended. Any number of threads may wait at once; they share the sessions of their clients.
    ///
    /// # Errors
    /// What the future ends with, and `ErrorKind::Config` inside async code: to block a thread of a Tokio runtime is to stop
    /// whatever else runs on it, perhaps the very task that is waited for.
    fn wait(self) -> Result<Self::Output, Error>;
}

impl<F, T, E> Wait for F
where
    F: Future<Output = Result<T, E>>,
    Error: From<E>,
{
    type Output = T;

    fn wait(self) -> Result<T, Error> {
        if Handle::try_current().is_ok() {
            return Err(Error::config("wait() was called inside async code, where it would block what it waits for")
                .advice(
                    "write .await there; or call wait() on a thread of your own, such as one of std::thread::spawn",
                ));
        }
        let runtime = RUNTIME.as_ref().map_err(|error| {
            Error::config(format!("the thread for what runs behind cannot be started: {error}"))
                .advice("let the program have one more thread")
        })?;
        Ok(runtime.block_on(self)?)
    }
}
