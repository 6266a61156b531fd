//! What is fixed about a surface.

use super::{
    facts::{Facts, Role},
    verdict::Classify,
};

/// What is fixed about a surface: its document's facts and how it words a failure.
#[derive(Debug)]
pub(crate) struct Surface {
    pub(crate) name: &'static str,
    pub(crate) facts: &'static [Facts],
    /// Reads a failure as the vendor means it, where the status alone does not say.
    pub(crate) classify: Classify,
    /// The builder methods whose session has this role.
    pub(crate) serves: fn(Role) -> &'static str,
    /// What documented calls say of their body even where they have none, because the vendor requires the header.
    pub(crate) content_type: Option<&'static str>,
}
