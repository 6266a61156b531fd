//! Choices between alternatives: a variant for each, found by what tells them apart, and one for whatever else comes.

use super::{
    diagnostic::Diagnosed,
    document::{Document, list, text, wire_name},
    facade::{docs, module},
    facts::type_of,
    names,
    reach::{Reach, all_members, is_choice},
    shape::{Shaper, Side, json_type},
};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Adds every choice of the document to the generated `types`.
pub(crate) fn add(code: &mut syn::File, document: &Document, reach: &Reach) -> Diagnosed<()> {
    let types = module(&mut code.items, "types", &document.file)?;
    let choices = choices(document, reach);
    if !choices.is_empty() {
        // The alternatives are named as they are from the module above.
        types.push(syn::parse_quote!(
            use super::types;
        ));
    }
    for (name, shaper) in choices {
        let made: syn::File = syn::parse2(items(shaper, name)).map_err(|why| {
            let what = format!("the choice `{name}` cannot be written ({why})");
            vec![super::Diagnostic { file: document.file.clone(), place: None, what, cure: "report this".to_owned() }]
        })?;
        types.extend(made.items);
    }
    Ok(())
}

/// The choices that the code of this document needs, for each side that does.
pub(crate) fn choices<'d>(document: &'d Document, reach: &'d Reach) -> Vec<(&'d str, Shaper<'d>)> {
    let mut found = Vec::new();
    for (name, _) in document.schemas().filter(|(_, schema)| is_choice(schema)) {
        let is_asked = reach.requests.contains(name);
        if is_asked {
            found.push((name, Shaper { document, reach, side: Side::Request }));
        }
        if reach.answers.contains(name) && (!is_asked || reach.split.contains(name)) {
            found.push((name, Shaper { document, reach, side: Side::Answer }));
        }
    }
    found
}

struct Variant {
    name: proc_macro2::Ident,
    of: TokenStream,
    marks: TokenStream,
}

fn items(shaper: Shaper<'_>, name: &str) -> TokenStream {
    let schema = shaper.document.schema(name);
    let type_name = format_ident!("{}", names::pascal(&shaper.type_name(name)));
    let about = docs(text(&schema["description"]));
    let tag = text(&schema["x-choice"]["tag"]);
    let alternatives = list(&schema["oneOf"]).iter().zip(list(&schema["x-choice"]["variants"]));
    let variants: Vec<Variant> =
        alternatives.map(|(alternative, variant)| read(shaper, alternative, variant, tag)).collect();
    let names: Vec<_> = variants.iter().map(|variant| &variant.name).collect();
    let of: Vec<_> = variants.iter().map(|variant| &variant.of).collect();
    let marks: Vec<_> = variants.iter().map(|variant| &variant.marks).collect();
    let numbers = 0..variants.len();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    variants.iter().for_each(|variant| *counts.entry(variant.of.to_string()).or_default() += 1);
    let lone = variants.iter().filter(|variant| counts[&variant.of.to_string()] == 1);
    let conversions = lone.map(|Variant { name, of, .. }| {
        quote! {
            impl ::std::convert::From<#of> for #type_name {
                fn from(value: #of) -> Self {
                    Self::#name(::std::boxed::Box::new(value))
                }
            }
        }
    });
    quote! {
        #(#about)*
        #[doc = ""]
        #[doc = " What fits none of the alternatives is kept in `Other` and written back as it came."]
        #[non_exhaustive]
        #[derive(Clone, Debug)]
        pub enum #type_name {
            #(
                #[doc = " One of the alternatives."]
                #names(::std::boxed::Box<#of>),
            )*
            #[doc = " What the document does not name."]
            Other(::serde_json::Value),
        }

        impl #type_name {
            const ALTERNATIVES: &'static [crate::http::runtime::Alternative] = &[#(#marks),*];
        }

        #(#conversions)*

        impl ::serde::Serialize for #type_name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                match self {
                    #(Self::#names(value) => ::serde::Serialize::serialize(value, serializer),)*
                    Self::Other(value) => ::serde::Serialize::serialize(value, serializer),
                }
            }
        }

        impl<'de> ::serde::Deserialize<'de> for #type_name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                let value = <::serde_json::Value as ::serde::Deserialize>::deserialize(deserializer)?;
                Ok(match crate::http::runtime::chosen(&value, Self::ALTERNATIVES) {
                    #(Some(#numbers) => crate::http::runtime::read(value, Self::#names, Self::Other),)*
                    _ => Self::Other(value),
                })
            }
        }
    }
}

/// An alternative and what tells it from the others.
fn read(shaper: Shaper<'_>, alternative: &Value, variant: &Value, tag: &str) -> Variant {
    let document = shaper.document;
    let definition = inner(document, alternative);
    let kind = match text(&variant["kind"]) {
        "" => json_type(document, definition),
        kind => kind,
    };
    let all = all_members(document, definition);
    let known = all.iter().map(|(name, member)| wire_name(name, member));
    let wire_names: BTreeMap<&str, &str> = all.iter().map(|(name, member)| (*name, wire_name(name, member))).collect();
    let required = list(&definition["required"]).iter().map(text);
    let required = required.map(|name| wire_names.get(name).copied().unwrap_or(name));
    let mut fixed: Vec<(&str, Vec<&str>)> = Vec::new();
    let tags: Vec<&str> = list(&variant["tags"]).iter().map(text).collect();
    if !tag.is_empty() && !tags.is_empty() {
        fixed.push((tag, tags));
    }
    let mut seen: BTreeSet<&str> = fixed.iter().map(|(known, _)| *known).collect();
    for (name, member) in &all {
        let values = list(&inner(document, member)["enum"]);
        let wire = wire_name(name, member);
        if !values.is_empty() && values.len() <= 4 && values.iter().all(Value::is_string) && seen.insert(wire) {
            fixed.push((wire, values.iter().map(text).collect()));
        }
    }
    let fixed = fixed.iter().map(|(member, values)| quote!((#member, &[#(#values),*])));
    Variant {
        name: format_ident!("{}", text(&variant["name"])),
        of: type_of(shaper, alternative),
        marks: quote! {
            crate::http::runtime::Alternative {
                kind: #kind,
                required: &[#(#required),*],
                known: &[#(#known),*],
                fixed: &[#(#fixed),*],
            }
        },
    }
}

/// What a reference, or one with words around it, leads to.
fn inner<'d>(document: &'d Document, schema: &'d Value) -> &'d Value {
    let mut schema = schema;
    for _ in 0..16 {
        schema = document.resolve(schema);
        match list(&schema["allOf"]) {
            [only] => schema = only,
            _ => break,
        }
    }
    schema
}
