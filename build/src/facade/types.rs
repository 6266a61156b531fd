//! The types of requests and answers.

use super::{
    arguments::said,
    code::{doc_text, docs, each_text, last_segment, name_of, subject},
    setters::{missing, required, rewrite_setter},
};
use crate::{
    document::{Document, members},
    names,
    reach::Reach,
};
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use syn::{
    Attribute, Field, GenericArgument, Ident, ImplItem, Item, ItemImpl, ItemStruct, PathArguments, Type, parse_quote,
};

pub(super) fn rewrite_types(items: &mut Vec<Item>, reach: &Reach) {
    let written: BTreeSet<String> = reach.requests.iter().map(|name| names::pascal(name)).collect();
    let is_written = |name: &Ident| written.contains(&name.to_string());
    // No program writes an answer, so none needs a builder for one.
    items.retain(|item| !matches!(item, Item::Impl(block) if is_builder_door(block) && !is_written(&name_of(block))));
    let mut field_docs = BTreeMap::new();
    for item in items.iter_mut() {
        match item {
            Item::Struct(declared) => {
                declared.fields.iter_mut().for_each(read_leniently);
                // Vendors add members: a new field must not break our users' code.
                declared.attrs.push(parse_quote!(#[non_exhaustive]));
                field_docs.insert(declared.ident.to_string(), docs_of_fields(declared));
            }
            Item::Enum(union) => document_variants(union),
            Item::Impl(block) if is_builder_door(block) => document_door(block),
            _ => {}
        }
    }
    for item in items.iter_mut() {
        if let Item::Mod(builders) = item
            && builders.ident == "builder"
            && let Some((_, items)) = &mut builders.content
        {
            items.retain(|item| subject(item).is_none_or(|name| is_written(&name)));
            let needed = required_members(items);
            items.iter_mut().for_each(|item| rewrite_type_builder(item, &field_docs, &needed));
        }
    }
}

/// Members whose own name is no program's, or another's, bear it on the wire.
pub(super) fn wire_names(items: &mut [Item], document: &Document) {
    let mut names: BTreeMap<(String, String), &str> = BTreeMap::new();
    for (name, schema) in document.schemas() {
        for (member, value) in members(&schema["properties"]) {
            let Some(wire) = value["x-wire-name"].as_str() else { continue };
            for of in [name.to_owned(), format!("{name}Answer")] {
                names.insert((names::pascal(&of), names::snake(member)), wire);
            }
        }
    }
    for item in items {
        let Item::Struct(declared) = item else { continue };
        let of = declared.ident.to_string();
        for field in &mut declared.fields {
            let Some(ident) = &field.ident else { continue };
            let Some(wire) = names.get(&(of.clone(), ident.to_string())) else { continue };
            field.attrs.push(parse_quote!(#[serde(rename = #wire)]));
        }
    }
}

/// `impl X { pub fn builder() }`
fn is_builder_door(block: &ItemImpl) -> bool {
    block.trait_.is_none()
        && block.items.iter().any(|item| matches!(item, ImplItem::Fn(function) if function.sig.ident == "builder"))
}

fn document_door(block: &mut ItemImpl) {
    for item in &mut block.items {
        if let ImplItem::Fn(function) = item {
            function.attrs = docs("Begins an empty value; required members must be set before it is used.");
            function.attrs.push(parse_quote!(#[must_use]));
        }
    }
}

fn docs_of_fields(declared: &ItemStruct) -> BTreeMap<String, Vec<Attribute>> {
    let fields = declared.fields.iter().filter_map(|field| Some((field.ident.as_ref()?.to_string(), field)));
    let docs = |field: &Field| field.attrs.iter().filter(|attribute| doc_text(attribute).is_some()).cloned().collect();
    fields.map(|(name, field)| (name, docs(field))).collect()
}

/// The members of each type that its builder refuses to go without.
fn required_members(items: &mut [Item]) -> BTreeMap<String, BTreeSet<String>> {
    let mut needed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for item in items {
        let Item::Impl(block) = item else { continue };
        let needed = needed.entry(name_of(block).to_string()).or_default();
        // Whose value is missing, by what the generated code says of it.
        each_text(&mut block.items, &mut |text| needed.extend(missing(&text.value()).map(str::to_owned)));
    }
    needed
}

fn rewrite_type_builder(
    item: &mut Item,
    field_docs: &BTreeMap<String, BTreeMap<String, Vec<Attribute>>>,
    needed: &BTreeMap<String, BTreeSet<String>>,
) {
    match item {
        Item::Struct(declared) => {
            let name = declared.ident.to_string();
            declared.attrs.splice(0..0, docs(&format!("A [`{name}`](super::{name}) in the making.")));
        }
        Item::Impl(block) if block.trait_.is_none() => {
            let of = name_of(block).to_string();
            let fields = field_docs.get(&of);
            for item in &mut block.items {
                if let ImplItem::Fn(function) = item {
                    let setter = function.sig.ident.to_string();
                    let about = fields.and_then(|fields| fields.get(&setter)).cloned().unwrap_or_default();
                    let text = about.iter().filter_map(doc_text).collect::<Vec<_>>().join("\n");
                    let needed = needed.get(&of).is_some_and(|needed| needed.contains(&setter));
                    rewrite_setter(function, docs(&said(needed, text.trim_start())));
                }
            }
        }
        Item::Impl(block) => each_text(&mut block.items, &mut required),
        _ => {}
    }
}

/// A list or map that may be left out may also be `null`, or hold `null`.
fn read_leniently(field: &mut Field) {
    let has_default = field.attrs.iter().any(|attribute| {
        attribute.path().is_ident("serde") && attribute.to_token_stream().to_string().contains("default")
    });
    if let Some(reader) = reader_for(&field.ty).filter(|_| has_default) {
        let reader = format!("crate::http::runtime::{reader}");
        field.attrs.push(parse_quote!(#[serde(deserialize_with = #reader)]));
    }
}

fn reader_for(of: &Type) -> Option<&'static str> {
    let collection = last_segment(of)?;
    let holds_null = element(&collection.arguments)
        .and_then(last_segment)
        .is_some_and(|segment| segment.ident == "Option" || segment.ident == "Value");
    match (collection.ident.to_string().as_str(), holds_null) {
        ("Vec", false) => Some("list"),
        ("BTreeMap", false) => Some("map"),
        ("Vec" | "BTreeMap" | "Map", _) => Some("null_is_default"),
        _ => None,
    }
}

/// The last type argument: the item of a list, the value of a map.
fn element(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    match arguments.args.last()? {
        GenericArgument::Type(of) => Some(of),
        _ => None,
    }
}

fn document_variants(union: &mut syn::ItemEnum) {
    for variant in &mut union.variants {
        let text = match variant.ident.to_string().as_str() {
            "Text" => "A text.",
            "Number" => "A number.",
            "Flag" => "True or false.",
            "List" => "A list.",
            _ => "An object.",
        };
        variant.attrs.splice(0..0, docs(text));
    }
}
