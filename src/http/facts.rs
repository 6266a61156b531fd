//! What the bundled document says about an operation, as data. The build script writes one table per surface.
use std::{any::TypeId, fmt, ops::RangeInclusive};

/// How an operation is to be called. Everything here comes from the document; nothing is decided here.
#[derive(Debug)]
pub struct Facts {
    /// The operation's id in snake_case, as the generated builder is called.
    pub operation: &'static str,
    pub method: &'static str,
    /// The path template below the platform's root, server path included: what may be shown instead of a URL.
    pub path: &'static str,
    /// Whose session may call it; empty = no credentials are sent.
    pub roles: &'static [Role],
    /// May the same request be sent again when the outcome of the first is unknown?
    pub resend: bool,
    pub secret_url: bool,
    pub certainty: Certainty,
    pub step: Step,
    pub tenant: TenantHeader,
    /// The program's own id and secret open it, and no session does.
    pub client: bool,
    /// Typed bodies of the documented failures.
    pub failures: &'static [DocumentedFailure],
    /// The documented answers, by status, and what stands in each; the first that covers a status counts.
    pub answers: &'static [(RangeInclusive<u16>, &'static Shape)],
    /// Limits of the JSON or form body, if it has any.
    pub body: Option<&'static Rule>,
    /// Limits of path, query and header parameters.
    pub parameters: &'static [LimitedParameter],
    /// A member that must have this value in a 200 for the call to have succeeded: (member, value).
    pub success: Option<(&'static str, &'static str)>,
}

/// What is known of a call that no document describes.
pub(crate) static FREE: Facts = Facts {
    operation: "http",
    method: "",
    path: "",
    roles: &[Role::User, Role::Service, Role::Module, Role::Key],
    resend: false,
    secret_url: false,
    certainty: Certainty::Documented,
    step: Step::Call,
    tenant: TenantHeader::Undeclared,
    client: false,
    failures: &[],
    answers: &[],
    body: None,
    parameters: &[],
    success: None,
};

/// Whose session an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    User,
    Service,
    Module,
    /// No session at all: a key that travels with every call as it is.
    Key,
    /// Whatever session there is: the document does not tell one from another.
    Any,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Service => "service",
            Self::Module => "module",
            Self::Key => "key",
            Self::Any => "any",
        })
    }
}

/// How sure the document is of an operation's method and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    Documented,
    ExampleOnly,
    VendorSource,
    Observed,
    Inferred,
    Guessed,
}

/// The part an operation plays in the life of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Call,
    SignIn,
    Renew,
    SignOut,
    Challenge,
}

/// Whether an operation declares the header that selects the tenant, and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantHeader {
    Undeclared,
    Optional(&'static str),
    Required(&'static str),
}

/// A documented failure: the statuses it covers and the type of its body.
#[derive(Debug)]
pub struct DocumentedFailure {
    pub from: u16,
    pub to: u16,
    pub body: fn() -> TypeId,
}

/// What a document knows of a JSON value, by the names of its members.
#[derive(Debug)]
pub enum Shape {
    /// Nothing is said about it, or nothing that matters here.
    Anything,
    /// An object with these members, sorted by name.
    Members(&'static [(&'static str, Shape)]),
    /// A list of these.
    List(&'static Shape),
}

/// A limited parameter.
#[derive(Debug)]
pub struct LimitedParameter {
    pub place: ParameterPlace,
    pub name: &'static str,
    pub rule: Rule,
}

/// Where a parameter stands in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterPlace {
    Path,
    Query,
    Header,
}

/// The limits of one value, checked before it is sent. Lengths are in characters, as JSON Schema counts them.
#[derive(Debug)]
pub struct Rule {
    pub min_length: Option<usize>,
    pub max_length: Option<usize>,
    pub min_items: Option<usize>,
    pub max_items: Option<usize>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    pub uuid: bool,
    pub pattern: Option<&'static Pattern>,
    pub items: Option<&'static Rule>,
    /// Limits of the values of a map, whatever their names.
    pub values: Option<&'static Rule>,
    pub members: &'static [(&'static str, Rule)],
}

impl Rule {
    /// No limit at all: what the build script's tables start from.
    pub const ANY: Rule = Rule {
        min_length: None,
        max_length: None,
        min_items: None,
        max_items: None,
        minimum: None,
        maximum: None,
        uuid: false,
        pattern: None,
        items: None,
        values: None,
        members: &[],
    };
}

/// An anchored `^prefix[class]{min,max}$`: every documented pattern is of this shape, so no regex engine is carried
/// along.
#[derive(Debug)]
pub struct Pattern {
    /// As the document prints it, for the message.
    pub source: &'static str,
    /// Plain text in front of the class, mostly empty.
    pub prefix: &'static str,
    /// The characters allowed, as sorted inclusive ranges.
    pub ranges: &'static [(char, char)],
    pub min: usize,
    pub max: Option<usize>,
}
