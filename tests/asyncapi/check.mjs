// Reads an AsyncAPI document with the reference parser; prints what is wrong with it, one line each.
// Status 0: nothing of severity "error"; 1: something is.
import { fromFile, Parser } from "@asyncapi/parser";

const { document, diagnostics } = await fromFile(new Parser(), process.argv[2]).parse();
const errors = diagnostics.filter((found) => found.severity === 0);
for (const { path, message } of errors) {
  console.error(`${path.join(".")}: ${message}`);
}
if (document) {
  console.log(JSON.stringify({ channels: document.channels().all().map((channel) => channel.address()) }));
}
process.exit(errors.length > 0 || !document ? 1 : 0);
