//! What a document writes is text: none of it runs, and all of it compiles without a word.
#![deny(warnings)]

keyway::include_document!(hostile);
