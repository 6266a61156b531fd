//! What the generator wrote, made ours: our runtime and error in place of `progenitor_client`, constructors for the
//! crate alone, setters that take what a user has at hand, answers read leniently, everything documented.

mod arguments;
mod builders;
mod code;
mod setters;
mod types;

use super::{
    diagnostic::{Diagnosed, diagnose},
    document::{Document, Operation, text},
    names,
    prepare::has_secret_in_url,
    reach::Reach,
};
use arguments::arguments;
use builders::rewrite_builders;
pub(crate) use code::{compiled_where_called, docs, each_attributes, module};
use code::{spaced, tidy};
use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use std::collections::{BTreeMap, BTreeSet};
use syn::{ImplItem, ImplItemFn, Item, ItemImpl, ItemStruct, Visibility, parse_quote};
use types::{rewrite_types, wire_names};

pub(crate) fn rewrite(code: &mut syn::File, document: &Document, reach: &Reach) -> Diagnosed<()> {
    each_attributes(code, tidy);
    code.items.retain(|item| !belongs_to_the_generator(item));
    for item in &mut code.items {
        match item {
            Item::Struct(client) => rewrite_client(client, document),
            Item::Impl(methods) => rewrite_methods(methods, document),
            _ => {}
        }
    }
    code.items.push(parse_quote! {
        impl ::std::fmt::Debug for Client {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct("Client").finish_non_exhaustive()
            }
        }
    });
    rewrite_builders(code, document)?;
    if document.own {
        promise(code, document);
    }
    let types = module(&mut code.items, "types", &document.file)?;
    rewrite_types(types, reach);
    wire_names(types, document);
    each_attributes(code, spaced);
    Ok(())
}

/// A test that the compiler makes: the future of every call may go to another thread.
fn promise(code: &mut syn::File, document: &Document) {
    let calls = document.generated().map(|operation| format_ident!("{}", names::pascal(operation.id())));
    code.items.push(parse_quote! {
        #[test]
        fn the_future_of_every_call_is_send() {
            fn promised<Call, Sending: Future + Send>(_: fn(Call) -> Sending) {}
            #(promised(builder::#calls::<'static>::send);)*
        }
    });
}

/// Nothing of the generator's own runtime may remain, and facts and operations must be the same set.
pub(crate) fn check(code: &syn::File, document: &Document) -> Diagnosed<()> {
    let unknown_form = "the generator was updated: bring facade.rs and send.rs up to it";
    if names_word(code.to_token_stream(), "progenitor_client") {
        return diagnose(&document.file, "", "the generated code still names `progenitor_client`", unknown_form);
    }
    if !functions(code).any(|function| function.sig.ident == "new_with_client") {
        return diagnose(&document.file, "", "the generated client has no `new_with_client`", unknown_form);
    }
    let expected: BTreeSet<String> = document.generated().map(|operation| names::snake(operation.id())).collect();
    let methods = client_methods(code);
    if let Some(stray) = methods.difference(&expected).next() {
        return diagnose(&document.file, "", format!("the generated operation `{stray}` has no facts"), unknown_form);
    }
    if let Some(lost) = expected.difference(&methods).next() {
        return diagnose(&document.file, "", format!("the operation `{lost}` was not generated"), unknown_form);
    }
    Ok(())
}

