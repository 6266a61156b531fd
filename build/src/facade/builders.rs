//! The builders of operations.

use super::{
    arguments::{Argument, arguments},
    code::{doc_text, docs, each_text, module, subject},
    setters::{required, rewrite_setter},
};
use crate::{
    diagnostic::{Diagnosed, diagnose},
    document::{Document, Operation, text},
    names,
    prepare::tenant_choice,
    send,
};
use quote::format_ident;
use std::{collections::BTreeMap, slice};
use syn::{Expr, ImplItem, ImplItemFn, Item, ItemImpl, ItemStruct, Stmt, parse_quote};

pub(super) fn rewrite_builders(code: &mut syn::File, document: &Document) -> Diagnosed<()> {
    let items = module(&mut code.items, "builder", &document.file)?;
    items.retain(|item| !matches!(item, Item::Use(_)));
    items.insert(
        0,
        parse_quote!(
            use super::types;
        ),
    );
    let operations: BTreeMap<String, Operation<'_>> =
        document.generated().map(|operation| (names::pascal(operation.id()), operation)).collect();
    let rows = crate::facts::rows(document);
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
    let mut request = None;
    for item in &mut block.items {
        let ImplItem::Fn(function) = item else { continue };
        match function.sig.ident.to_string().as_str() {
            "new" => {
                function.vis = parse_quote!(pub(crate));
                begin_without_timeout(function)?;
                each_text(slice::from_mut(item), &mut required);
            }
            "send" => {
                request = Some(send::rewrite(function, document, operation, row)?);
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
    block.items.push(request.ok_or("the generated builder has no `send`")?);
    Ok(())
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

/// `Self { … }`, in which `new` ends.
fn begin_without_timeout(new: &mut ImplItemFn) -> Result<(), String> {
    let Some(Stmt::Expr(Expr::Struct(made), None)) = new.block.stmts.last_mut() else {
        return Err("the generated `new` ends in a form we do not know".to_owned());
    };
    made.fields.push(parse_quote!(keyway_timeout: ::std::option::Option::None));
    Ok(())
}

const TENANT: &str = "\
The tenant this call is made in, instead of the session's own: a UUID. Only a service session may choose; with any other
one another tenant is refused (`ErrorKind::Config`) before anything is sent.";
