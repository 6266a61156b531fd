//! A document in which every name, text and value tries to become something else.

use serde_json::{Value, json};

const HOSTILE: [&str; 22] = [
    "\";} compile_error!(\"out\"); fn x() {\"", "*/ compile_error!(); /*", "{}", "{0}", "\\", "\u{202e}evil\u{2066}", "a\nb\rc", "²", "ſ",
    "r#fn", "crate", "'a", "#", "$ref", "%s", "日本", "🦀", "", "Self", "Option", "```\ncompile_error!()\n```", "]] compile_error!() #![",
];

fn main() -> keyway_build::Result {
    let long = "n".repeat(10_000);
    let (mut paths, mut schemas, mut properties) = (json!({}), json!({}), json!({}));
    for (number, name) in HOSTILE.iter().copied().chain([long.as_str()]).enumerate() {
        properties[name] = json!({ "type": "string", "description": name, "enum": HOSTILE, "default": name });
        schemas[name] = json!({ "type": "object", "title": name, "description": name, "properties": { name: { "type": "integer" } } });
        let pointer = name.replace('~', "~0").replace('/', "~1").replace('%', "%25");
        let schema = json!({ "$ref": format!("#/components/schemas/{pointer}") });
        let content = |schema: &Value| json!({ "application/json": { "schema": schema, "example": { name: name } } });
        let answers = json!({
            "200": { "description": name, "content": content(&schema) },
            "4XX": { "description": name, "content": content(&json!({ "type": "object", "properties": { name: { "type": "string" } } })) },
        });
        let parameters = json!([
            { "name": name, "in": "query", "description": name, "schema": { "type": "string", "enum": HOSTILE } },
            { "name": name, "in": "path", "required": true, "schema": { "type": "string", "pattern": "^[\"*/]+$" } },
        ]);
        let operation = json!({ "operationId": name, "tags": [name], "summary": name, "description": name, "parameters": parameters,
            "requestBody": { "content": content(&schema) }, "responses": answers });
        paths[format!("/{number}/{name}/{{{name}}}")] = json!({ "put": operation });
    }
    schemas["Everything"] = json!({ "type": "object", "properties": properties });
    let everything = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Everything" } } });
    paths["/everything"] = json!({ "post": { "requestBody": { "content": everything }, "responses": { "200": { "description": "", "content": everything } } } });
    let text = HOSTILE.join("\n");
    let document = json!({ "openapi": "3.1.0", "info": { "title": text, "description": text, "version": text }, "paths": paths,
        "components": { "schemas": schemas } });
    keyway_build::document("hostile.json").text(document.to_string()).generate("hostile")
}
