//! What the generator wrote, made ours: our runtime and error in place of `progenitor_client`, constructors for the
//! crate alone, setters that take what a user has at hand, answers read leniently, everything documented.

use super::{
    diagnostic::{Diagnosed, diagnose},
    document::{Document, Operation, members, text},
    names,
    prepare::{has_secret_in_url, is_set_by_us, tenant_choice},
    reach::{Reach, all_members},
    send,
};
use quote::{ToTokens, format_ident, quote};
use serde_json::Value;
use std::collections::BTreeMap;
use syn::{
    Attribute, Field, FnArg, GenericArgument, Ident, ImplItem, ImplItemFn, Item, ItemImpl, ItemStruct, PathArguments,
    Type, Visibility, WherePredicate, parse_quote,
    visit_mut::{self, VisitMut},
};

pub(crate) fn rewrite(code: &mut syn::File, document: &Document, reach: &Reach) -> Diagnosed<()> {
    Tidy.visit_file_mut(code);
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
    Spaced.visit_file_mut(code);
    Ok(())
}

/// A test that the compiler makes: the future of every call may go to another thread.
fn promise(code: &mut syn::File, document: &Document) {
    let calls = generated(document).map(|operation| format_ident!("{}", names::pascal(operation.id())));
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
    if code.to_token_stream().to_string().contains("progenitor_client") {
        return diagnose(&document.file, "", "the generated code still names `progenitor_client`", unknown_form);
    }
    if !code.to_token_stream().to_string().contains("fn new_with_client") {
        return diagnose(&document.file, "", "the generated client has no `new_with_client`", unknown_form);
    }
    let expected: Vec<String> = generated(document).map(|operation| names::snake(operation.id())).collect();
    let methods = client_methods(code);
    if let Some(stray) = methods.iter().find(|method| !expected.contains(method)) {
        return diagnose(&document.file, "", format!("the generated operation `{stray}` has no facts"), unknown_form);
    }
    if let Some(lost) = expected.iter().find(|id| !methods.contains(id)) {
        return diagnose(&document.file, "", format!("the operation `{lost}` was not generated"), unknown_form);
    }
    Ok(())
}

/// The methods of the generated client that begin an operation.
fn client_methods(code: &syn::File) -> Vec<String> {
    let impls = code.items.iter().filter_map(|item| match item {
        Item::Impl(block) if block.trait_.is_none() => Some(&block.items),
        _ => None,
    });
    let functions = impls.flatten().filter_map(|item| match item {
        ImplItem::Fn(function) if matches!(function.vis, Visibility::Public(_)) => Some(function.sig.ident.to_string()),
        _ => None,
    });
    functions.collect()
}

fn generated(document: &Document) -> impl Iterator<Item = Operation<'_>> {
    document.operations().filter(|operation| !operation.is_hand_written())
}

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

// ---- the file as a whole ----

/// Takes out lint attributes (the include site has one list for all) and the ban on unknown members.
struct Tidy;

impl VisitMut for Tidy {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        attributes.retain(|attribute| {
            let is_ban = attribute.path().is_ident("serde")
                && attribute.to_token_stream().to_string().contains("deny_unknown_fields");
            !attribute.path().is_ident("allow") && !is_ban
        });
    }
}

/// `///Text` → `/// Text`, one attribute per line, so that the code can be read.
struct Spaced;

impl VisitMut for Spaced {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        let mut spaced = Vec::with_capacity(attributes.len());
        for attribute in attributes.drain(..) {
            match doc_text(&attribute) {
                Some(text) if text.is_empty() => spaced.push(attribute),
                Some(text) => spaced.extend(text.lines().map(|line| {
                    let line =
                        if line.is_empty() || line.starts_with(' ') { line.to_owned() } else { format!(" {line}") };
                    parse_quote!(#[doc = #line])
                })),
                None => spaced.push(attribute),
            }
        }
        *attributes = spaced;
    }
}

fn doc_text(attribute: &Attribute) -> Option<String> {
    let meta = attribute.meta.require_name_value().ok().filter(|meta| meta.path.is_ident("doc"))?;
    match &meta.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
        _ => None,
    }
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

// ---- the client ----

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
        generated(document).map(|operation| (names::snake(operation.id()), operation)).collect();
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

// ---- the builders of operations ----

