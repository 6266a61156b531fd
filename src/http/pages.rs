//! Lists that come in pages, as one stream of items.

use crate::{BoxFuture, Error};
use futures_core::Stream;
use serde::Serialize;
use std::{
    collections::{HashSet, VecDeque},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A stream of the items of a list that the vendor hands out page by page.
///
/// It ends with the first empty page, when the vendor says that there is no more, and when a page brings nothing new: a
/// vendor that ignores where a page shall begin would otherwise be read for ever. Items that come twice are yielded
/// once. After an error it ends.
#[must_use = "a stream does nothing until it is read"]
pub struct Pages<T> {
    fetch: Box<Fetch<T>>,
    state: PagesState<T>,
    ready: VecDeque<T>,
    /// How many items the vendor has handed out so far: where the next page begins.
    taken: u64,
    seen: HashSet<u64>,
    at_most: usize,
}

/// How many items [`Pages::collect`] takes unless the caller says otherwise.
const AT_MOST: usize = 100_000;

type Fetch<T> = dyn Fn(u64) -> BoxFuture<'static, Result<Page<T>, Error>> + Send + Sync;

enum PagesState<T> {
    Idle,
    Fetching(BoxFuture<'static, Result<Page<T>, Error>>),
    Ended,
}

/// One page, and what the vendor said about the rest.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) more: Option<bool>,
    pub(crate) total: Option<u64>,
}

impl<T: Serialize + Unpin> Pages<T> {
    /// `fetch` gets a page that begins after so many items. It does not rely on how many items a page has: vendors
    /// clamp that silently.
    pub(crate) fn new(
        fetch: impl Fn(u64) -> BoxFuture<'static, Result<Page<T>, Error>> + Send + Sync + 'static,
    ) -> Self {
        let (ready, seen) = (VecDeque::new(), HashSet::new());
        Self { fetch: Box::new(fetch), state: PagesState::Idle, ready, taken: 0, seen, at_most: AT_MOST }
    }

    /// The pages of a list of `client`'s. `ask` gets the client, what the caller says of the list, and where the page begins.
    pub(crate) fn of<C, Q>(
        client: &C,
        query: Q,
        ask: impl Fn(C, Arc<Q>, u64) -> BoxFuture<'static, Result<Page<T>, Error>> + Send + Sync + 'static,
    ) -> Self
    where
        C: Clone + Send + Sync + 'static,
        Q: Send + Sync + 'static,
    {
        let (client, query) = (client.clone(), Arc::new(query));
        Self::new(move |from| ask(client.clone(), query.clone(), from))
    }

    /// How many items [`collect`](Self::collect) takes. Default: 100,000.
    pub fn at_most(self, items: usize) -> Self {
        Self { at_most: items, ..self }
    }

    /// The next item; `None` at the end.
    ///
    /// # Errors
    /// Whatever the call of the next page ends with.
    ///
    /// # Cancel safety
    /// A dropped wait loses nothing: the page that is under way is waited for by the next call.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// All items that are left, which are kept in memory: not more than [`at_most`](Self::at_most).
    ///
    /// # Errors
    /// As [`next`](Self::next), and `Protocol` for a list that does not end in time; what was read before the error is lost.
    ///
    /// # Cancel safety
    /// What was read before the future was dropped is lost.
    pub async fn collect(mut self) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await {
            if all.len() == self.at_most {
                return Err(Error::protocol(format!(
                    "the list has more than {} items, and was not read further",
                    all.len()
                ))
                .local()
                .advice("read it with next(), or say with at_most(..) how many to expect"));
            }
            all.push(item?);
        }
        Ok(all)
    }

    fn take(&mut self, page: Page<T>) {
        let count = page.items.len() as u64;
        self.taken += count;
        let known = self.ready.len();
        for item in page.items {
            if self.seen.insert(identity(&item)) {
                self.ready.push_back(item);
            }
        }
        let nothing_new = self.ready.len() == known;
        let complete = page.total.is_some_and(|total| self.taken >= total);
        let ended = nothing_new || page.more == Some(false) || (complete && page.more != Some(true));
        self.state = if ended { PagesState::Ended } else { PagesState::Idle };
    }
}

