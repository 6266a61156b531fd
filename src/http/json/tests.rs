use super::*;
use crate::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, PartialEq, Deserialize)]
struct Item {
    id: String,
    #[serde(default)]
    last: Option<i64>,
    #[serde(default)]
    online: Option<bool>,
    #[serde(default)]
    share: Option<f64>,
    #[serde(default)]
    kind: Option<Kind>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Web,
    App,
}

fn item(text: &str) -> Item {
    read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn plain() -> Item {
    Item { id: "a".into(), last: None, online: None, share: None, kind: None }
}

#[apply(leak_checked!)]
fn scalars_are_read_across_types() {
    for (text, wanted) in [
        (r#"{"id":"a"}"#, plain()),
        ("\u{feff}{\"id\":\"a\"}", plain()),
        (r#"{"id":7}"#, Item { id: "7".into(), ..plain() }),
        (r#"{"id":"a","last":1700000000.0}"#, Item { last: Some(1_700_000_000), ..plain() }),
        (r#"{"id":"a","last":"600"}"#, Item { last: Some(600), ..plain() }),
        (r#"{"id":"a","online":0}"#, Item { online: Some(false), ..plain() }),
        (r#"{"id":"a","online":"True"}"#, Item { online: Some(true), ..plain() }),
        (r#"{"id":"a","share":"0.5"}"#, Item { share: Some(0.5), ..plain() }),
        (r#"{"id":"b","id":"a"}"#, plain()),
    ] {
        assert_eq!(item(text), wanted, "{text}");
    }
}

#[apply(leak_checked!)]
fn a_broken_member_costs_that_member_alone() {
    for broken in [
        r#""last":"soon""#,
        r#""last":{"at":1}"#,
        r#""last":[1]"#,
        r#""last":1.5"#,
        r#""last":1e30"#,
        r#""online":"maybe""#,
        r#""online":2"#,
        r#""share":"half""#,
        r#""kind":"fridge""#,
        r#""kind":[]"#,
        r#""last":"soon","online":"maybe","share":{},"kind":{}"#,
        r#""kind":"fridge","last":"soon""#,
    ] {
        assert_eq!(item(&format!(r#"{{"id":"a",{broken}}}"#)), plain(), "{broken}");
        assert_eq!(item(&format!(r#"{{{broken},"id":"a"}}"#)), plain(), "{broken}");
    }
    let two: Vec<Option<Item>> = read(br#"[{"id":"a","last":"x"},{"last":1},null,{"id":"b"}]"#).expect("a list");
    assert_eq!(two, [Some(plain()), None, Some(Item { id: "b".into(), ..plain() })]);
    let two: Vec<Item> = read(br#"[{"id":"a","last":"x"},5,{"last":1},{"id":"b"}]"#).expect("a list");
    assert_eq!(two.len(), 2);
    let map: BTreeMap<String, String> = read(br#"{"a":"x","b":1,"c":{"d":1},"e":true}"#).expect("a map");
    assert_eq!(map, BTreeMap::from([("a", "x"), ("b", "1"), ("e", "true")].map(|(a, b)| (a.into(), b.into()))));
}

/// Any server in between can send it, and a stack that overflows ends the whole program.
#[apply(leak_checked!)]
fn what_is_nested_without_end_is_read_as_deep_as_anybody_nests() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        for levels in [100, 127, 128, 129, 1000, 9000] {
            let deep = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            let read = value(deep.as_bytes()).map(|value| value.to_string());
            assert_eq!(read.as_deref() == Some(&deep), levels < 128, "{levels}");
            let failed = failure(format!(r#"{{"error":"gone","deep":{deep}}}"#).as_bytes()).expect("an object");
            assert_eq!(failed["error"], "gone");
            assert_eq!(item(&format!(r#"{{"id":"a","last":{deep}}}"#)), plain());
        }
    }
}

/// Each level reads once more what stands below it.
#[apply(leak_checked!)]
fn what_is_long_and_deep_is_not_read_again_and_again() {
    #[derive(Debug, Deserialize)]
    struct Deep {
        #[serde(default)]
        below: Option<Box<Deep>>,
        #[serde(default)]
        last: Option<i64>,
    }
    let text = "x".repeat(4 * 1024 * 1024);
    let deep = |levels: usize| {
        let inner = format!(r#"{{"last":"soon","text":"{text}"}}"#);
        read::<Deep>(format!("{}{inner}{}", r#"{"below":"#.repeat(levels), "}".repeat(levels)).as_bytes())
    };
    let mut few = &deep(5).expect("what is shallow is read");
    while let Some(below) = &few.below {
        few = below;
    }
    assert_eq!(few.last, None);
    assert!(deep(80).is_err());
}

#[apply(leak_checked!)]
fn what_is_essential_must_be_there_and_of_its_type() {
    #[derive(Debug, Deserialize)]
    struct Tokens {
        #[allow(dead_code, reason = "it is never read")]
        token: Secret,
    }
    for text in ["", "{", "[]", "5", "null", r#""x""#, "{}", r#"{"id":null}"#, r#"{"id":["a"]}"#, r#"[["a"]]"#] {
        assert!(read::<Item>(text.as_bytes()).is_err(), "{text}");
    }
    for text in [r#"{"token":5}"#, r#"{"token":true}"#, r#"{"token":["x"]}"#, "{}"] {
        assert!(read::<Tokens>(text.as_bytes()).is_err(), "{text}");
    }
    assert!(object::<Tokens>(br#"["x"]"#).is_err());
}

#[apply(leak_checked!)]
fn other_encodings_cost_the_letter() {
    assert_eq!(read::<Item>(b"{\"id\":\"Jos\xe9\"}").expect("an item").id, "Jos\u{fffd}");
}

#[apply(leak_checked!)]
fn a_torn_or_endless_failure_is_read_as_far_as_it_goes() {
    let long = format!(r#"{{"error":"invalid_grant","fields":{{}},"pad":"{}"}}"#, "x".repeat(LONGEST_FAILURE));
    for text in [long.as_str(), r#"{"error":"invalid_grant","fields":{},"pad":12"#] {
        let read = failure(text.as_bytes()).expect("members");
        assert_eq!(read, serde_json::json!({ "error": "invalid_grant", "fields": {} }));
    }
    for nothing in ["", "<html>", "[", "{", r#"{"error":"#, r#"{"error":"inval"#] {
        assert_eq!(failure(nothing.as_bytes()), None, "{nothing}");
    }
}

#[apply(leak_checked!)]
fn one_member_is_found_among_many() {
    let many = format!(r#"{{{}"success":false,"success":true}}"#, r#""":0,"#.repeat(1000));
    assert_eq!(member(many.as_bytes(), "success"), Some(Value::Bool(true)));
    assert_eq!(member(many.as_bytes(), "code"), None);
    assert_eq!(member(b"[1]", "code"), None);
    for (body, wanted) in [
        (r#"{"data":[{"code":1}],"code":"a"}"#, Some(Value::from("a"))),
        (r#"{"c\u006fde":"a"}"#, Some(Value::from("a"))),
        (r#"{"code":"a","code":7}"#, Some(Value::from(7))),
        // What is torn, or has something behind it, is read as far as it goes.
        (r#"{"code":"a","data":["#, Some(Value::from("a"))),
        (r#"{"code":"a"} and more"#, Some(Value::from("a"))),
        (r#"{"code":"a","code":[{"b":1},[]]}"#, Some(Value::Null)),
        (r#"{"code":{"a":{"b":1}},"#, Some(Value::Null)),
        ("{}", None),
        ("", None),
    ] {
        assert_eq!(member(body.as_bytes(), "code"), wanted, "{body}");
    }
    assert_eq!(member(b"{\"name\":\"Jos\xe9\",\"code\":\"a\"}", "code"), Some(Value::from("a")));
    assert_eq!(member("\u{feff}{\"code\":\"a\"}".as_bytes(), "code"), Some(Value::from("a")));
}

#[apply(leak_checked!)]
fn of_an_object_it_is_told_what_could_not_be_read_first_and_where() {
    let why = |text: &str| object::<Item>(text.as_bytes()).expect_err("no item").to_string();
    assert_eq!(why(r#"{"last":"soon","#), "EOF while parsing an object at line 1 column 15");
    assert_eq!(why("\n{\n  \"last\": \"soon\"\n}"), "invalid type: a value, expected i64 at line 3 column 16");
    assert_eq!(why(r#"{"id":{}}"#), "invalid type: a value, expected a string at line 1 column 6");
    assert_eq!(why(r#"["a"]"#), "invalid type: a value, expected an object at line 1 column 0");
    assert_eq!(object::<Item>(br#"{"last":"soon","id":"a"}"#).expect("an item"), plain());
}
