//! Arguments that may be left out.

use crate::secret::Secret;

/// An argument that may be left out: the value itself, an [`Option`] of it, or, for texts and secrets, a `&str`.
#[derive(Debug, Clone)]
pub struct Optional<T>(#[doc(hidden)] pub Option<T>);

impl<T> From<T> for Optional<T> {
    fn from(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T> From<Option<T>> for Optional<T> {
    fn from(value: Option<T>) -> Self {
        Self(value)
    }
}

/// A text of which the document names some values: what may be given as a `&str` where it may be left out.
pub trait OpenText: for<'a> From<&'a str> {}

impl<T: OpenText> From<&str> for Optional<T> {
    fn from(value: &str) -> Self {
        Self(Some(T::from(value)))
    }
}

macro_rules! optional_from {
    ($($given:ty => $wanted:ty),* $(,)?) => {$(
        impl From<$given> for Optional<$wanted> {
            fn from(value: $given) -> Self {
                Self(Some(value.into()))
            }
        }
    )*};
}

optional_from! {
    &str => String,
    &str => Secret,
    String => Secret,
    i32 => i64,
    u32 => i64,
    i32 => f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[apply(leak_checked!)]
    fn an_optional_argument_may_be_given_in_several_ways() {
        let secret = |given: Optional<Secret>| given.0.map(|secret| secret.expose().to_owned());
        assert_eq!(secret("x".into()), Some("x".to_owned()));
        assert_eq!(secret("x".to_owned().into()), Some("x".to_owned()));
        assert_eq!(secret(Secret::from("x").into()), Some("x".to_owned()));
        assert_eq!(secret(None.into()), None);
        let text: Optional<String> = Some("x".to_owned()).into();
        assert_eq!(text.0.as_deref(), Some("x"));
        let number: Optional<i64> = 5.into();
        assert_eq!(number.0, Some(5));
    }
}
