//! The vendors whose documents come with the crate: each is the `Vendor` of the file that is called as its document is.

macro_rules! files {
    ($($name:ident)*) => {
        $(pub(crate) mod $name;)*
    };
}
crate::for_every_document!(files,);
