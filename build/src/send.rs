//! The generated `send()`, with our runtime in place of the generator's.
//!
//! The generator writes: take the builder apart, make the URL, the headers and the request, run hooks, send, match the
//! status. We keep what makes the request and replace the rest: Keyway sends, and only a success comes back.

use super::{
    document::{Document, Operation},
    facts,
};
use proc_macro2::Literal;
use quote::{ToTokens, quote};
use syn::{
    Expr, ExprMethodCall, ImplItemFn, Local, Pat, Stmt, parse_quote,
    visit_mut::{self, VisitMut},
};

/// # Errors
/// What of the generated function has a form that we do not know.
pub(crate) fn rewrite(function: &mut ImplItemFn, document: &Document, operation: Operation<'_>) -> Result<(), String> {
    let answer = answer_type(function).ok_or("the answer of the generated `send` has a form we do not know")?;
    let is_empty = quote!(#answer).to_string() == "()";
    let mut statements = std::mem::take(&mut function.block.stmts);
    let sends = statements.iter().position(|statement| makes_the_request(statement).is_some());
    let sends = sends.ok_or("the generated `send` makes its request in a form we do not know")?;
    statements.truncate(sends + 1);
    let request = makes_the_request(&statements[sends]).map(ToTokens::to_token_stream);
    let client =
        statements.first().and_then(client_name).ok_or("the generated `send` does not begin with its client")?;

    leave_out_the_rest(&mut statements[0]);
    statements.retain(|statement| !is_version_header(statement));
    if !statements.iter().any(appends_a_header) {
        statements.retain(|statement| local_name(statement).is_none_or(|name| name != "header_map"));
    }
    let mut runtime = Runtime {
        path_names: operation.names_in_path(),
        has_headers: statements.iter().any(appends_a_header),
        trouble: None,
    };
    statements.iter_mut().for_each(|statement| runtime.visit_stmt_mut(statement));
    if let Some(trouble) = runtime.trouble {
        return Err(trouble);
    }

    let id = super::names::snake(operation.id());
    let row = Literal::usize_unsuffixed(facts::position(document, operation));
    let is_anything = quote!(#answer).to_string() == quote!(::serde_json::Value).to_string();
    let decode = match (is_empty, is_anything) {
        (true, _) => quote!(Ok(crate::http::runtime::ResponseValue::empty(answer))),
        (_, true) => quote!(crate::http::runtime::ResponseValue::anything(answer)),
        _ => quote!(crate::http::runtime::ResponseValue::from_answer(answer)),
    };
    *function = parse_quote! {
        /// Sends the request. An answer that is no success is an `Err`.
        ///
        /// # Errors
        /// A refused argument, no session, no answer, or a failure that the vendor reports: see
        /// [`Error::kind`](crate::Error::kind).
        ///
        /// # Cancel safety
        /// As [`RequestBuilder::send`](crate::RequestBuilder::send).
        pub async fn send(self) -> ::std::result::Result<crate::http::runtime::ResponseValue<#answer>, crate::Error> {
            let keyway_timeout = self.keyway_timeout;
            let sent: ::std::result::Result<_, crate::Error> = async move {
                #(#statements)*
                let answer = crate::http::runtime::call(&#client.inner, #request, &super::FACTS[#row], keyway_timeout).await?;
                #decode
            }
            .await;
            sent.map_err(|error| error.at(#id))
        }
    };
    Ok(())
}

/// `T` of `Result<ResponseValue<T>, _>`.
fn answer_type(function: &ImplItemFn) -> Option<syn::Type> {
    let syn::ReturnType::Type(_, output) = &function.sig.output else { return None };
    let value = first_type_argument(output)?;
    first_type_argument(&value)
}

fn first_type_argument(of: &syn::Type) -> Option<syn::Type> {
    let syn::Type::Path(path) = of else { return None };
    let syn::PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else { return None };
    match arguments.args.first()? {
        syn::GenericArgument::Type(of) => Some(of.clone()),
        _ => None,
    }
}

fn local(statement: &Stmt) -> Option<&Local> {
    match statement {
        Stmt::Local(local) => Some(local),
        _ => None,
    }
}

fn local_name(statement: &Stmt) -> Option<&syn::Ident> {
    match &local(statement)?.pat {
        Pat::Ident(name) => Some(&name.ident),
        _ => None,
    }
}

/// The name of the request in `let mut request = … .build()?`.
fn makes_the_request(statement: &Stmt) -> Option<&syn::Ident> {
    let Expr::Try(tried) = &*local(statement)?.init.as_ref()?.expr else { return None };
    match &*tried.expr {
        Expr::MethodCall(call) if call.method == "build" => local_name(statement),
        _ => None,
    }
}

/// `client` of `let Self { client, … } = self`: the generator renames it if a parameter has that name.
fn client_name(statement: &Stmt) -> Option<syn::Ident> {
    let Pat::Struct(fields) = &local(statement)?.pat else { return None };
    match &fields.fields.first()?.member {
        syn::Member::Named(name) => Some(name.clone()),
        syn::Member::Unnamed(_) => None,
    }
}

/// `let Self { client, … } = self` does not name our own field.
fn leave_out_the_rest(statement: &mut Stmt) {
    let Stmt::Local(local) = statement else { return };
    let Pat::Struct(fields) = &local.pat else { return };
    let (path, named) = (&fields.path, fields.fields.iter());
    let shorter = quote!(#path { #(#named,)* .. });
    if let Ok(shorter) = syn::parse::Parser::parse2(Pat::parse_single, shorter) {
        local.pat = shorter;
    }
}

fn is_version_header(statement: &Stmt) -> bool {
    matches!(statement, Stmt::Expr(..)) && statement.to_token_stream().to_string().contains("api_version")
}

fn appends_a_header(statement: &Stmt) -> bool {
    matches!(statement, Stmt::Expr(..)) && statement.to_token_stream().to_string().contains("header_map")
}

/// Puts our functions in the place of the generator's.
struct Runtime<'d> {
    path_names: Vec<&'d str>,
    has_headers: bool,
    trouble: Option<String>,
}

impl VisitMut for Runtime<'_> {
    fn visit_local_mut(&mut self, local: &mut Local) {
        // The request is not changed after it is made: there are no hooks.
        if let (Pat::Ident(name), Some(init)) = (&mut local.pat, &local.init)
            && matches!(&*init.expr, Expr::Try(_))
        {
            name.mutability = None;
        }
        visit_mut::visit_local_mut(self, local);
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        while let Some(shorter) = self.without_call(expression) {
            *expression = shorter;
        }
        if let Some(ours) = replacement(expression) {
            *expression = ours;
        }
        visit_mut::visit_expr_mut(self, expression);
    }

    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        match quote!(#path).to_string().as_str() {
            "Error :: InvalidRequest" => *path = parse_quote!(crate::http::runtime::invalid_request),
            "progenitor_client :: QueryParam :: new" => *path = parse_quote!(crate::http::runtime::QueryParam::new),
            _ => visit_mut::visit_path_mut(self, path),
        }
    }

    /// `format!("{}/a/{}", client.baseurl, encode_path(&id.to_string()))`: a macro's arguments are tokens until parsed.
    fn visit_macro_mut(&mut self, call: &mut syn::Macro) {
        if !call.path.is_ident("format") {
            return;
        }
        let arguments = call.parse_body_with(syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated);
        let Ok(mut arguments) = arguments else {
            self.trouble = Some("the URL is put together in a form we do not know".to_owned());
            return;
        };
        let values = arguments.iter_mut().skip(2);
        for (value, name) in values.zip(&self.path_names) {
            if let Expr::Call(encode) = value
                && let Some(raw) = encode.args.first()
            {
                *value = parse_quote!(crate::http::runtime::encode_path(#name, #raw)?);
            }
        }
        call.tokens = arguments.to_token_stream();
    }
}

impl Runtime<'_> {
    /// The request without a header that `runtime::call` sets on every request, and without the empty map of headers.
    fn without_call(&self, expression: &Expr) -> Option<Expr> {
        let Expr::MethodCall(call) = expression else { return None };
        let is_needless = call.method == "header" || (call.method == "headers" && !self.has_headers);
        is_needless.then(|| (*call.receiver).clone())
    }
}

fn replacement(expression: &Expr) -> Option<Expr> {
    match expression {
        Expr::MethodCall(call) => instead_of_call(call),
        Expr::Try(tried) => instead_of_tried(&tried.expr),
        _ => None,
    }
}

fn instead_of_call(call: &ExprMethodCall) -> Option<Expr> {
    let (receiver, arguments) = (&call.receiver, &call.args);
    match call.method.to_string().as_str() {
        // A secret may be written here and nowhere else.
        "json" => Some(parse_quote!(#receiver.json(&crate::http::runtime::Exposed(#arguments)))),
        "append" => {
            let name = arguments.first()?;
            let value = header_text(arguments.iter().nth(1)?)?;
            Some(parse_quote!(#receiver.insert(#name, crate::http::runtime::header_value(#name, &#value)?)))
        }
        _ => None,
    }
}

/// `x.to_string()` of `x.to_string().try_into()?`.
fn header_text(value: &Expr) -> Option<&Expr> {
    let Expr::Try(tried) = value else { return None };
    match &*tried.expr {
        Expr::MethodCall(call) if call.method == "try_into" => Some(&call.receiver),
        _ => None,
    }
}

/// `request.form_urlencoded(&body)?`: written by us, because a form may hold secrets.
fn instead_of_tried(tried: &Expr) -> Option<Expr> {
    match tried {
        Expr::MethodCall(call) if call.method == "form_urlencoded" => {
            let (receiver, body) = (&call.receiver, &call.args);
            Some(parse_quote!(crate::http::runtime::form(#receiver, #body)?))
        }
        _ => None,
    }
}
