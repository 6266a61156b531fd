//! The one engine. It knows no vendor and no HTTP client; it decides when a vendor is asked.
//!
//! | room | what is in it |
//! |---|---|
//! | `core`, `asks`, `wishes`, `running`, `answers`, `vendor`, `people`, `ending` | the pure core: its state; what users ask; the rules, of what is owed and of the run under way; what came of what was asked, of the store, the vendor and people; how a run ends |
//! | `run`, `operation`, `seen`, `token`, `rules` | its plain data |
//! | `plan`, `decide`, `rejection`, `budget`, `cooldown`, `windows` | the decisions it calls, pure as well |
//! | `driver`, `outside`, `timer`, `log`, `apart`, `callback`, `gatekeeper`, `warm` | performs operations, each as a task; talks to the store, the vendor and people; keeps the time; tells what happened; lets issuers ask before they send |
//! | `session`, `waiting`, `lease`, `resume`, `ticket`, `finish`, `step_up`, `beside`, `attempt`, `profile`, `report`, `errors`, `telemetry`, `keep_warm`, `audit` | what users and issuers see |
//! | `issuer`, `issued`, `capabilities`, `responder`, `totp`, `eviction`, `dialogue`, `tokens` | the port: what vendors and people are asked, and say |

mod answers;
mod apart;
mod asks;
pub(crate) mod attempt;
#[cfg(feature = "audit")]
mod audit;
#[cfg(feature = "oauth2")]
mod beside;
pub(crate) mod budget;
mod callback;
pub(crate) mod capabilities;
#[cfg(test)]
mod compare;
pub(crate) mod cooldown;
mod core;
pub(crate) mod decide;
pub(crate) mod dialogue;
mod driver;
mod ending;
mod errors;
pub(crate) mod eviction;
#[cfg(feature = "oauth2")]
mod finish;
mod gatekeeper;
pub(crate) mod issued;
pub(crate) mod issuer;
#[cfg(feature = "keep-warm")]
mod keep_warm;
mod lease;
mod log;
#[cfg(test)]
#[allow(clippy::print_stderr, reason = "how much was explored is worth reading")]
mod model;
mod operation;
mod outside;
mod people;
mod per_core;
pub(crate) mod plan;
mod profile;
mod rejection;
pub(crate) mod report;
pub(crate) mod responder;
mod resume;
mod rules;
mod run;
mod running;
mod seen;
#[allow(clippy::module_inception, reason = "the room is named after its public type, too")]
mod session;
mod settings;
#[cfg(feature = "oauth2")]
mod step_up;
#[cfg(feature = "metrics")]
pub mod telemetry;
#[cfg(not(feature = "metrics"))]
mod telemetry;
#[cfg(feature = "sealed")]
mod ticket;
mod timer;
mod token;
pub(crate) mod tokens;
#[cfg(feature = "totp")]
pub(crate) mod totp;
mod vendor;
mod waiting;
#[cfg(feature = "keep-warm")]
mod warm;
pub(crate) mod windows;
mod wishes;
mod worked;

pub(crate) use attempt::Attempt;
pub use lease::Lease;
pub use profile::{Profile, SignOut};
pub use resume::Resume;
pub use session::Session;
pub(crate) use settings::Settings;
