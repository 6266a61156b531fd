//! Why an answer does not fit its type, without a value of it.

use crate::line::is_plain;
use serde_json::error::Category;

/// Why JSON could not be read into a type, and where. serde's own text quotes values: only what it says of the type it
/// wanted is shown.
pub(crate) fn misfit(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let text = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    let what = match error.classify() {
        Category::Eof => "it ends too early".to_owned(),
        Category::Data => wanted(text).unwrap_or_else(|| "a value has another type or is missing".to_owned()),
        _ => "it is not JSON".to_owned(),
    };
    format!("{what}, line {line}, column {column}")
}

fn wanted(text: &str) -> Option<String> {
    if let Some(field) = text.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return is_plain(field).then(|| format!("it lacks `{field}`"));
    }
    let is_serdes = ["invalid type: ", "invalid value: ", "invalid length "].iter().any(|head| text.starts_with(head));
    let (_, wanted) = text.rsplit_once(", expected ").filter(|_| is_serdes)?;
    Some(format!("a value is not {}", if wanted == "a string" { "text" } else { wanted }))
}

#[cfg(test)]
mod tests {
    use super::misfit;
    use crate::http::json::{object, strictly};

    #[apply(leak_checked!)]
    fn what_does_not_fit_is_told_by_the_wanted_type_and_without_a_value() {
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code, reason = "it is never read")]
        struct Camera {
            id: u8,
            name: String,
        }
        // serde_json and the patient reader say the same.
        let why = |text: &str| {
            let [strict, patient] = [strictly, object]
                .map(|read| misfit(&read(text.as_bytes()).map(|_: Camera| ()).expect_err("no camera")));
            assert_eq!(patient, strict, "{text}");
            strict
        };
        assert_eq!(why(r#"{"id":1}"#), "it lacks `name`, line 1, column 8");
        assert_eq!(why(r#"{"id":"hunter2, expected u8"}"#), "a value is not u8, line 1, column 28");
        assert_eq!(why("{\n  \"id\": 300}"), "a value is not u8, line 2, column 11");
        assert_eq!(why(r#"{"id":1,"name":["hunter2"]}"#), "a value is not text, line 1, column 15");
        assert_eq!(why(r#"{"id":1,"#), "it ends too early, line 1, column 8");
        assert_eq!(why("hunter2"), "it is not JSON, line 1, column 1");
        assert_eq!(why(""), "it ends too early, line 1, column 0");
        let unknown = serde_json::from_str::<Option<std::net::Ipv4Addr>>(r#""hunter2""#).expect_err("no address");
        assert_eq!(misfit(&unknown), "a value has another type or is missing, line 1, column 9");
    }
}
