// Reads and makes CloudEvents with the JavaScript SDK; see ../sdks.py for what goes in and out.
import { createInterface } from "node:readline";
import { CloudEvent, Kafka } from "cloudevents";

/** What the SDK read; null if it saw no event. */
function read({ headers, value }) {
  const texts = headers.map(({ name, value }) => [name, Buffer.from(value, "base64").toString()]);
  const message = { headers: Object.fromEntries(texts), value: Buffer.from(value, "base64").toString() };
  if (!Kafka.isEvent(message)) return null;
  const { id, source, type } = Kafka.toEvent(message);
  return { id, source, type };
}

function write(given, mode) {
  const event = new CloudEvent({ ...given, datacontenttype: "application/json" });
  const { headers, value } = mode(event);
  const text = typeof value === "string" ? value : JSON.stringify(value); // in binary mode the SDK leaves data as it is
  return {
    headers: Object.entries(headers).map(([name, header]) => ({ name, value: base64(String(header)) })),
    value: base64(text),
  };
}

function base64(text) {
  return Buffer.from(text).toString("base64");
}

const verbs = {
  read,
  structured: (given) => write(given, Kafka.structured),
  binary: (given) => write(given, Kafka.binary),
};
const verb = verbs[process.argv[2]];
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(verb(JSON.parse(line)))}\n`);
}
