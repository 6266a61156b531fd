"""Every example of a document, read and written again by the client that openapi-python-client made of it.

Arguments: the document, the folder above the generated package, the package's name.
"""

import copy
import importlib
import json
import pkgutil
import sys
import typing

import httpx

document = json.load(open(sys.argv[1]))
sys.path.insert(0, sys.argv[2])
package = importlib.import_module(sys.argv[3])
api = importlib.import_module(sys.argv[3] + ".api")
METHODS = ("get", "put", "post", "delete", "patch")
modules = {
    name.rsplit(".", 1)[1].replace("_", ""): name
    for _, name, is_folder in pkgutil.walk_packages(api.__path__, api.__name__ + ".")
    if not is_folder
}


def resolve(schema):
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        elif len(schema.get("allOf", [])) == 1:
            schema = schema["allOf"][0]
        else:
            return schema


def open_enums(schema, value, at=()):
    """Where in `value` a text stands of which the document names some values."""
    schema = resolve(schema)
    if isinstance(value, str) and any("enum" in part for part in schema.get("anyOf", [])):
        yield at
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from open_enums(schema.get("items", {}), item, (*at, number))
    if isinstance(value, dict):
        for name, item in value.items():
            yield from open_enums(schema.get("properties", {}).get(name, {}), item, (*at, name))


def whole(schema, depth=6):
    """A value with every member."""
    schema = resolve(schema)
    for part in schema.get("anyOf", schema.get("oneOf", [])):
        return whole(part, depth)
    if "enum" in schema:
        return schema["enum"][0]
    kinds = {"string": "text", "integer": 7, "number": 7.5, "boolean": True}
    if schema.get("format") == "date-time":
        return "2026-01-31T00:00:00+00:00"
    if schema.get("type") in kinds:
        return kinds[schema["type"]]
    if schema.get("type") == "array":
        return [whole(schema["items"], depth - 1)] if depth else []
    members = schema.get("properties", {}) if depth else {}
    return {name: whole(member, depth - 1) for name, member in members.items()}


def written(parsed):
    if isinstance(parsed, list):
        return [written(item) for item in parsed]
    return parsed.to_dict() if hasattr(parsed, "to_dict") else parsed


def examples(content):
    return [content[key] for key in ("example",) if key in content] + [
        example["value"] for example in content.get("examples", {}).values()
    ]


client = package.Client(base_url="https://a.example")
operations = answers = bodies = unknown = 0
for path, item in document["paths"].items():
    for method, operation in item.items():
        if method not in METHODS:
            continue
        identifier = operation["operationId"]
        # An operation that the generator left out is not there, and that fails here.
        module = importlib.import_module(modules[identifier.lower().replace("_", "")])
        operations += 1
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                # Of some answers nothing is known: any JSON will do.
                is_known = set(resolve(content["schema"])) & {"type", "anyOf", "oneOf", "allOf", "properties"}
                for example in examples(content) + ([whole(content["schema"])] if is_known else []):
                    variants = [example]
                    for at in open_enums(content["schema"], example):
                        variant = place = copy.deepcopy(example)
                        for key in at[:-1]:
                            place = place[key]
                        place[at[-1]] = "aValueThatNobodyKnew"
                        variants.append(variant)
                    for variant in variants:
                        code = int(status.replace("XX", "00")) if status != "default" else 418
                        answer = httpx.Response(code, json=variant)
                        parsed = module._parse_response(client=client, response=answer)
                        if written(parsed) != variant:
                            sys.exit(f"{identifier}, {status}: read {variant} as {written(parsed)}")
                    answers += 1
                    unknown += len(variants) - 1
        body = operation.get("requestBody")
        for media_type, content in body["content"].items() if body else []:
            hints = typing.get_type_hints(module._get_kwargs)
            for example in examples(content):
                kinds = [kind for kind in (hints["body"], *typing.get_args(hints["body"])) if hasattr(kind, "from_dict")]
                sent = kinds[0].from_dict(example) if kinds else example
                if written(sent) != example:
                    sys.exit(f"{identifier}, request: wrote {example} as {written(sent)}")
                module._get_kwargs(body=sent, **{
                    name: "x" for name, hint in hints.items()
                    if name not in ("body", "return") and "Unset" not in str(hint)
                })
                bodies += 1
print(f"{sys.argv[1]}: {operations} operations, {answers} answers, {unknown} with a value nobody knew, {bodies} of requests (Python)")
