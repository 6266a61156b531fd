//! What generated code says of the document that it was made of.

/// A vendor's document, as a type: [`include_document!`](crate::include_document) makes one, `acme::Document`.
///
/// With the feature `oauth2`, `oauth2::Client::of_document::<acme::Document>()` signs in as it says.
pub trait Document {
    /// Its title.
    const TITLE: &'static str;
    /// Scheme, host and port of its first server, if it names them.
    const ORIGIN: Option<&'static str>;
    /// How one signs in, as its security schemes say, in their order.
    const FLOWS: &'static [SecurityFlow];
}

/// One way to sign in that a document names: a flow of an OAuth 2.0 security scheme, or an OpenID Connect one. Addresses are
/// as they stand there, whole or as paths.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecurityFlow {
    /// The name of its security scheme.
    pub scheme: &'static str,
    /// Which flow it is.
    pub kind: FlowKind,
    /// `tokenUrl`.
    pub token_url: Option<&'static str>,
    /// `authorizationUrl`.
    pub authorization_url: Option<&'static str>,
    /// `deviceAuthorizationUrl` (OpenAPI 3.2).
    pub device_url: Option<&'static str>,
    /// `refreshUrl`: where tokens are renewed, if that is elsewhere.
    pub refresh_url: Option<&'static str>,
    /// `openIdConnectUrl`, or `oauth2MetadataUrl` (OpenAPI 3.2).
    pub metadata_url: Option<&'static str>,
    /// The scopes that it lists.
    pub scopes: &'static [&'static str],
}

/// Which flow of OAuth 2.0 a document names.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowKind {
    /// `clientCredentials`.
    ClientCredentials,
    /// `password`.
    Password,
    /// `authorizationCode`.
    AuthorizationCode,
    /// `implicit`, which hands out tokens in addresses: it is not offered here.
    Implicit,
    /// `deviceAuthorization` (OpenAPI 3.2).
    Device,
    /// A scheme that names a provider's metadata, where all of its flows stand.
    OpenIdConnect,
}

/// A flow in generated code; `addresses` in the order of the fields.
pub const fn flow(
    scheme: &'static str,
    kind: FlowKind,
    addresses: [Option<&'static str>; 5],
    scopes: &'static [&'static str],
) -> SecurityFlow {
    let [token_url, authorization_url, device_url, refresh_url, metadata_url] = addresses;
    SecurityFlow { scheme, kind, token_url, authorization_url, device_url, refresh_url, metadata_url, scopes }
}
