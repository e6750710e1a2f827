// Reads messages, one a line, and writes what each says as JSON.
import { readFileSync } from "node:fs";
import { says } from "./built/reader.js";

for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  console.log(JSON.stringify(says(JSON.parse(line))));
}
