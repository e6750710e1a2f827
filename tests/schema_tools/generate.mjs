// Generates types from the schemas of whole messages: TypeScript by json-schema-to-typescript, Go and Java by quicktype.
// Arguments: the folder of an export, and the folder to write to, which has a folder for each language with a reader.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "json-schema-to-typescript";
import { FetchingJSONSchemaStore, InputData, JSONSchemaInput, quicktypeMultiFile } from "quicktype-core";

const [folder, out] = process.argv.slice(2);
const schemas = readdirSync(join(folder, "messages")).map((name) =>
  JSON.parse(readFileSync(join(folder, "messages", name), "utf8")),
);
const names = schemas.map((schema) => [schema.properties.type.const, schema.title]);

async function quicktypes(lang, rendererOptions, only = schemas) {
  const input = new JSONSchemaInput(new FetchingJSONSchemaStore());
  for (const { $id, ...schema } of only) {
    await input.addSource({ name: schema.title, schema: JSON.stringify(schema) });
  }
  const inputData = new InputData();
  inputData.addInput(input);
  return quicktypeMultiFile({ inputData, lang, outputFilename: "contract.go", rendererOptions });
}

function write(language, name, lines) {
  writeFileSync(join(out, language, name), `${lines.join("\n")}\n`);
}

for (const schema of schemas) {
  const code = await compile(schema, schema.title, { bannerComment: "", format: false });
  write("typescript", `${schema.title}.ts`, [code]);
}
write("typescript", "contract.ts", [
  ...names.map(([, title]) => `import type { ${title} } from "./${title}.js";`),
  `export type Message = ${names.map(([, title]) => title).join(" | ")};`,
]);

for (const [name, { lines }] of await quicktypes("go", { package: "main" })) {
  write("go", name, lines);
}
write("go", "registry.go", [
  "package main",
  "",
  "var read = map[string]func([]byte) ([]byte, error){",
  ...names.map(([type, title]) => `\t"${type}": reader(Unmarshal${title}, (*${title}).Marshal),`),
  "}",
]);

for (const [name, { lines }] of await quicktypes("java", { package: "contract" })) {
  write("java", name, lines);
}
write("java", "Registry.java", [
  "package contract;",
  "",
  "public class Registry {",
  "    static String read(String type, String json) throws Exception {",
  "        switch (type) {",
  ...names.map(
    ([type, title]) =>
      `            case "${type}": return Converter.${title}ToJsonString(Converter.${title}FromJsonString(json));`,
  ),
  "            default: throw new IllegalArgumentException(type);",
  "        }",
  "    }",
  "}",
]);

// The names of types, where a program takes one message alone.
const alone = schemas.filter((schema) => schema.title === "RefundDecisionMessage");
const types = [...(await quicktypes("go", { package: "refund" }, alone)).values()][0].lines
  .map((line) => /^type (\w+)/.exec(line)?.[1])
  .filter(Boolean);
console.log(JSON.stringify(types.sort()));
