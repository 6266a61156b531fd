//! The setters of builders, of operations and of types alike.

use super::code::{first_argument, is_option, option_inner};
use quote::{ToTokens, quote};
use syn::{Attribute, FnArg, ImplItemFn, Type, WherePredicate, parse_quote};

/// A setter as we want it: `&str` for an optional text or secret too, an `Option` as well, and messages that name the
/// field in a form `runtime::invalid_request` reads.
pub(super) fn rewrite_setter(function: &mut ImplItemFn, about: Vec<Attribute>) {
    let Some(target) = target_of(function) else { return };
    let name = function.sig.ident.clone();
    let takes_option = is_option(&target) || function.block.to_token_stream().to_string().contains("map (Some)");
    if takes_option {
        let inner = option_inner(&target).cloned().unwrap_or(target);
        *function = parse_quote! {
            #[must_use]
            pub fn #name(mut self, value: impl ::std::convert::Into<crate::http::runtime::Optional<#inner>>) -> Self {
                self.#name = Ok(value.into().0);
                self
            }
        };
    } else {
        let text = name.to_string();
        // The builder of a body is made from the body.
        let into_builder = function.block.to_token_stream().to_string().contains("From :: from");
        let into_builder = into_builder.then(|| quote!(.map(::std::convert::From::from)));
        *function = parse_quote! {
            #[must_use]
            pub fn #name(
                mut self,
                value: impl ::std::convert::TryInto<#target, Error: ::std::fmt::Display>,
            ) -> Self {
                self.#name = crate::http::runtime::converted(#text, value) #into_builder;
                self
            }
        };
    }
    function.attrs.splice(0..0, about);
}

/// `X` of the setter's `T: TryInto<X>`.
fn target_of(function: &ImplItemFn) -> Option<Type> {
    let has_value = function.sig.inputs.iter().any(|input| matches!(input, FnArg::Typed(_)));
    let clause = function.sig.generics.where_clause.as_ref().filter(|_| has_value)?;
    clause.predicates.iter().find_map(|predicate| {
        let WherePredicate::Type(predicate) = predicate else { return None };
        let syn::TypeParamBound::Trait(bound) = predicate.bounds.first()? else { return None };
        let last = bound.path.segments.last().filter(|segment| segment.ident == "TryInto")?;
        first_argument(&last.arguments).cloned()
    })
}

/// `no value supplied for x` and `x was not initialized` → "`x` is required".
pub(super) fn required(text: &mut syn::LitStr) {
    if let Some(field) = missing(&text.value()) {
        *text = syn::LitStr::new(&format!("`{field}` is required"), text.span());
    }
}

pub(super) fn missing(text: &str) -> Option<&str> {
    text.strip_prefix("no value supplied for ").or(text.strip_suffix(" was not initialized"))
}
