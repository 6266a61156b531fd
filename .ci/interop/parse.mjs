// swagger-parser over each document. Arguments: the folder of the tools, documents.
import { createRequire } from "node:module";

const [tools, ...documents] = process.argv.slice(2);
const parser = createRequire(`${tools}/`)("@apidevtools/swagger-parser");
const { validate } = parser.default ?? parser;
let failed = false;
for (const document of documents) {
    try {
        await validate.call(parser.default ?? parser, document);
        console.log(`${document}: OK (swagger-parser)`);
    } catch (error) {
        failed = true;
        console.log(`${document}: ${error.message}`);
    }
}
process.exit(failed ? 1 : 0);
