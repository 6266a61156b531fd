//! The generated `send()`, with our runtime in place of the generator's.
//!
//! The generator writes: take the builder apart, make the URL, the headers and the request, run hooks, send, match the
//! status. We keep what makes the request, as a function that does not wait, and replace the rest: Keyway sends, and only
//! a success comes back.

use super::{
    document::{Document, Operation, list, names_in, text},
    prepare::setter_of_path_name,
};
use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, format_ident, quote};
use serde_json::Value;
use syn::{
    Expr, ExprMethodCall, ImplItem, ImplItemFn, Local, Pat, Stmt, parse_quote,
    visit_mut::{self, VisitMut},
};

/// Writes `send` anew, and returns the function that makes its request: it waits for nothing, so it is no part of what does.
///
/// # Errors
/// What of the generated function has a form that we do not know.
pub(crate) fn rewrite(
    function: &mut ImplItemFn,
    document: &Document,
    operation: Operation<'_>,
    row: usize,
) -> Result<ImplItem, String> {
    let answer = answer_type(function).ok_or("the answer of the generated `send` has a form we do not know")?;
    let mut statements = std::mem::take(&mut function.block.stmts);
    let sends = statements.iter().position(|statement| makes_the_request(statement).is_some());
    let sends = sends.ok_or("the generated `send` makes its request in a form we do not know")?;
    statements.truncate(sends + 1);
    let client =
        statements.first().and_then(client_name).ok_or("the generated `send` does not begin with its client")?;

    let row = Literal::usize_unsuffixed(row);
    ours(&mut statements, document, operation, &row)?;
    let request = statements.pop().and_then(|made| makes_the_request(&made).cloned());
    let request = request.ok_or("the generated `send` makes its request in a form we do not know")?;

    let Answering { call, answer, decode } = Answering::of(answer, operation);
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
            let (core, timeout) = (&self.#client.inner, self.keyway_timeout);
            let answer = crate::http::runtime::#call(core, self.keyway_request(), &super::FACTS[#row], timeout).await?;
            #decode
        }
    };
    Ok(parse_quote! {
        fn keyway_request(self) -> ::std::result::Result<::reqwest::Request, crate::Error> {
            #(#statements)*
            Ok(#request)
        }
    })
}

/// What makes the request, with our runtime in the place of the generator's.
fn ours(
    statements: &mut Vec<Stmt>,
    document: &Document,
    operation: Operation<'_>,
    row: &Literal,
) -> Result<(), String> {
    leave_out_the_rest(&mut statements[0]);
    statements.retain(|statement| !is_version_header(statement));
    let has_headers = statements.iter().any(appends_a_header);
    if !has_headers {
        statements.retain(|statement| local_name(statement).is_none_or(|name| name != "header_map"));
    }
    let path_names = operation.names_in_path();
    let mut runtime = Runtime { document, operation, path_names, row: row.clone(), has_headers, trouble: None };
    statements.iter_mut().for_each(|statement| runtime.visit_stmt_mut(statement));
    runtime.trouble.map_or(Ok(()), Err)
}

/// How the answer is asked for, its type, and what makes that of the answer.
struct Answering {
    call: TokenStream,
    answer: syn::Type,
    decode: TokenStream,
}

