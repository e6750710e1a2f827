// Reads AsyncAPI documents with the reference parser. Prints JSON: of each its channels, and its faults, which are errors
// and warnings.
import { fromFile, Parser } from "@asyncapi/parser";

const WARNING = 1;
const reports = [];
for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await fromFile(new Parser(), file).parse();
  reports.push({
    channels: document ? document.channels().all().map((channel) => channel.address()) : [],
    faults: diagnostics
      .filter(({ severity }) => severity <= WARNING)
      .map(({ path, message }) => `${path.join(".")}: ${message}`),
  });
}
console.log(JSON.stringify(reports));