/// Two items are the same if they are written the same.
fn identity(item: &impl Serialize) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(item).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

impl<T: Serialize + Unpin> Stream for Pages<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            match &mut self.state {
                PagesState::Ended => return Poll::Ready(None),
                PagesState::Idle => self.state = PagesState::Fetching((self.fetch)(self.taken)),
                PagesState::Fetching(page) => match ready!(page.as_mut().poll(context)) {
                    Ok(page) => self.take(page),
                    Err(error) => {
                        self.state = PagesState::Ended;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
            }
        }
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("taken", &self.taken).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    /// What a vendor has, and how it hands it out.
    #[derive(Clone, Copy)]
    struct Vendor {
        items: u64,
        clamp: u64,
        tells_more: bool,
        lies_about_more: bool,
        tells_total: bool,
        repeats: bool,
    }

    const HONEST: Vendor =
        Vendor { items: 0, clamp: 3, tells_more: false, lies_about_more: false, tells_total: false, repeats: false };

    /// The items read and the calls made.
    async fn read(vendor: Vendor) -> (Vec<u64>, usize) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let pages = Pages::new(move |from| {
            assert!(counted.fetch_add(1, Ordering::SeqCst) < 20, "does not end");
            let from = if vendor.repeats { 0 } else { from };
            let items: Vec<_> = (from..vendor.items.min(from + vendor.clamp)).collect();
            let more = vendor.tells_more.then_some(vendor.lies_about_more || from + vendor.clamp < vendor.items);
            let total = vendor.tells_total.then_some(vendor.items);
            Box::pin(async move { Ok(Page { items, more, total }) })
        });
        let items = pages.collect().await.expect("no errors here");
        (items, calls.load(Ordering::SeqCst))
    }

    #[apply(leak_checked!)]
    async fn a_list_that_never_ends_is_read_as_far_as_was_said_and_no_further() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let endless = Pages::new(move |from| {
            counted.fetch_add(1, Ordering::SeqCst);
            let items: Vec<_> = (from..from + 100).collect();
            Box::pin(async move { Ok(Page { items, more: Some(true), total: None }) })
        });
        let error = endless.at_most(1000).collect().await.expect_err("it does not end");
        assert_eq!((error.kind(), calls.load(Ordering::SeqCst)), (crate::ErrorKind::Protocol, 11), "{error}");
        assert!(error.to_string().contains("more than 1000 items"), "{error}");
    }

    #[apply(leak_checked!)]
    async fn every_item_comes_once_and_the_stream_ends_whatever_the_vendor_tells() {
        for items in [0, 1, 2, 3, 4, 6, 7] {
            let all: Vec<_> = (0..items).collect();
            for (tells_more, lies_about_more) in [(false, false), (true, false), (true, true)] {
                for tells_total in [false, true] {
                    let vendor = Vendor { items, tells_more, lies_about_more, tells_total, ..HONEST };
                    assert_eq!(read(vendor).await.0, all, "{items} {tells_more} {lies_about_more} {tells_total}");
                }
            }
        }
    }

    #[apply(leak_checked!)]
    async fn a_vendor_that_tells_is_not_asked_for_an_empty_page() {
        assert_eq!(read(Vendor { items: 6, tells_more: true, ..HONEST }).await.1, 2);
        assert_eq!(read(Vendor { items: 6, tells_total: true, ..HONEST }).await.1, 2);
        assert_eq!(read(Vendor { items: 6, ..HONEST }).await.1, 3);
    }

    #[apply(leak_checked!)]
    async fn a_repeated_page_ends_the_stream() {
        let vendor = Vendor { items: 6, repeats: true, tells_more: true, lies_about_more: true, ..HONEST };
        assert_eq!(read(vendor).await, (vec![0, 1, 2], 2));
    }

    #[apply(leak_checked!)]
    async fn an_error_is_the_last_item() {
        let mut pages = Pages::<u64>::new(|_| Box::pin(async { Err(Error::protocol("no")) }));
        assert!(pages.next().await.expect("one item").is_err());
        assert!(pages.next().await.is_none());
    }
}
