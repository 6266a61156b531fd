//! What comes of a surface's answers, for those who hold any bytes to be one (`src/fuzzing.rs`). No user's build has it.

use super::Issued;
use crate::{
    Error,
    clock::Now,
    http::{Surface, transport::AuthResponse},
    question::{Captcha, DeviceCode},
};

/// What an answer holds.
pub(crate) enum Came {
    Nothing,
    Session(Issued),
    Captcha(Captcha),
    Device(DeviceCode),
}

/// How a surface reads its answers. Each has one, as `READING`, in its own file or in one above it (`_answers.rs`): the build script lists them by the documents.
pub(crate) struct Reading {
    pub(crate) surface: &'static Surface,
    /// What it makes of an answer to an operation, which arrived at that time. `None`: it is read as any call's.
    pub(crate) came: fn(&str, &AuthResponse, Now) -> Option<Result<Came, Error>>,
    /// Where each operation that hands out a token has it in its answer.
    pub(crate) tokens: &'static [(&'static str, &'static str)],
    /// Members whose value is nobody else's business.
    pub(crate) secrets: &'static [&'static str],
}
