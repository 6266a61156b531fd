//! Code as `syn` has it: what is in it, and what holds for a file as a whole.

use crate::diagnostic::{Diagnosed, diagnose};
use quote::{ToTokens, format_ident};
use syn::{
    Attribute, GenericArgument, Ident, ImplItem, Item, ItemImpl, LitStr, PathArguments, Type, parse_quote,
    visit_mut::VisitMut,
};

/// The items of `mod name`.
pub(crate) fn module<'f>(items: &'f mut [Item], name: &str, file: &str) -> Diagnosed<&'f mut Vec<Item>> {
    let found = items.iter_mut().find_map(|item| match item {
        Item::Mod(module) if module.ident == name => module.content.as_mut().map(|(_, items)| items),
        _ => None,
    });
    match found {
        Some(items) => Ok(items),
        None => diagnose(file, "", format!("the generator made no module `{name}`"), "bring facade.rs up to it"),
    }
}

/// Doc attributes for a text, one per line.
pub(crate) fn docs(text: &str) -> Vec<Attribute> {
    text.trim_end().lines().map(|line| parse_quote!(#[doc = #line])).collect()
}

/// Changes each list of attributes in a file. Whatever walks through all of a file is compiled for each that walks so, and is
/// large: this one serves all.
pub(crate) fn each_attributes(file: &mut syn::File, change: impl FnMut(&mut Vec<Attribute>)) {
    struct Attributes<'c>(&'c mut dyn FnMut(&mut Vec<Attribute>));

    impl VisitMut for Attributes<'_> {
        fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
            (self.0)(attributes);
        }
    }
    let mut change = change;
    Attributes(&mut change).visit_file_mut(file);
}

/// Changes each text in these functions.
pub(super) fn each_text(functions: &mut [ImplItem], change: &mut dyn FnMut(&mut LitStr)) {
    struct Texts<'c>(&'c mut dyn FnMut(&mut LitStr));

    impl VisitMut for Texts<'_> {
        fn visit_lit_str_mut(&mut self, text: &mut LitStr) {
            (self.0)(text);
        }
    }
    functions.iter_mut().for_each(|function| Texts(change).visit_impl_item_mut(function));
}

/// Takes out lint attributes (the include site has one list for all) and the ban on unknown members.
pub(super) fn tidy(attributes: &mut Vec<Attribute>) {
    attributes.retain(|attribute| {
        let is_ban = attribute.path().is_ident("serde")
            && attribute.to_token_stream().to_string().contains("deny_unknown_fields");
        !attribute.path().is_ident("allow") && !is_ban
    });
}

/// A method is compiled where it is called, if it is: few programs call every operation that a document has.
pub(crate) fn compiled_where_called(items: &mut [Item]) {
    for item in items {
        match item {
            Item::Mod(module) => {
                compiled_where_called(module.content.as_mut().map(|(_, items)| &mut **items).unwrap_or_default())
            }
            Item::Impl(block) => block.items.iter_mut().for_each(|item| {
                if let ImplItem::Fn(function) = item {
                    function.attrs.push(parse_quote!(#[inline]));
                }
            }),
            _ => {}
        }
    }
}

/// `///Text` → `/// Text`, one attribute per line, so that the code can be read.
pub(super) fn spaced(attributes: &mut Vec<Attribute>) {
    let mut spaced = Vec::with_capacity(attributes.len());
    for attribute in attributes.drain(..) {
        match doc_text(&attribute) {
            Some(text) if text.is_empty() => spaced.push(attribute),
            Some(text) => spaced.extend(text.lines().map(|line| {
                let line = if line.is_empty() || line.starts_with(' ') { line.to_owned() } else { format!(" {line}") };
                parse_quote!(#[doc = #line])
            })),
            None => spaced.push(attribute),
        }
    }
    *attributes = spaced;
}

pub(super) fn doc_text(attribute: &Attribute) -> Option<String> {
    let meta = attribute.meta.require_name_value().ok().filter(|meta| meta.path.is_ident("doc"))?;
    match &meta.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
}

pub(super) fn name_of(block: &ItemImpl) -> Ident {
    last_segment(&block.self_ty).map_or_else(|| format_ident!("_"), |segment| segment.ident.clone())
}

/// The type a builder's item belongs to. The conversions between a type and its builder bear the same name.
pub(super) fn subject(item: &Item) -> Option<Ident> {
    match item {
        Item::Struct(declared) => Some(declared.ident.clone()),
        Item::Impl(block) => Some(name_of(block)),
        _ => None,
    }
}

pub(super) fn first_argument(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(of) => Some(of),
        _ => None,
    })
}

/// The last word of a path type with its arguments: `Vec` and `<T>` of `::std::vec::Vec<T>`.
pub(super) fn last_segment(of: &Type) -> Option<&syn::PathSegment> {
    let Type::Path(path) = of else { return None };
    path.path.segments.last()
}

pub(super) fn is_option(of: &Type) -> bool {
    last_segment(of).is_some_and(|segment| segment.ident == "Option")
}

pub(super) fn option_inner(of: &Type) -> Option<&Type> {
    last_segment(of).filter(|segment| segment.ident == "Option").and_then(|segment| first_argument(&segment.arguments))
}
