//! Texts as values: JSON, YAML, and what an overlay makes of them.

use crate::diagnostic::{Diagnosed, diagnose};
use serde_json::Value;

/// Longer documents are several.
const LONGEST: usize = 64 * 1024 * 1024;

/// A document in JSON or YAML.
///
/// # Errors
/// Where the text is neither.
pub(crate) fn value(file: &str, text: &str) -> Diagnosed<Value> {
    if text.len() > LONGEST {
        let what = format!("the document has {} MiB, and {} are read at most", text.len() >> 20, LONGEST >> 20);
        return diagnose(file, "", what, "take out what you do not call, or make several documents of it");
    }
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with(['{', '[']) || !cfg!(feature = "yaml") {
        return json(file, text);
    }
    yaml(file, text)
}

/// A document in JSON.
///
/// # Errors
/// Where the text is none.
pub(crate) fn json(file: &str, text: &str) -> Diagnosed<Value> {
    serde_json::from_str(text).or_else(|why| not("JSON", file, why.line(), why.column(), &why.to_string()))
}

#[cfg(feature = "yaml")]
fn yaml(file: &str, text: &str) -> Diagnosed<Value> {
    // Vendors' examples hold anything: it is data to us.
    let options = serde_saphyr::options! {
        leading_zero_numbers_as_strings: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).or_else(|why| {
        let (line, column) = why.location().map_or((0, 0), |place| (place.line() as usize, place.column() as usize));
        not("YAML", file, line, column, why.to_string().lines().next().unwrap_or_default())
    })
}

#[cfg(not(feature = "yaml"))]
fn yaml(file: &str, _: &str) -> Diagnosed<Value> {
    diagnose(file, "", "this is not JSON", "switch on the feature `yaml` of keyway-build")
}

fn not<T>(language: &str, file: &str, line: usize, column: usize, why: &str) -> Diagnosed<T> {
    let what = match why.contains("recursion limit") {
        true => format!("this is nested too deeply (line {line}, column {column})"),
        false => format!("this is not {language} (line {line}, column {column})"),
    };
    diagnose(file, "", what, "mend the syntax there")
}

/// Applies an overlay.
///
/// # Errors
/// What in the overlay cannot work: nothing of it is applied then.
#[cfg(feature = "overlay")]
pub(crate) fn overlaid(file: &str, text: &str, root: &mut Value) -> Diagnosed<()> {
    use enumset::EnumSet;
    use roas_overlay::{
        apply::{Apply, ApplyOptions},
        v1_0, v1_1,
    };
    let overlay = value(file, text)?;
    let version = overlay["overlay"].as_str().unwrap_or_default().to_owned();
    // An action that finds nothing is a mark that is missing.
    let options = EnumSet::only(ApplyOptions::ErrorOnZeroMatch);
    let applied = if version.starts_with("1.1") {
        serde_json::from_value::<v1_1::Overlay>(overlay)
            .map_err(|why| why.to_string())
            .and_then(|overlay| overlay.apply(root, options).map(drop).map_err(|why| why.to_string()))
    } else if version.starts_with("1.0") {
        serde_json::from_value::<v1_0::Overlay>(overlay)
            .map_err(|why| why.to_string())
            .and_then(|overlay| overlay.apply(root, options).map(drop).map_err(|why| why.to_string()))
    } else {
        Err(format!("it says that it is Overlay `{version}`; 1.0 and 1.1 are read"))
    };
    applied.or_else(|why| diagnose(file, "", format!("the overlay cannot be applied ({why})"), "correct that action"))
}

#[cfg(not(feature = "overlay"))]
pub(crate) fn overlaid(file: &str, _: &str, _: &mut Value) -> Diagnosed<()> {
    diagnose(file, "", "an overlay is given", "switch on the feature `overlay` of keyway-build")
}
