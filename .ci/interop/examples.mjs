// Writes a TypeScript file that holds every example of a document as a value of the type that openapi-typescript made for it.
// Arguments: the document, the module of its types.
import { readFileSync } from "node:fs";

const [path, types] = process.argv.slice(2);
const document = JSON.parse(readFileSync(path, "utf8"));
const methods = ["get", "put", "post", "delete", "patch"];
const lines = [`import type { operations } from ${JSON.stringify(types)};`];
let count = 0;
function add(type, content) {
    const named = Object.values(content.examples ?? {}).map((example) => example.value);
    for (const value of ["example" in content ? [content.example] : [], named].flat()) {
        lines.push(`export const example${count++}: ${type} = ${JSON.stringify(value)};`);
    }
}
for (const item of Object.values(document.paths)) {
    for (const [, operation] of Object.entries(item).filter(([method]) => methods.includes(method))) {
        const of = `operations[${JSON.stringify(operation.operationId)}]`;
        lines.push(`export type Is${operation.operationId} = ${of};`);
        for (const [status, response] of Object.entries(operation.responses)) {
            for (const [media, content] of Object.entries(response.content ?? {})) {
                const key = /^\d+$/.test(status) ? status : JSON.stringify(status);
                add(`${of}["responses"][${key}]["content"][${JSON.stringify(media)}]`, content);
            }
        }
        for (const [media, content] of Object.entries(operation.requestBody?.content ?? {})) {
            add(`NonNullable<${of}["requestBody"]>["content"][${JSON.stringify(media)}]`, content);
        }
    }
}
console.log(lines.join("\n"));
console.error(`${path}: ${count} examples (TypeScript)`);
