//! Code for a crate of others: what stands inside Keyway for our own documents is named from without.

use crate::{document::Document, facade::each_attributes, sign_ins};
use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Item, parse_quote,
    visit_mut::{self, VisitMut},
};

/// How generated code and Keyway understand each other. It is raised when either changes what it expects of the other.
const INTERFACE: u32 = 4;

/// Renames the client, names Keyway's parts and its dependencies from without, and adds the way in.
pub(crate) fn named_from_without(
    mut code: syn::File,
    document: &Document,
    name: &str,
    title: &str,
) -> syn::Result<syn::File> {
    for item in &mut code.items {
        match item {
            Item::Struct(client) if client.ident == "Client" => client.ident = Ident::new("Api", Span::call_site()),
            Item::Impl(_) => ClientIsApi { prefixed: false }.visit_item_mut(item),
            Item::Mod(module) if module.ident == "builder" => ClientIsApi { prefixed: true }.visit_item_mut(item),
            _ => {}
        }
    }
    each_attributes(&mut code, |attributes| {
        attributes.iter_mut().for_each(quote_documentation);
        derive_of_our_serde(attributes);
    });
    code.items.extend(way_in(title));
    code.items.extend(sign_ins::document(&document.root, name, title));
    syn::parse2(rewritten(code.into_token_stream(), name, 0))
}

/// The client that a user makes of a session.
fn way_in(title: &str) -> Vec<Item> {
    let (interface, version) = (Literal::u32_unsuffixed(INTERFACE), env!("CARGO_PKG_VERSION"));
    let about = format!(" {} under a session.", if title.is_empty() { "The document's calls" } else { title });
    let items: syn::File = parse_quote! {
        crate::__fits!(#interface, #version);

        #[doc = #about]
        #[doc = ""]
        #[doc = " Cheap to clone; clones share the session."]
        #[derive(Clone, Debug)]
        pub struct Client {
            core: crate::http::Core,
            api: Api,
        }

        impl Client {
            /// Calls go where the session's go, with its credentials, limits and retries: any client of Keyway's has one.
            pub fn new(session: impl crate::http::HasSession) -> Self {
                let core = crate::http::HasSession::core(&session, &crate::http::Permit);
                let base = crate::http::base(&core, SERVER_PATH, FACTS.len());
                let api = Api::new_with_client(base, crate::http::client(&core), ::std::clone::Clone::clone(&core));
                Self { core, api }
            }

            /// Every operation of the document, typed. A failure the vendor answers is an error.
            #[must_use]
            pub fn api(&self) -> &Api {
                &self.api
            }

            /// Any HTTP call under the session.
            #[must_use]
            pub fn http(&self) -> crate::Http {
                crate::http::free(&self.core)
            }

            /// The session itself.
            #[must_use]
            pub fn session(&self) -> &crate::Session {
                crate::http::session(&self.core)
            }
        }
    };
    items.items
}

/// `Client` in the root and `super::Client` in the builders: what the generator calls the client is ours to name.
struct ClientIsApi {
    prefixed: bool,
}

impl VisitMut for ClientIsApi {
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let is_client = match self.prefixed {
            true => names == ["super", "Client"],
            false => names == ["Client"],
        };
        if is_client && let Some(last) = path.segments.last_mut() {
            last.ident = Ident::new("Api", last.ident.span());
        }
        visit_mut::visit_path_mut(self, path);
    }

    fn visit_attribute_mut(&mut self, attribute: &mut Attribute) {
        let text = attribute.to_token_stream().to_string();
        if text.contains("super::Client") {
            let mut tokens = TokenStream::new();
            for token in attribute.to_token_stream() {
                tokens.extend([with_text(token, &|text| {
                    text.replace("super::Client", "super::Api").replace("[`Client::", "[`Api::")
                })]);
            }
            if let Ok(attributes) = syn::parse::Parser::parse2(Attribute::parse_outer, tokens)
                && let [ours] = attributes.as_slice()
            {
                *attribute = ours.clone();
            }
        }
    }
}

/// The same token with its text literals changed, however deep they stand.
fn with_text(token: TokenTree, change: &impl Fn(&str) -> String) -> TokenTree {
    match token {
        TokenTree::Group(group) => {
            let inner = group.stream().into_iter().map(|token| with_text(token, change)).collect();
            TokenTree::Group(Group::new(group.delimiter(), inner))
        }
        TokenTree::Literal(literal) => match syn::parse_str::<syn::LitStr>(&literal.to_string()) {
            Ok(text) => TokenTree::Literal(Literal::string(&change(&text.value()))),
            Err(_) => TokenTree::Literal(literal),
        },
        other => other,
    }
}

