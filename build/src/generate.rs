//! The generator, set up for our documents.

use super::{
    choices::choices,
    diagnostic::{Diagnosed, diagnose},
    document::Document,
    names, quiet,
    reach::{Reach, is_text_enum},
};
use proc_macro2::TokenStream;
use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TypeImpl};
use quote::quote;
use schemars::schema::{InstanceType, SchemaObject};
use serde_json::Value;

pub(crate) fn code(surface: &str, document: &Document, reach: &Reach, copy: Value) -> Diagnosed<syn::File> {
    let cannot = |why: String| {
        let cure = match document.own {
            true => "write that part of the document in another form, or mark the operation `x-hand-written`",
            false => "mark the operation that has it `x-hand-written: true` in an overlay, and call it with `http()`",
        };
        diagnose(&document.file, "", format!("the generator cannot express this document ({why})"), cure)
    };
    let copy = match serde_json::from_value(copy) {
        Ok(copy) => copy,
        Err(why) => return cannot(why.to_string()),
    };
    let mut generator = Generator::new(&settings(surface, document, reach));
    let made = quiet::caught(|| generator.generate_tokens(&copy));
    let tokens: TokenStream = match made {
        Ok(Ok(tokens)) => tokens,
        Ok(Err(why)) => return cannot(why.to_string()),
        Err(why) => return cannot(why),
    };
    match syn::parse2(tokens) {
        Ok(file) => Ok(file),
        Err(why) => cannot(why.to_string()),
    }
}

fn settings(surface: &str, document: &Document, reach: &Reach) -> GenerationSettings {
    let mut settings = GenerationSettings::default();
    settings
        .with_interface(InterfaceStyle::Builder)
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote!(crate::http::Core))
        .with_map_type("::std::collections::BTreeMap")
        .with_conversion(text_of("password"), "crate::Secret", [TypeImpl::FromStringIrrefutable].into_iter())
        .with_conversion(text_of("binary"), "crate::File", [].into_iter());
    for name in open_enums(document, reach) {
        let ours = format!("crate::generated::{surface}::types::{}", names::pascal(name));
        settings.with_replacement(names::pascal(name), ours, [TypeImpl::Display, TypeImpl::FromStr].into_iter());
    }
    for (name, shaper) in choices(document, reach) {
        let name = names::pascal(&shaper.type_name(name));
        settings.with_replacement(&name, format!("crate::generated::{surface}::types::{name}"), [].into_iter());
    }
    settings
}

/// The enums that the code of this document needs.
pub(crate) fn open_enums<'d>(document: &'d Document, reach: &Reach) -> Vec<&'d str> {
    let reached = |name: &str| reach.requests.contains(name) || reach.answers.contains(name);
    let enums = document.schemas().filter(|(name, schema)| is_text_enum(schema) && reached(name));
    enums.map(|(name, _)| name).collect()
}

/// Matched exactly, which is why the copy holds nothing beside type and format.
fn text_of(format: &str) -> SchemaObject {
    SchemaObject {
        instance_type: Some(InstanceType::String.into()),
        format: Some(format.to_owned()),
        ..SchemaObject::default()
    }
}