fn rewrite_builders(code: &mut syn::File, document: &Document) -> Diagnosed<()> {
    let items = module(&mut code.items, "builder", &document.file)?;
    items.retain(|item| !matches!(item, Item::Use(_)));
    items.insert(
        0,
        parse_quote!(
            use super::types;
        ),
    );
    let operations: BTreeMap<String, Operation<'_>> =
        generated(document).map(|operation| (names::pascal(operation.id()), operation)).collect();
    let rows = super::facts::rows(document);
    for item in items.iter_mut() {
        let Some(operation) = subject(item).and_then(|name| operations.get(&name.to_string()).copied()) else {
            continue;
        };
        match item {
            Item::Struct(declared) => {
                let method = names::snake(operation.id());
                declared.attrs.retain(|attribute| doc_text(attribute).is_none());
                let text = format!("A call of [`Client::{method}`](super::Client::{method}), not yet sent.");
                declared.attrs.splice(0..0, docs(&text));
                add_timeout(declared);
            }
            Item::Impl(block) if block.trait_.is_none() => {
                let row = rows.get(operation.id()).copied().unwrap_or_default();
                rewrite_builder(block, document, operation, row).or_else(|why| {
                    let cure = "the generator was updated: bring send.rs up to it";
                    diagnose(&document.file, &operation.place(), why, cure)
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn rewrite_builder(
    block: &mut ItemImpl,
    document: &Document,
    operation: Operation<'_>,
    row: usize,
) -> Result<(), String> {
    let about = arguments(document, operation);
    let tenant = tenant_choice(document, operation).map(|header| names::snake(text(&header["name"])));
    let tenant = tenant.as_deref();
    let mut sends = false;
    for item in &mut block.items {
        let ImplItem::Fn(function) = item else { continue };
        match function.sig.ident.to_string().as_str() {
            "new" => {
                function.vis = parse_quote!(pub(crate));
                Requirements.visit_impl_item_fn_mut(function);
                NoTimeout.visit_impl_item_fn_mut(function);
            }
            "send" => {
                send::rewrite(function, document, operation, row)?;
                sends = true;
            }
            "body_map" => function.attrs = docs("Fills in the body: the closure gets its builder and returns it."),
            name if tenant == Some(name) => {
                rewrite_setter(function, docs(&format!("Optional. {TENANT}")));
                function.sig.ident = format_ident!("tenant");
            }
            name => {
                let text = about.get(name).map_or("Sets this parameter.".to_owned(), Argument::said);
                rewrite_setter(function, docs(&text));
            }
        }
    }
    let has_its_own = block.items.iter().any(|item| matches!(item, ImplItem::Fn(it) if it.sig.ident == "timeout"));
    let name = format_ident!("{}", if has_its_own { "call_timeout" } else { "timeout" });
    let about = docs(TIMEOUT);
    block.items.push(parse_quote! {
        #(#about)*
        #[must_use]
        pub fn #name(mut self, timeout: ::std::time::Duration) -> Self {
            self.keyway_timeout = Some(timeout);
            self
        }
    });
    if sends { Ok(()) } else { Err("the generated builder has no `send`".to_owned()) }
}

const TIMEOUT: &str = "\
How long this call may take: the wait for the session, every try with the waits between them, and the answer's body. A renewal
it waits for goes on if this is too short.";

/// A field for the call's own timeout.
fn add_timeout(builder: &mut ItemStruct) {
    if let syn::Fields::Named(fields) = &mut builder.fields {
        fields.named.push(parse_quote!(keyway_timeout: ::std::option::Option<::std::time::Duration>));
    }
}

/// `Self { … }` begins without one.
struct NoTimeout;

impl VisitMut for NoTimeout {
    fn visit_expr_struct_mut(&mut self, made: &mut syn::ExprStruct) {
        if made.path.is_ident("Self") {
            made.fields.push(parse_quote!(keyway_timeout: ::std::option::Option::None));
        }
    }
}

const TENANT: &str = "\
The tenant this call is made in, instead of the session's own: a UUID. Only a service session may choose; with any other
one another tenant is refused (`ErrorKind::Config`) before anything is sent.";

/// What is said of an argument of a call.
struct Argument {
    text: String,
    needed: bool,
}

impl Argument {
    fn said(&self) -> String {
        said(self.needed, &self.text)
    }
}

fn said(needed: bool, text: &str) -> String {
    let word = if needed { "Required." } else { "Optional." };
    // A fence counts at the begin of a line only: behind a word it would leave its end alone, which begins a program.
    let between = if text.trim_start().starts_with(['`', '~']) { "\n\n" } else { " " };
    format!("{word}{between}{text}").trim_end().to_owned()
}

/// The arguments of a call, by their setters.
fn arguments(document: &Document, operation: Operation<'_>) -> BTreeMap<String, Argument> {
    let mut about = BTreeMap::new();
    let body = document.resolve(&operation.value["requestBody"]);
    if body.is_object() {
        let text = match text(&body["description"]) {
            "" => "The body.",
            text => text,
        };
        about.insert("body".to_owned(), Argument { text: text.to_owned(), needed: body["required"] == true });
    }
    for parameter in operation.parameters(document).into_iter().filter(|parameter| !is_set_by_us(parameter)) {
        let schema = document.resolve(&parameter["schema"]);
        if document.own && parameter["in"] == "query" && schema["properties"].is_object() {
            let below = all_members(document, schema).into_iter();
            about.extend(below.map(|(name, member)| {
                let text = description(document, member);
                (names::snake(name), Argument { text, needed: false })
            }));
            continue;
        }
        let setter = parameter["x-setter"].as_str().unwrap_or(text(&parameter["name"]));
        let text = text(&parameter["description"]).to_owned();
        about.insert(names::snake(setter), Argument { text, needed: parameter["required"] == true });
    }
    about
}

fn description(document: &Document, schema: &Value) -> String {
    let own = text(&schema["description"]);
    let text = if own.is_empty() { text(&document.resolve(schema)["description"]) } else { own };
    text.to_owned()
}

// ---- setters ----

/// A setter as we want it: `&str` for an optional text or secret too, an `Option` as well, and messages that name the
/// field in a form `runtime::invalid_request` reads.
fn rewrite_setter(function: &mut ImplItemFn, about: Vec<Attribute>) {
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
        let message = format!("`{name}` cannot be converted: {{e}}");
        // The builder of a body is made from the body.
        let into_builder = function.block.to_token_stream().to_string().contains("From :: from");
        let into_builder = into_builder.then(|| quote!(.map(::std::convert::From::from)));
        *function = parse_quote! {
            #[must_use]
            pub fn #name(
                mut self,
                value: impl ::std::convert::TryInto<#target, Error: ::std::fmt::Display>,
            ) -> Self {
                self.#name = value.try_into() #into_builder .map_err(|e| format!(#message));
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

fn first_argument(arguments: &PathArguments) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(of) => Some(of),
        _ => None,
    })
}

/// The last word of a path type with its arguments: `Vec` and `<T>` of `::std::vec::Vec<T>`.
fn last_segment(of: &Type) -> Option<&syn::PathSegment> {
    let Type::Path(path) = of else { return None };
    path.path.segments.last()
}

fn is_option(of: &Type) -> bool {
    last_segment(of).is_some_and(|segment| segment.ident == "Option")
}

fn option_inner(of: &Type) -> Option<&Type> {
    last_segment(of).filter(|segment| segment.ident == "Option").and_then(|segment| first_argument(&segment.arguments))
}

/// `no value supplied for x` and `x was not initialized` → "`x` is required".
struct Requirements;

impl VisitMut for Requirements {
    fn visit_lit_str_mut(&mut self, literal: &mut syn::LitStr) {
        if let Some(field) = missing(&literal.value()) {
            *literal = syn::LitStr::new(&format!("`{field}` is required"), literal.span());
        }
        visit_mut::visit_lit_str_mut(self, literal);
    }
}

// ---- types ----

fn rewrite_types(items: &mut Vec<Item>, reach: &Reach) {
    let is_written: Vec<String> = reach.requests.iter().map(|name| names::pascal(name)).collect();
    let is_written = |name: &Ident| is_written.iter().any(|written| name == written);
    // Nobody writes an answer, so nobody needs a builder for one.
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
fn wire_names(items: &mut [Item], document: &Document) {
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

fn name_of(block: &ItemImpl) -> Ident {
    last_segment(&block.self_ty).map_or_else(|| format_ident!("_"), |segment| segment.ident.clone())
}

/// The type a builder's item belongs to. The conversions between a type and its builder bear the same name.
fn subject(item: &Item) -> Option<Ident> {
    match item {
        Item::Struct(declared) => Some(declared.ident.clone()),
        Item::Impl(block) => Some(name_of(block)),
        _ => None,
    }
}

fn docs_of_fields(declared: &ItemStruct) -> BTreeMap<String, Vec<Attribute>> {
    let fields = declared.fields.iter().filter_map(|field| Some((field.ident.as_ref()?.to_string(), field)));
    let docs = |field: &Field| field.attrs.iter().filter(|attribute| doc_text(attribute).is_some()).cloned().collect();
    fields.map(|(name, field)| (name, docs(field))).collect()
}

/// The members of each type that its builder refuses to go without.
fn required_members(items: &mut [Item]) -> BTreeMap<String, Vec<String>> {
    let mut needed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for item in items {
        let Item::Impl(block) = item else { continue };
        let mut found = Missing(Vec::new());
        found.visit_item_impl_mut(block);
        needed.entry(name_of(block).to_string()).or_default().extend(found.0);
    }
    needed
}

/// Whose value is missing, by what the generated code says of it.
struct Missing(Vec<String>);

impl VisitMut for Missing {
    fn visit_lit_str_mut(&mut self, literal: &mut syn::LitStr) {
        self.0.extend(missing(&literal.value()).map(str::to_owned));
    }
}

fn missing(text: &str) -> Option<&str> {
    text.strip_prefix("no value supplied for ").or(text.strip_suffix(" was not initialized"))
}

fn rewrite_type_builder(
    item: &mut Item,
    field_docs: &BTreeMap<String, BTreeMap<String, Vec<Attribute>>>,
    needed: &BTreeMap<String, Vec<String>>,
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
        Item::Impl(block) => Requirements.visit_item_impl_mut(block),
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