/// Names of the vendor's stand in the generator's own sentences.
fn quote_documentation(attribute: &mut Attribute) {
    if let syn::Meta::NameValue(syn::MetaNameValue { path, value, .. }) = &mut attribute.meta
        && path.is_ident("doc")
        && let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = value
    {
        *text = syn::LitStr::new(&crate::adopt::quoted(&text.value()), text.span());
    }
}

/// What is derived of serde's traits is derived of the serde that Keyway was built with.
fn derive_of_our_serde(attributes: &mut Vec<Attribute>) {
    let derives = attributes.iter().any(|attribute| {
        attribute.path().is_ident("derive") && attribute.to_token_stream().to_string().contains("serde")
    });
    if derives {
        attributes.push(parse_quote!(#[serde(crate = "::keyway::__private::serde")]));
    }
}

/// `crate::http::…` → `::keyway::__private::…`, and what we depend on by way of Keyway. `depth` counts modules.
fn rewritten(tokens: TokenStream, name: &str, depth: usize) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut out = TokenStream::new();
    let mut at = 0;
    while at < tokens.len() {
        if let Some((instead, length)) = instead(&tokens[at..], &tokens[..at], name, depth) {
            out.extend(instead);
            at += length;
            continue;
        }
        let is_module = is_word(tokens.get(at.wrapping_sub(2)), "mod") && matches!(tokens[at], TokenTree::Group(_));
        let token = match &tokens[at] {
            TokenTree::Group(group) => {
                let below = depth + usize::from(is_module && group.delimiter() == Delimiter::Brace);
                let mut ours = Group::new(group.delimiter(), rewritten(group.stream(), name, below));
                ours.set_span(group.span());
                TokenTree::Group(ours)
            }
            TokenTree::Literal(_) => with_text(tokens[at].clone(), &|text| named_in_text(text)),
            other => other.clone(),
        };
        out.extend([token]);
        at += 1;
    }
    out
}

/// Paths in attributes of serde's, and links of our own documentation.
fn named_in_text(text: &str) -> String {
    let json = text.strip_prefix("::serde_json::").map(|rest| format!("::keyway::__private::serde_json::{rest}"));
    match text.strip_prefix("crate::http::runtime::") {
        Some(rest) => format!("::keyway::__private::runtime::{rest}"),
        None if json.is_some() => json.unwrap_or_default(),
        None => text.replace("](crate::", "](keyway::"),
    }
}

/// What stands in the place of the path that begins here, and how many tokens that was.
fn instead(tokens: &[TokenTree], before: &[TokenTree], name: &str, depth: usize) -> Option<(TokenStream, usize)> {
    if is_word(tokens.first(), "crate") && is_colons(tokens, 1) {
        if is_word(tokens.get(3), "http") && is_colons(tokens, 4) {
            return Some((quote!(::keyway::__private::), 6));
        }
        if is_word(tokens.get(3), "generated")
            && is_colons(tokens, 4)
            && is_word(tokens.get(6), name)
            && is_colons(tokens, 7)
        {
            let up = vec![quote!(super::); depth];
            return Some((quote!(#(#up)*), 9));
        }
        return Some((quote!(::keyway::), 3));
    }
    let is_rooted = is_colons(tokens, 0);
    let word = tokens.get(if is_rooted { 2 } else { 0 });
    let is_ours = ["serde", "serde_json", "reqwest"].iter().any(|known| is_word(word, known));
    let after_colons = before.len() >= 2 && is_colons(before, before.len() - 2);
    let before = before.last();
    let next = if is_rooted { 3 } else { 1 };
    if is_ours && is_colons(tokens, next) && (if is_rooted { !is_path_end(before) } else { !after_colons }) {
        let word = word?;
        return Some((quote!(::keyway::__private::#word), next));
    }
    None
}

/// Whether `::` after this goes on with a path instead of beginning one.
fn is_path_end(before: Option<&TokenTree>) -> bool {
    match before {
        Some(TokenTree::Ident(word)) => {
            !["as", "for", "in", "dyn", "impl", "mut", "return", "use", "where"].iter().any(|known| word == known)
        }
        _ => false,
    }
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    is_colon(tokens.get(at))
        && is_colon(tokens.get(at + 1))
        && !matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if Punct::spacing(punct) == Spacing::Alone)
}
