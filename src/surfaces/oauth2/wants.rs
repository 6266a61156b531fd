//! What a token shall be good for.

/// What a token shall be good for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wants {
    pub(super) scope: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) resources: Vec<String>,
}

/// Of a form.
pub(super) type Fields<'a> = Vec<(&'a str, &'a str)>;

impl Wants {
    /// Said with every new grant.
    pub(super) fn fields(&self) -> Fields<'_> {
        let scope = self.scope.as_deref().map(|scope| ("scope", scope));
        let audience = self.audience.as_deref().map(|audience| ("audience", audience));
        scope.into_iter().chain(audience).chain(self.resources()).collect()
    }

    /// Said with a renewal too, whose scopes are those of its refresh token (RFC 8707, 2.2).
    pub(super) fn resources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.resources.iter().map(|resource| ("resource", resource.as_str()))
    }
}
