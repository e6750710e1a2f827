/** What a ledger must hold for a decision, as the posting table says. */

export interface PostingTable {
  accounts: Record<string, { holder: string; unit: string }>;
  rules: Rule[];
}

interface Rule {
  kind: string;
  subject_of: string;
  outcome: string;
  status: string;
  lines: { account: string; side: "debit" | "credit"; amount: string }[];
}

/** The fields of a decision's `data` that a ledger uses; there are more, and there may be new ones. */
export interface Decision {
  decision_id: string;
  decision_key: string;
  revision: number;
  kind: string;
  subject_of: string;
  case_id: string;
  partner_id: string | null;
  status: string;
  outcome: string;
  [field: string]: unknown;
}

/** An amount on an account, in 1/10,000 of its unit: debits are positive, credits negative. */
export interface Posting {
  account: string;
  holder: string;
  unit: string;
  amount: bigint;
}

/**
 * Returns what the ledger must hold for a decision. `undefined` means that a person must look: no rule knows the
 * decision's values, or a field that its rule needs is absent.
 */
export function postings(decision: Decision, table: PostingTable): Posting[] | undefined {
  const rule = table.rules.find(
    (each) =>
      each.kind === decision.kind &&
      each.subject_of === decision.subject_of &&
      each.outcome === decision.outcome &&
      each.status === decision.status,
  );
  const found = rule?.lines.map(({ account, side, amount }) => {
    const { holder: field, unit } = table.accounts[account]!;
    const holder = decision[field] as string | null | undefined;
    const money = decision[amount] as { amount: string; currency: string } | undefined;
    const [number, of] = unit === "currency" ? [money?.amount, money?.currency] : [amount, unit];
    if (!holder || number === undefined || of === undefined) return undefined;
    return { account, holder, unit: of, amount: side === "debit" ? parseAmount(number) : -parseAmount(number) };
  });
  return found?.every((each) => each !== undefined) ? found.filter((each) => each.amount !== 0n) : undefined;
}

function parseAmount(text: string): bigint {
  const [whole = "", decimals = ""] = text.split(".");
  return BigInt(whole + decimals.padEnd(4, "0"));
}

export function formatAmount(amount: bigint): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(5, "0");
  return `${amount < 0n ? "-" : ""}${digits.slice(0, -4)}.${digits.slice(-4)}`;
}
