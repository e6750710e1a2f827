/** The command line of the ledger; README.md shows how to use it. */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import kafkajs, { type Consumer } from "kafkajs";
import { registerCodecs } from "./codecs.js";
import { Ledger } from "./ledger.js";
import type { PostingTable } from "./posting.js";

const USAGE = `usage: node build/main.js kit FOLDER
       node build/main.js follow [--brokers HOST:PORT,…] [--prefix P] [--topics T,…] [--table FILE] [--ledger FILE]
       node build/main.js print [--ledger FILE]`;

const OPTIONS = {
  brokers: { type: "string", default: "127.0.0.1:9092" },
  prefix: { type: "string", default: "" },
  topics: { type: "string", default: "decisions.tagging,decisions.paf,decisions.rating-reversal,decisions.refund" },
  table: { type: "string", default: "posting_table.json" },
  ledger: { type: "string", default: "ledger.db" },
} as const;
type Options = { [name in keyof typeof OPTIONS]: string };

interface Kit {
  posting_table: string;
  streams: { name: string; records: string; topics: string[] }[];
}

/** Returns, by name, the ledgers that the recorded streams of the test kit lead to. */
function kit(folder: string): object {
  const { posting_table, streams } = readJson<Kit>(join(folder, "kit.json"));
  const table = readJson<PostingTable>(join(folder, posting_table));
  const ledgers = streams.map(({ name, records, topics }) => {
    const ledger = new Ledger(":memory:");
    for (const line of readFileSync(join(folder, records), "utf8").split("\n").filter(Boolean)) {
      const { topic, value } = JSON.parse(line) as { topic: string; value: string | null };
      if (topics.includes(topic)) ledger.apply([value], table);
    }
    return [name, ledger.contents()];
  });
  return Object.fromEntries(ledgers);
}

/** Follows the topics from the stored positions on, until the process is told to stop. */
async function follow({ brokers, prefix, topics, table: tableFile, ledger: file }: Options): Promise<void> {
  const table = readJson<PostingTable>(tableFile);
  const ledger = new Ledger(file);
  registerCodecs();
  const kafka = new kafkajs.Kafka({
    brokers: brokers.split(","),
    connectionTimeout: 10_000, // a second, the default, is short on a busy machine
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 5 },
  });
  // kafkajs reads in groups only. Positions are in the ledger, so each run reads all partitions in its own group.
  const consumer = kafka.consumer({ groupId: `penalty-ledger-${randomUUID()}`, readUncommitted: false });
  consumer.on(consumer.events.GROUP_JOIN, () => {
    for (const { topic, partition, next } of ledger.positions()) consumer.seek({ topic, partition, offset: `${next}` });
  });
  consumer.on(consumer.events.CRASH, ({ payload: { error } }) => fail(error));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop(consumer, ledger));

  await consumer.connect();
  await consumer.subscribe({ topics: topics.split(",").map((topic) => prefix + topic), fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      const values = batch.messages.map(({ value }) => value?.toString() ?? null);
      const next = BigInt(batch.lastOffset()) + 1n;
      try {
        ledger.apply(values, table, { topic: batch.topic, partition: batch.partition, next });
      } catch (error) {
        fail(new Error(`${batch.topic}-${batch.partition}@${batch.firstOffset()}: ${(error as Error).message}`));
      }
    },
  });
}

async function stop(consumer: Consumer, ledger: Ledger): Promise<void> {
  await consumer.disconnect();
  ledger.close();
  process.exit(0);
}

function print(contents: object): void {
  process.stdout.write(`${JSON.stringify(contents, null, 2)}\n`);
}

function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(file, "utf8")) as T;
}

function fail(error: Error, status = 1): never {
  process.stderr.write(`${error.message}\n`);
  process.exit(status);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [command, folder] = positionals;
  if (command === "kit" && folder) print(kit(folder));
  else if (command === "follow") await follow(values);
  else if (command === "print") print(new Ledger(values.ledger).contents());
  else fail(new Error(USAGE), 2);
}

await main().catch((error: NodeJS.ErrnoException) => {
  const isUnusable = /^(ENOENT|ERR_PARSE_ARGS)/.test(error.code ?? "");
  fail(error, isUnusable ? 2 : 1);
});
