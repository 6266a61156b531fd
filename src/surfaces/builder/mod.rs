//! What all builders share.

mod address;
mod checked;
mod macros;
mod options;

pub(crate) use checked::{Checked, tenant_header};
pub(crate) use macros::{begun_elsewhere, doors, grants, passwords, shared_options, surface_client};
pub(crate) use options::{NamedCredential, Options, only};
