/** A ledger in SQLite. Postings and the positions up to which topics were read are written in one transaction. */

import Database from "libsql";
import { type Decision, formatAmount, type Posting, type PostingTable, postings } from "./posting.js";

export interface Position {
  topic: string;
  partition: number;
  /** The offset to read next. */
  next: bigint;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS decisions (
    decision_key TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL, subject_of TEXT NOT NULL, case_id TEXT NOT NULL,
    partner_id TEXT, revision INTEGER NOT NULL, decision_id TEXT NOT NULL, status TEXT NOT NULL, outcome TEXT NOT NULL,
    review INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS entries (
    entry_id INTEGER PRIMARY KEY, decision_key TEXT NOT NULL, decision_id TEXT NOT NULL,
    account TEXT NOT NULL, holder TEXT NOT NULL, unit TEXT NOT NULL, amount INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS entries_of_decision ON entries (decision_key);
  CREATE TABLE IF NOT EXISTS positions (
    topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
  ) STRICT;
`;

const DECISION_FIELDS = "decision_key, kind, subject_of, case_id, partner_id, revision, decision_id, status, outcome";

export class Ledger {
  private readonly database: Database.Database;

  constructor(file: string) {
    this.database = new Database(file, { timeout: 10_000 });
    this.database.exec(SCHEMA);
    this.database.defaultSafeIntegers(true); // a sum may exceed what a number holds exactly
  }

  /** Applies the values of records, in their order, and stores the position after them: all of it, or nothing. */
  apply(values: (string | null)[], table: PostingTable, position?: Position): void {
    const decisions = values.filter((value) => value !== null).map((value) => JSON.parse(value).data as Decision);
    this.database
      .transaction(() => {
        for (const decision of decisions) this.applyDecision(decision, table);
        if (position) this.store(position);
      })
      .immediate();
  }

  positions(): Position[] {
    const rows = this.database.prepare("SELECT topic, partition, next FROM positions").all();
    return (rows as { topic: string; partition: bigint; next: bigint }[]).map((row) => ({
      ...row,
      partition: Number(row.partition),
    }));
  }

  /** Returns the last revision of every decision with its lines, the balances, and what a person must look at. */
  contents(): object {
    const decisions = this.database
      .prepare(`SELECT ${DECISION_FIELDS}, review FROM decisions ORDER BY decision_key`)
      .all() as (Decision & { revision: bigint; review: bigint })[];
    return {
      decisions: decisions.map(({ review: _, ...decision }) => ({
        ...decision,
        revision: Number(decision.revision),
        lines: this.sums("WHERE decision_key = ?", decision.decision_key).map(printed),
      })),
      balances: this.sums().map(printed),
      review: decisions.filter(({ review }) => review).map(({ decision_key }) => decision_key),
    };
  }

  close(): void {
    this.database.close();
  }

  /** Posts the difference between what must be on the books for a decision and what is, unless its revision is old. */
  private applyDecision(decision: Decision, table: PostingTable): void {
    const key = decision.decision_key;
    const stored = this.database.prepare("SELECT revision FROM decisions WHERE decision_key = ?").get(key) as
      | { revision: bigint }
      | undefined;
    if (stored && BigInt(decision.revision) <= stored.revision) return;
    const target = postings(decision, table);
    const taken = this.sums("WHERE decision_key = ?", key).map((posted) => ({ ...posted, amount: -posted.amount }));
    const entry = this.database.prepare(
      "INSERT INTO entries (decision_key, decision_id, account, holder, unit, amount) VALUES (?, ?, ?, ?, ?, ?)",
    );
    for (const { account, holder, unit, amount } of totals([...taken, ...(target ?? [])])) {
      entry.run(key, decision.decision_id, account, holder, unit, amount);
    }
    this.database
      .prepare(`INSERT OR REPLACE INTO decisions (${DECISION_FIELDS}, review) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
      .run(
        ...[key, decision.kind, decision.subject_of, decision.case_id, decision.partner_id, decision.revision],
        ...[decision.decision_id, decision.status, decision.outcome, target ? 0 : 1],
      );
  }

  private store({ topic, partition, next }: Position): void {
    this.database.prepare("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)").run(topic, partition, next);
  }

  private sums(where = "", ...parameters: string[]): Posting[] {
    const query = `SELECT account, holder, unit, sum(amount) AS amount FROM entries ${where}
      GROUP BY account, holder, unit HAVING sum(amount) <> 0 ORDER BY account, holder, unit`;
    return this.database.prepare(query).all(...parameters) as Posting[];
  }
}

/** Returns the sums by account, holder and unit that are not 0. */
function totals(all: Posting[]): Posting[] {
  const sums = new Map<string, Posting>();
  for (const each of all) {
    const of = JSON.stringify([each.account, each.holder, each.unit]);
    sums.set(of, { ...each, amount: each.amount + (sums.get(of)?.amount ?? 0n) });
  }
  return [...sums.values()].filter(({ amount }) => amount !== 0n);
}

function printed({ account, holder, unit, amount }: Posting): object {
  return { account, holder, unit, amount: formatAmount(amount) };
}
