//! Generated code is compiled against whatever version of Keyway a user has. What it may use of it is listed in
//! `interface.txt`, under the number by which both know each other: whoever changes the one raises the other.
#![allow(clippy::expect_used, reason = "tests")]

use quote::{ToTokens, quote};
use std::{fs, path::Path};
use syn::{ImplItem, Item, ItemImpl, Visibility};

/// Where what `keyway::__private` names is written.
const FILES: &[&str] = &[
    "address",
    "choice",
    "document",
    "facts",
    "outside",
    "runtime",
    "runtime/exposed",
    "runtime/form",
    "runtime/lenient",
    "runtime/optional",
    "runtime/query",
    "runtime/response_value",
    "segments",
    "upload",
];

#[test]
fn what_generated_code_stands_on_changes_with_the_number_of_the_interface() {
    let number = number();
    let listed = FILES.iter().flat_map(|file| public_items(file)).chain(re_exports());
    let now = format!("interface {number}\n{}\n", listed.collect::<Vec<_>>().join("\n"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interface.txt");
    let before = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
    if before == now {
        return;
    }
    let raised = "`INTERFACE` in build/src/outside.rs and the number of `__fits` in src/http/outside.rs";
    let is_raised = before.lines().next() != now.lines().next();
    assert!(
        is_raised,
        "generated code stands on something else than before: raise {raised}\n{}",
        difference(&before, &now)
    );
    assert!(std::env::var_os("KEYWAY_BLESS").is_some(), "{} is old: KEYWAY_BLESS=1 cargo test", file.display());
    fs::write(file, now).expect("written");
}

fn source(file: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(&file).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
}

/// What the generator writes, and what Keyway takes.
fn number() -> String {
    let between = |text: &str, before: &str, after: &str| {
        let rest = text.split_once(before).expect("the number of the interface").1;
        rest.split_once(after).expect("its end").0.to_owned()
    };
    let written = between(&source("build/src/outside.rs"), "const INTERFACE: u32 = ", ";");
    let taken = between(&source("src/http/outside.rs"), "macro_rules! __fits {\n    (", ",");
    assert_eq!(written, taken, "keyway-build writes another number than keyway takes");
    written
}

fn difference(before: &str, now: &str) -> String {
    let only = |these: &str, those: &str, sign: &str| {
        let lines = these.lines().filter(|line| !those.lines().any(|other| other == *line));
        lines.map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    only(before, now, "-") + &only(now, before, "+")
}

/// The module that generated code names.
fn re_exports() -> Vec<String> {
    let file = syn::parse_file(&source("src/lib.rs")).expect("Rust");
    let private = file.items.into_iter().find_map(|item| match item {
        Item::Mod(module) if module.ident == "__private" => module.content,
        _ => None,
    });
    let items = private.expect("the module `__private`").1;
    items.iter().map(|item| format!("__private: {}", item.to_token_stream())).collect()
}

/// What of a file others may name, without its documentation and without what it does.
fn public_items(file: &str) -> Vec<String> {
    let code = syn::parse_file(&source(&format!("src/http/{file}.rs"))).expect("Rust");
    let items = code.items.into_iter().flat_map(declared);
    items.map(|item| format!("{file}: {item}")).collect()
}

fn declared(item: Item) -> Vec<String> {
    let is_public = |seen: &Visibility| matches!(seen, Visibility::Public(_));
    let one = match item {
        Item::Fn(function) if is_public(&function.vis) => function.sig.to_token_stream(),
        Item::Struct(mut of) if is_public(&of.vis) => {
            of.attrs.clear();
            of.fields.iter_mut().for_each(|field| field.attrs.clear());
            // What nobody else may name is nobody else's.
            match of.fields.iter().all(|field| is_public(&field.vis)) {
                true => of.to_token_stream(),
                false => {
                    let (name, generics) = (&of.ident, &of.generics);
                    quote!(struct #name #generics { .. })
                }
            }
        }
        Item::Enum(mut of) if is_public(&of.vis) => {
            of.attrs.clear();
            of.variants.iter_mut().for_each(|variant| variant.attrs.clear());
            of.to_token_stream()
        }
        Item::Trait(mut of) if is_public(&of.vis) => {
            of.attrs.clear();
            of.to_token_stream()
        }
        Item::Type(of) if is_public(&of.vis) => of.to_token_stream(),
        Item::Const(of) if is_public(&of.vis) => of.to_token_stream(),
        Item::Use(of) if is_public(&of.vis) => of.to_token_stream(),
        Item::Impl(block) => return implemented(block),
        _ => return Vec::new(),
    };
    vec![one.to_string()]
}

/// The functions of a type that others may call, and the traits that it has.
fn implemented(block: ItemImpl) -> Vec<String> {
    let (generics, of) = (&block.generics, &block.self_ty);
    let clause = &generics.where_clause;
    if let Some((path, _)) = &block.trait_ {
        return vec![quote!(impl #generics #path for #of #clause).to_string()];
    }
    let public = block.items.iter().filter_map(|item| match item {
        ImplItem::Fn(function) if matches!(function.vis, Visibility::Public(_)) => Some(function.sig.to_token_stream()),
        ImplItem::Const(of) if matches!(of.vis, Visibility::Public(_)) => {
            let (name, kind) = (&of.ident, &of.ty);
            Some(quote!(const #name: #kind))
        }
        _ => None,
    });
    public.map(|item| format!("{} :: {item}", of.to_token_stream())).collect()
}
