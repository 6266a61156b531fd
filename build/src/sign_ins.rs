//! What the code says of its document: where its vendor is, and how one signs in there.

use crate::document::{list, text};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use serde_json::Value;
use syn::{Item, parse_quote};

/// The type that stands for the document where a type is asked for.
pub(crate) fn document(root: &Value, name: &str, title: &str) -> Vec<Item> {
    let said = &root["x-sign-ins"];
    let origin = optional(&said["origin"]);
    let flows = list(&said["flows"]).iter().map(flow);
    let about = format!(" What {} says of itself.", if title.is_empty() { "the document" } else { title });
    let way = format!(" `keyway::oauth2::Client::of_document::<{name}::Document>()` signs in as it says.");
    let items: syn::File = parse_quote! {
        #[doc = #about]
        #[doc = ""]
        #[doc = #way]
        #[derive(Clone, Copy, Debug)]
        pub struct Document;

        impl crate::Document for Document {
            const TITLE: &'static str = #title;
            const ORIGIN: ::std::option::Option<&'static str> = #origin;
            const FLOWS: &'static [crate::SecurityFlow] = &[#(#flows),*];
        }
    };
    items.items
}

fn flow(flow: &Value) -> TokenStream {
    let kind = Ident::new(text(&flow["kind"]), Span::call_site());
    let scheme = text(&flow["scheme"]);
    let addresses = ["token", "authorization", "device", "refresh", "metadata"].map(|name| optional(&flow[name]));
    let scopes = list(&flow["scopes"]).iter().map(text);
    quote!(crate::http::flow(#scheme, crate::FlowKind::#kind, [#(#addresses),*], &[#(#scopes),*]))
}

fn optional(value: &Value) -> TokenStream {
    match text(value) {
        "" => quote!(::std::option::Option::None),
        said => quote!(::std::option::Option::Some(#said)),
    }
}
