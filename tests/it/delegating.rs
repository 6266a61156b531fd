//! Stores of tests that differ from the one they stand on in a method or two.

/// The methods in which a store is as the one in its member `$inner`: `as_its_store!(inner: load remove);`
macro_rules! as_its_store {
    ($inner:tt: $($method:ident)*) => {
        $(as_its_store! { @$method $inner })*
    };
    (@load $inner:tt) => {
        async fn load(&self, key: &keyway::Key) -> Result<Option<keyway::Record>, keyway::StoreError> {
            self.$inner.load(key).await
        }
    };
    (@compare_and_swap $inner:tt) => {
        async fn compare_and_swap(
            &self,
            key: &keyway::Key,
            expected: Option<keyway::Generation>,
            record: keyway::Record,
        ) -> Result<bool, keyway::StoreError> {
            self.$inner.compare_and_swap(key, expected, record).await
        }
    };
    (@remove $inner:tt) => {
        async fn remove(&self, key: &keyway::Key) -> Result<(), keyway::StoreError> {
            self.$inner.remove(key).await
        }
    };
    (@lock $inner:tt) => {
        async fn lock(
            &self,
            key: &keyway::Key,
            wait: std::time::Duration,
        ) -> Result<keyway::StoreLock, keyway::StoreError> {
            self.$inner.lock(key, wait).await
        }
    };
}