/// Whether a word stands anywhere in the code, however deep; in texts it may.
fn names_word(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => names_word(group.stream(), word),
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The functions of the generated client.
fn functions(code: &syn::File) -> impl Iterator<Item = &ImplItemFn> {
    let impls = code.items.iter().filter_map(|item| match item {
        Item::Impl(block) if block.trait_.is_none() => Some(&block.items),
        _ => None,
    });
    impls.flatten().filter_map(|item| match item {
        ImplItem::Fn(function) => Some(function),
        _ => None,
    })
}

/// The methods of the generated client that begin an operation.
fn client_methods(code: &syn::File) -> BTreeSet<String> {
    let public = functions(code).filter(|function| matches!(function.vis, Visibility::Public(_)));
    public.map(|function| function.sig.ident.to_string()).collect()
}

fn belongs_to_the_generator(item: &Item) -> bool {
    match item {
        Item::Use(_) => true,
        Item::Const(constant) => constant.ident == "_",
        Item::Mod(module) => module.ident == "prelude",
        Item::Impl(block) => block.trait_.is_some(),
        _ => false,
    }
}

fn rewrite_client(client: &mut ItemStruct, document: &Document) {
    let info = &document.root["info"];
    let text = format!("Every generated operation of {}.\n\n{}", text(&info["title"]), text(&info["description"]));
    client.attrs = docs(&text);
    // A derived `Debug` would print the HTTP client with whatever the user configured in it.
    client.attrs.push(parse_quote!(#[derive(Clone)]));
    // Parsed once, and not by each call.
    let base = client.fields.iter_mut().find(|field| field.ident.as_ref().is_some_and(|name| name == "baseurl"));
    if let Some(base) = base {
        base.ty = parse_quote!(crate::http::runtime::Base);
    }
}

fn rewrite_methods(methods: &mut ItemImpl, document: &Document) {
    let operations: BTreeMap<String, Operation<'_>> =
        document.generated().map(|operation| (names::snake(operation.id()), operation)).collect();
    methods.items.retain(|item| !matches!(item, ImplItem::Fn(function) if function.sig.ident == "new"));
    for item in &mut methods.items {
        let ImplItem::Fn(function) = item else { continue };
        if function.sig.ident == "new_with_client" {
            *function = parse_quote! {
                /// `baseurl` is the platform's root with `SERVER_PATH` behind it.
                pub(crate) fn new_with_client(
                    baseurl: crate::http::runtime::Base,
                    client: ::reqwest::Client,
                    inner: crate::http::Core,
                ) -> Self {
                    Self { baseurl, client, inner }
                }
            };
            continue;
        }
        if let Some(operation) = operations.get(&function.sig.ident.to_string()) {
            function.attrs = docs(&about(document, *operation));
            function.attrs.push(parse_quote!(#[must_use = "nothing is sent before `send()`"]));
        }
    }
}

/// What the documentation of an operation says.
fn about(document: &Document, operation: Operation<'_>) -> String {
    let value = operation.value;
    let path = format!("{}{}", document.server_path(), operation.path);
    let mut lines = vec![
        text(&value["summary"]).trim_end_matches('.').to_owned() + ".",
        String::new(),
        text(&value["description"]).replace('\r', ""),
        String::new(),
        format!("- `{} {path}`. {}", operation.method.to_uppercase(), certainty(text(&value["x-certainty"]))),
        format!("- {}", session(document, operation)),
        format!("- {}", what_it_takes(document, operation)),
        match value["x-resend"] == true {
            true => "- Sent again by itself when the outcome of the first attempt is unknown.".to_owned(),
            false => "- Never sent again by itself when the outcome of the first attempt is unknown.".to_owned(),
        },
    ];
    if has_secret_in_url(document, operation) {
        lines.push("- Its URL holds a secret; Keyway never prints it.".to_owned());
    }
    if let Some(source) = value["x-source"].as_str() {
        lines.push(format!("- Source: {}.", source.trim_end_matches('.')));
    }
    lines.join("\n")
}

/// Which setters must be called, in words.
fn what_it_takes(document: &Document, operation: Operation<'_>) -> String {
    let arguments = arguments(document, operation);
    let named = |needed: bool| {
        let names = arguments.iter().filter(|(_, argument)| argument.needed == needed);
        names.map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    match (named(true), named(false)) {
        (needed, optional) if needed.is_empty() && optional.is_empty() => "Takes nothing.".to_owned(),
        (needed, optional) if optional.is_empty() => format!("Required: {needed}."),
        (needed, optional) if needed.is_empty() => format!("Optional: {optional}."),
        (needed, optional) => format!("Required: {needed}. Optional: {optional}."),
    }
}

fn certainty(mark: &str) -> &'static str {
    match mark {
        "documented" => "The vendor documents it.",
        "example only" => "The vendor shows it in an example only.",
        "observed" => "The vendor does not document it; clients were seen to use it.",
        "inferred" => "The path is inferred from what is known around it.",
        _ => "The path is a guess: a 404 or 405 may mean that the vendor calls it differently.",
    }
}

fn session(document: &Document, operation: Operation<'_>) -> String {
    let roles = super::facts::roles(document, operation);
    match roles.as_slice() {
        ["any"] => "Needs a session.".to_owned(),
        [] => "Needs no session.".to_owned(),
        [one] => format!("Needs a {one} session."),
        [first @ .., last] => format!("Needs a {} or {last} session.", first.join(", ")),
    }
}
