// Reads an AsyncAPI document with the reference parser; prints what is wrong with it, one line each.
// Status 0: nothing of severity "error" or "warning"; 1: something is.
import { fromFile, Parser } from "@asyncapi/parser";

const WARNING = 1;
const { document, diagnostics } = await fromFile(new Parser(), process.argv[2]).parse();
const found = diagnostics.filter(({ severity }) => severity <= WARNING);
for (const { path, message } of found) {
  console.error(`${path.join(".")}: ${message}`);
}
if (document) {
  console.log(JSON.stringify({ channels: document.channels().all().map((channel) => channel.address()) }));
}
process.exit(found.length > 0 || !document ? 1 : 0);