impl Answering {
    fn of(answer: syn::Type, operation: Operation<'_>) -> Self {
        let said = quote!(#answer).to_string();
        let (is_empty, is_anything) = (said == "()", said == quote!(::serde_json::Value).to_string());
        let kind = operation.value["x-answer"]["kind"].as_str().unwrap_or_default();
        let call = match kind {
            "text" => quote!(call_for),
            "bytes" => quote!(download),
            _ => quote!(call),
        };
        let answer = match kind {
            "maybe" => parse_quote!(::std::option::Option<#answer>),
            "bytes" => parse_quote!(crate::Download),
            _ => answer,
        };
        let decode = match kind {
            "maybe" => quote!(crate::http::runtime::ResponseValue::maybe(answer)),
            "text" => quote!(crate::http::runtime::ResponseValue::text(answer)),
            "bytes" => quote!(Ok(answer)),
            _ if is_empty => quote!(Ok(crate::http::runtime::ResponseValue::empty(answer))),
            _ if is_anything => quote!(crate::http::runtime::ResponseValue::anything(answer)),
            _ => quote!(crate::http::runtime::ResponseValue::from_answer(answer)),
        };
        Self { call, answer, decode }
    }
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

/// What makes the request in `let mut request = … .build()?`.
fn makes_the_request(statement: &Stmt) -> Option<&Expr> {
    let made = &*local(statement)?.init.as_ref()?.expr;
    let Expr::Try(tried) = made else { return None };
    matches!(&*tried.expr, Expr::MethodCall(call) if call.method == "build").then_some(made)
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
    document: &'d Document,
    operation: Operation<'d>,
    path_names: Vec<&'d str>,
    /// Where its facts stand.
    row: Literal,
    has_headers: bool,
    trouble: Option<String>,
}

impl VisitMut for Runtime<'_> {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        while let Some(shorter) = self.without_call(expression) {
            *expression = shorter;
        }
        if let Expr::Macro(text) = expression
            && text.mac.path.is_ident("format")
        {
            *expression = self.address(&text.mac);
            return;
        }
        if let Some(ours) = self.as_documented(expression).or_else(|| replacement(expression)) {
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
}

impl<'d> Runtime<'d> {
    /// `format!("{}/a/{}", client.baseurl, encode_path(&id.to_string()))`, as an address below one that is parsed already. A
    /// macro's arguments are tokens until parsed.
    fn address(&mut self, text: &syn::Macro) -> Expr {
        let arguments = text.parse_body_with(syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated);
        let arguments: Vec<Expr> = arguments.into_iter().flatten().collect();
        let path = match self.document.own {
            true => self.own_path(&arguments),
            false => Some(self.path_of_others(&arguments)),
        };
        let (Some(base), Some((template, values))) = (arguments.get(1), path) else {
            self.trouble = Some("the URL is put together in a form we do not know".to_owned());
            return parse_quote!(());
        };
        let row = &self.row;
        match values.is_empty() {
            true => parse_quote!(crate::http::runtime::address_of(&#base, #row, #template)?),
            false => parse_quote!(crate::http::runtime::address(&#base, &::std::format!(#template, #(#values),*))?),
        }
    }

    /// The path's template, and what stands in it.
    fn own_path(&self, arguments: &[Expr]) -> Option<(String, Vec<Expr>)> {
        let Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(template), .. }) = arguments.first()? else { return None };
        let template = template.value().strip_prefix("{}")?.to_owned();
        let encoded = arguments.iter().skip(2).zip(&self.path_names).map(|(value, name)| {
            let Expr::Call(encode) = value else { return None };
            let raw = encode.args.first()?;
            Some(parse_quote!(crate::http::runtime::encode_path(#name, #raw)?))
        });
        Some((template, encoded.collect::<Option<_>>()?))
    }

    /// The same as the document has it, whatever the generator was told.
    fn path_of_others(&self, arguments: &[Expr]) -> (String, Vec<Expr>) {
        let names = names_in(self.operation.path);
        let raw = |name: &str| {
            let at = names.iter().position(|known| *known == name)?;
            let Expr::Call(encode) = arguments.get(at + 2)? else { return None };
            encode.args.first()
        };
        let mut template = String::new();
        let mut values = Vec::new();
        let mut rest = self.operation.path;
        while let Some((text, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { break };
            template.push_str(&plain_text(text));
            match raw(name) {
                Some(raw) => {
                    let setter = setter_of_path_name(self.operation, name);
                    let raw = as_text(raw);
                    template.push_str("{}");
                    values.push(parse_quote!(crate::http::runtime::encode_path(#setter, #raw)?));
                }
                None => template.push_str(&plain_text(name)),
            }
            rest = after;
        }
        template.push_str(&plain_text(rest));
        (template, values)
    }

    /// Names, styles, methods and media types of a document that is not ours are put where the generator's stand.
    fn as_documented(&self, expression: &Expr) -> Option<Expr> {
        if self.document.own {
            return None;
        }
        match expression {
            Expr::Call(call) => self.query(call),
            Expr::Try(tried) => match &*tried.expr {
                Expr::MethodCall(call) if call.method == "form_urlencoded" => {
                    let (receiver, body) = (&call.receiver, &call.args);
                    Some(parse_quote!(crate::http::runtime::form_with_json(#receiver, #body)?))
                }
                _ => None,
            },
            Expr::MethodCall(call) => self.header(call).or_else(|| self.method(call)).or_else(|| self.body(call)),
            _ => None,
        }
    }

    fn parameter(&self, place: &str, literal: &Expr) -> Option<&'d Value> {
        let Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(setter), .. }) = literal else { return None };
        let setter = setter.value();
        list(&self.operation.value["parameters"]).iter().find(|p| p["in"] == place && p["x-setter"] == setter.as_str())
    }

    fn query(&self, call: &syn::ExprCall) -> Option<Expr> {
        let path = &call.func;
        if quote!(#path).to_string() != "progenitor_client :: QueryParam :: new" {
            return None;
        }
        let parameter = self.parameter("query", call.args.first()?)?;
        let (name, value) = (text(&parameter["name"]), call.args.iter().nth(1)?);
        Some(match parameter["x-style"].as_str() {
            Some(style) => {
                let style = format_ident!("{}", super::names::pascal(style));
                parse_quote!(crate::http::runtime::QueryParam::styled(#name, #value, crate::http::runtime::Style::#style))
            }
            None => parse_quote!(crate::http::runtime::QueryParam::new(#name, #value)),
        })
    }

    fn header(&self, call: &ExprMethodCall) -> Option<Expr> {
        if call.method != "append" {
            return None;
        }
        let name = text(&self.parameter("header", call.args.first()?)?["name"]);
        let (receiver, value) = (&call.receiver, as_text(header_text(call.args.iter().nth(1)?)?));
        Some(parse_quote!(#receiver.append(
            crate::http::runtime::header_name(#name)?,
            crate::http::runtime::header_value(#name, &#value)?
        )))
    }

    fn method(&self, call: &ExprMethodCall) -> Option<Expr> {
        let method = self.operation.method;
        if call.method != "post" || !["options", "trace"].contains(&method) {
            return None;
        }
        let (receiver, url) = (&call.receiver, &call.args);
        let method = format_ident!("{}", method.to_uppercase());
        Some(parse_quote!(#receiver.request(::reqwest::Method::#method, #url)))
    }

    fn body(&self, call: &ExprMethodCall) -> Option<Expr> {
        let request = self.document.resolve(&self.operation.value["requestBody"]);
        if call.method != "json" {
            return None;
        }
        let (receiver, body) = (&call.receiver, &call.args);
        let media_type = text(&request["x-media-type"]);
        match text(&request["x-body"]) {
            "multipart" => Some(parse_quote!(crate::http::runtime::multipart(#receiver, #body)?)),
            "text" => Some(parse_quote!(crate::http::runtime::plain(#receiver, #media_type, #body))),
            "bytes" => Some(parse_quote!(crate::http::runtime::bytes(#receiver, #media_type, #body))),
            _ if !media_type.is_empty() => {
                Some(parse_quote!(crate::http::runtime::json_as(#receiver, #media_type, #body)))
            }
            _ => None,
        }
    }

    /// The request without a header that `runtime::call` sets on every request, and without the empty map of headers.
    fn without_call(&self, expression: &Expr) -> Option<Expr> {
        let Expr::MethodCall(call) = expression else { return None };
        let is_needless = call.method == "header" || (call.method == "headers" && !self.has_headers);
        is_needless.then(|| (*call.receiver).clone())
    }
}

/// Text of a path in a format string, with what no URL may hold encoded.
fn plain_text(text: &str) -> String {
    let encoded = text.chars().map(|c| match c {
        '{' => "%7B".to_owned(),
        '}' => "%7D".to_owned(),
        '"' | '<' | '>' | '\\' | '^' | '`' | '|' | ' ' => format!("%{:02X}", u32::from(c)),
        c if c.is_control() => String::new(),
        c => c.to_string(),
    });
    encoded.collect()
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
        "query" => Some(parse_quote!(crate::http::runtime::queried(#receiver, #arguments))),
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

/// `x.to_string()` by a function of ours: `x` may be a secret, and no other code makes a text of one.
fn as_text(value: &Expr) -> Expr {
    match value {
        Expr::Reference(reference) => {
            let text = as_text(&reference.expr);
            parse_quote!(&#text)
        }
        Expr::MethodCall(call) if call.method == "to_string" => {
            let receiver = &call.receiver;
            parse_quote!(crate::http::runtime::text_of(&#receiver))
        }
        other => other.clone(),
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
