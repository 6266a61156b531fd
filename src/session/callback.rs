//! Callbacks, and the engine that waits for each: one that used it would wait for itself.

tokio::task_local! {
    /// Which engine waits for the callback that runs in this task, and what that is called.
    static CALLBACK: (usize, &'static str);
}

/// Does the work of a callback for the engine at this address, which need not live on for it.
pub(super) async fn called_back<T>(engine: usize, name: &'static str, work: impl Future<Output = T>) -> T {
    CALLBACK.scope((engine, name), work).await
}

/// What the callback that runs in this task is called, if the engine at this address waits for it.
pub(super) fn callback_of(engine: usize) -> Option<&'static str> {
    CALLBACK.try_with(|(waits, name)| (*waits == engine).then_some(*name)).ok().flatten()
}
