// Validates with ajv in strict mode: every schema of an export, its examples, and messages of files in JSON Lines.
// Arguments: the folder of the export, then files. Prints JSON: how many schemas and examples there are, and for each
// file the lines that are refused, each with the reason.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const [folder, ...files] = process.argv.slice(2);
const ajv = new Ajv.default({ strict: true, allErrors: false });
addFormats.default(ajv);
ajv.addVocabulary(["x-known-values", "x-direction"]);

const schemas = readdirSync(folder, { recursive: true })
  .filter((name) => name.endsWith(".json") && name !== "asyncapi.json")
  .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")));
const validators = schemas.map((schema) => ajv.compile(schema));

let examples = 0;
const invalid = [];
const messages = new Map();
schemas.forEach((schema, index) => {
  const type = schema.properties.type?.const;
  if (type) {
    messages.set(type, validators[index]);
  }
  for (const example of schema.examples ?? []) {
    examples += 1;
    if (!validators[index](example)) {
      invalid.push(`${schema.$id}: ${ajv.errorsText(validators[index].errors)}`);
    }
  }
});

function refused(file) {
  const found = {};
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  lines.forEach((line, index) => {
    const message = JSON.parse(line);
    const validate = messages.get(message.type);
    if (!validate(message)) {
      found[index] = ajv.errorsText(validate.errors, { dataVar: message.type });
    }
  });
  return { lines: lines.length, refused: found };
}

console.log(JSON.stringify({ schemas: schemas.length, examples, invalid, files: files.map(refused) }));
