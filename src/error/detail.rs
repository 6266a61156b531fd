//! What a vendor says of a failure, as the type that its document gives for it.

use crate::secret::wiped;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::{
    any::{Any, TypeId},
    sync::OnceLock,
};

/// Read once somebody asks, and by the code of who asks: of all that a document describes a program asks for little.
pub(crate) struct Detail {
    of: TypeId,
    body: Bytes,
    read: OnceLock<Option<Box<dyn Any + Send + Sync>>>,
}

impl Detail {
    /// The body may hold a secret: it is wiped in the end.
    pub(crate) fn new(of: TypeId, body: Vec<u8>) -> Self {
        Self { of, body: wiped(body), read: OnceLock::new() }
    }

    /// Nothing if the document gives another type, or the body is not of its shape.
    pub(super) fn get<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Option<&T> {
        if self.of != TypeId::of::<T>() {
            return None;
        }
        let read = || Some(Box::new(serde_json::from_slice::<T>(&self.body).ok()?) as _);
        self.read.get_or_init(read).as_ref()?.downcast_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(body: &str) -> Detail {
        Detail::new(TypeId::of::<Vec<u8>>(), body.into())
    }

    #[apply(leak_checked!)]
    fn a_detail_is_read_once_and_only_as_what_the_document_gives() {
        let said = detail("[1, 2]");
        assert!(said.get::<Vec<u16>>().is_none());
        let first: *const Vec<u8> = said.get().expect("a list");
        assert!(std::ptr::eq(first, said.get::<Vec<u8>>().expect("the same list")));
        assert!(detail("[1, -2]").get::<Vec<u8>>().is_none(), "it has another shape");
    }
}
