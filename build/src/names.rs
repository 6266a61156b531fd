//! Names as the generator makes them.

use heck::{ToPascalCase, ToSnakeCase};

/// `getModule_1` → `get_module_1`: the method of the generated client.
pub(crate) fn snake(name: &str) -> String {
    identifier(only_words(name).to_snake_case())
}

/// `module type` → `ModuleType`: a generated type.
pub(crate) fn pascal(name: &str) -> String {
    identifier(only_words(name).to_pascal_case())
}

/// Whether `name` can stand in Rust code as it is.
pub(crate) fn is_identifier(name: &str) -> bool {
    syn::parse_str::<syn::Ident>(name).is_ok()
}

fn only_words(name: &str) -> String {
    name.replace('\'', "").replace(|c: char| !c.is_alphanumeric() && c != '_', "-")
}

fn identifier(name: String) -> String {
    let name = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name };
    if name.is_empty() || is_identifier(&name) { name } else { format!("{name}_") }
}
