//! Open enums: a value the document does not name is kept and written back, never refused.

use super::{
    diagnostic::{Diagnosed, Diagnostics},
    document::{Document, text},
    facade::{docs, module},
    generate::open_enums,
    names,
    reach::{Reach, enum_values},
    words::{Given, pascal},
};
use quote::format_ident;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use syn::parse_quote;

/// The variant for whatever the document does not name.
const OTHER: &str = "Other";

/// Adds every enum of the document to the generated `types`.
pub(crate) fn add(code: &mut syn::File, document: &Document, reach: &Reach) -> Diagnosed<()> {
    let mut diagnostics = Diagnostics::about(&document.file);
    let types = module(&mut code.items, "types", &document.file)?;
    for name in open_enums(document, reach) {
        let schema = document.schema(name);
        match variants(schema, document.own) {
            Ok(variants) => types.extend(items(name, schema, &variants)),
            Err((what, cure)) => diagnostics.add(&format!("schema `{name}`"), what, cure),
        }
    }
    diagnostics.or(())
}

/// Variant → value. `null` among the values is what `nullable` says already.
fn variants(schema: &Value, own: bool) -> Result<Vec<(String, &str)>, (String, &'static str)> {
    if !own {
        return Ok(numbered_variants(schema));
    }
    let mut seen = BTreeMap::new();
    let mut variants = Vec::new();
    for value in enum_values(schema).iter().filter(|value| !value.is_null()).map(text) {
        let variant = names::pascal(value);
        if variant.is_empty() || variant == OTHER {
            let cure = "write the schema as a plain string and name the values in its description";
            return Err((format!("the enum value `{value}` makes no name of its own for a variant"), cure));
        }
        if let Some(twin) = seen.insert(variant.clone(), value) {
            let cure = "write the schema as a plain string and name the values in its description";
            return Err((format!("the enum values `{twin}` and `{value}` become the same variant `{variant}`"), cure));
        }
        variants.push((variant, value));
    }
    Ok(variants)
}

/// Every value gets a variant, whatever it is called.
fn numbered_variants(schema: &Value) -> Vec<(String, &str)> {
    let mut given = Given::default();
    given.take(OTHER);
    let mut values: Vec<&str> = enum_values(schema).iter().filter(|value| !value.is_null()).map(text).collect();
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(*value));
    let wish = |value: &str| match value {
        "" => "Empty".to_owned(),
        _ if pascal(value).is_empty() => "Value".to_owned(),
        _ => pascal(value),
    };
    values.into_iter().map(|value| (given.of_type(&wish(value)), value)).collect()
}

fn items(name: &str, schema: &Value, variants: &[(String, &str)]) -> Vec<syn::Item> {
    let type_name = format_ident!("{}", names::pascal(name));
    let about = docs(text(&schema["description"]));
    let (variant, value): (Vec<_>, Vec<_>) =
        variants.iter().map(|(variant, value)| (format_ident!("{variant}"), *value)).unzip();
    let variant_docs = value.iter().map(|value| format!(" `{value}`"));

    let code: syn::File = parse_quote! {
        #(#about)*
        #[doc = ""]
        #[doc = " The list is open: a value that is not named here is kept in `Other` and written back as it came."]
        #[non_exhaustive]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum #type_name {
            #(#[doc = #variant_docs] #variant,)*
            /// A value that the document does not name.
            Other(::std::string::String),
        }

        impl #type_name {
            /// The value as it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    #(Self::#variant => #value,)*
                    Self::Other(value) => value,
                }
            }
        }

        impl ::std::convert::From<&str> for #type_name {
            fn from(value: &str) -> Self {
                match value {
                    #(#value => Self::#variant,)*
                    _ => Self::Other(value.to_owned()),
                }
            }
        }

        impl ::std::convert::From<::std::string::String> for #type_name {
            fn from(value: ::std::string::String) -> Self {
                Self::from(value.as_str())
            }
        }

        impl crate::http::runtime::OpenText for #type_name {}

        impl ::std::str::FromStr for #type_name {
            type Err = ::std::convert::Infallible;

            fn from_str(value: &str) -> ::std::result::Result<Self, Self::Err> {
                Ok(Self::from(value))
            }
        }

        impl ::std::fmt::Display for #type_name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::serde::Serialize for #type_name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for #type_name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                <::std::string::String as ::serde::Deserialize>::deserialize(deserializer).map(Self::from)
            }
        }
    };
    code.items
}
