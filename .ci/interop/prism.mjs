// A mock and a validating proxy of a document, both by Prism. The mock answers every documented answer of every operation;
// the proxy finds nothing wrong with what our own wire tests sent.
// Arguments: the folder of the tools, the document, the log of the wire (one JSON object per line).
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";

const [tools, path, log] = process.argv.slice(2);
const document = JSON.parse(readFileSync(path, "utf8"));
const methods = ["get", "put", "post", "delete", "patch"];
const operations = Object.entries(document.paths).flatMap(([template, item]) =>
    methods.filter((method) => item[method]).map((method) => ({ template, method, ...item[method] })),
);
const bad = [];

// ---- servers ----

function free() {
    return new Promise((resolve) => {
        const server = createServer().listen(0, "127.0.0.1", () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

async function prism(...args) {
    const port = await free();
    const child = spawn(process.execPath, [`${tools}/node_modules/.bin/prism`, ...args, "--port", `${port}`, "--host", "127.0.0.1"]);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
    for (let tries = 0; !said.includes("Prism is listening"); tries++) {
        if (tries === 600 || child.exitCode !== null) throw new Error(`Prism did not start: ${said}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return { port, end: () => child.kill() };
}

function send(port, method, target, headers, body) {
    return new Promise((resolve, reject) => {
        const sent = request({ host: "127.0.0.1", port, method, path: target, headers }, (answer) => {
            const parts = [];
            answer.on("data", (part) => parts.push(part));
            answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString() }));
        });
        sent.on("error", reject);
        sent.end(body);
    });
}

// ---- what a document says ----

function resolve(value) {
    let found = value;
    while (found?.$ref) found = found.$ref.slice(2).split("/").reduce((at, key) => at[key], document);
    return found;
}

function sample(schema) {
    const found = resolve(schema) ?? {};
    if (found.example !== undefined) return found.example;
    if (found.enum) return found.enum[0];
    if (found.anyOf ?? found.oneOf ?? found.allOf) return sample((found.anyOf ?? found.oneOf ?? found.allOf)[0]);
    if (found.type === "array") return [sample(found.items)];
    if (found.type === "integer" || found.type === "number") return 1;
    if (found.type === "boolean") return true;
    if (found.properties) {
        return Object.fromEntries((found.required ?? []).map((name) => [name, sample(found.properties[name])]));
    }
    if (found.type === "object" || found.type === undefined) return {};
    if (found.format === "uuid") return "9cbe650a-1fb7-4b06-912b-cead8a013e8b";
    return "123456".padEnd(found.minLength ?? 6, "1").slice(0, found.maxLength ?? 99);
}

/** A request that the document allows. */
function allowed(operation) {
    let target = operation.template;
    const headers = { accept: "application/json" };
    const query = new URLSearchParams();
    const cookies = [];
    for (const parameter of (operation.parameters ?? []).map(resolve)) {
        const value = parameter.schema.enum?.[0] ?? parameter.example ?? sample(parameter.schema);
        if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(value));
        if (!parameter.required) continue;
        if (parameter.in === "query" && typeof value !== "object") query.set(parameter.name, value);
        if (parameter.in === "header") headers[parameter.name] = value;
        if (parameter.in === "cookie") cookies.push(`${parameter.name}=${value}`);
    }
    for (const name of Object.keys(operation.security?.[0] ?? {})) {
        const scheme = document.components.securitySchemes[name];
        if (scheme.type === "apiKey") headers[scheme.name] = "key";
        else headers.authorization = scheme.scheme === "basic" ? "Basic aTpz" : "Bearer token";
    }
    if (cookies.length > 0) headers.cookie = cookies.join("; ");
    const [media, content] = Object.entries(resolve(operation.requestBody)?.content ?? {})[0] ?? [];
    let body;
    if (media) {
        const value = content.example ?? Object.values(content.examples ?? {})[0]?.value ?? sample(content.schema);
        headers["content-type"] = media;
        if (media === "application/json") body = JSON.stringify(value);
        else if (media === "multipart/form-data") {
            headers["content-type"] = `${media}; boundary=b`;
            body = Object.entries(value).map(([key, text]) => `--b\r\ncontent-disposition: form-data; name="${key}"\r\n\r\n${text}\r\n`).join("") + "--b--\r\n";
        } else body = new URLSearchParams(value).toString();
        headers["content-length"] = Buffer.byteLength(body);
    }
    return { target: query.size > 0 ? `${target}?${query}` : target, headers, body };
}

// ---- the mock ----

const mock = await prism("mock", path);
let answers = 0;
for (const operation of operations) {
    for (const status of Object.keys(operation.responses)) {
        const code = status === "default" ? "500" : status.replace("XX", "00");
        const { target, headers, body } = allowed(operation);
        const answer = await send(mock.port, operation.method.toUpperCase(), target, { ...headers, prefer: `code=${code}` }, body);
        answers++;
        const isPrisms = (answer.headers["content-type"] ?? "").includes("problem+json");
        if (isPrisms || `${answer.status}` !== code || answer.headers["sl-violations"]) {
            bad.push(`mock of ${operation.operationId}, ${status}: ${answer.status} ${answer.headers["sl-violations"] ?? ""} ${answer.body.slice(0, 300)}`);
        }
    }
}
mock.end();

// ---- the proxy ----

const upstream = createServer((asked, answer) => {
    asked.resume();
    asked.on("end", () => answer.writeHead(200, { "content-type": "application/json" }).end("{}"));
}).listen(0, "127.0.0.1");
await new Promise((resolve) => upstream.once("listening", resolve));
const proxy = await prism("proxy", path, `http://127.0.0.1:${upstream.address().port}`);
const prefix = new URL(document.servers[0].url.replaceAll(/[{}]/g, "")).pathname.replace(/\/$/, "");

function operationOf({ method, target }) {
    const asked = target.split("?")[0].split("/");
    const fits = ({ template, method: known }) => {
        const parts = `${prefix}${template}`.split("/");
        const same = (part, at) => part === asked[at] || (part.startsWith("{") && asked[at] !== "");
        return known === method.toLowerCase() && parts.length === asked.length && parts.every(same);
    };
    const fixed = ({ template }) => -template.split("{").length;
    return operations.filter(fits).sort((one, other) => fixed(other) - fixed(one))[0];
}

const seen = new Set();
const covered = new Set();
for (const line of readFileSync(log, "utf8").split("\n").filter(Boolean)) {
    const asked = JSON.parse(line);
    const operation = operationOf(asked);
    const own = ["host", "content-length", "connection", "transfer-encoding"];
    const headers = Object.fromEntries(asked.headers.filter(([name]) => !own.includes(name)));
    const body = Buffer.from(asked.body, "base64");
    const key = JSON.stringify([asked.method, asked.target, headers, asked.body]);
    if (!operation || seen.has(key)) continue;
    seen.add(key);
    covered.add(operation.operationId);
    if (body.length > 0) headers["content-length"] = body.length;
    const answer = await send(proxy.port, asked.method, asked.target.slice(prefix.length), headers, body);
    const violations = JSON.parse(answer.headers["sl-violations"] ?? "[]");
    const ours = violations.filter(({ location }) => location[0] === "request");
    if (ours.length > 0 || answer.status !== 200) {
        bad.push(`${operation.operationId}: ${asked.method} ${asked.target} ${answer.status} ${JSON.stringify(ours)} ${answer.body.slice(0, 300)}`);
    }
}
proxy.end();
upstream.close();

const silent = operations.map(({ operationId }) => operationId).filter((id) => !covered.has(id));
console.log(`${path}: ${answers} documented answers mocked, ${seen.size} requests of ${covered.size} operations through the proxy, ${bad.length} violations (Prism)`);
if (silent.length > 0) bad.push(`no test sends ${silent.join(", ")}`);
for (const what of bad.slice(0, 20)) console.log(`  ${what}`);
process.exit(bad.length > 0 ? 1 : 0);
