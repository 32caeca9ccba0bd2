import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PublicLeaf } from './gates-public-log.ts';
import { type CopyName, type Ledger, now } from './ledger.ts';
import type { ChaosStores } from './stores.ts';

const sha256 = (...parts: readonly Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** Roots of a Merkle tree (RFC 6962 §2.1) at every size, from its leaves in order; shares no code with the product. */
export function rootsOf(leaves: Iterable<Uint8Array>, sizes: ReadonlySet<number>): Map<number, string> {
  const roots = new Map<number, string>();
  /** Roots of the complete subtrees from left to right, with their sizes. */
  const subtrees: { size: number; root: Buffer }[] = [];
  let size = 0;
  const keep = (): void => {
    if (!sizes.has(size)) return;
    const root = subtrees
      .map((subtree) => subtree.root)
      .reduceRight((right, left) => sha256(Buffer.of(1), left, right));
    roots.set(size, root.toString('base64'));
  };
  for (const leaf of leaves) {
    subtrees.push({ size: 1, root: sha256(Buffer.of(0), leaf) });
    for (let [left, right] = subtrees.slice(-2); left && right && left.size === right.size; ) {
      subtrees.splice(-2, 2, { size: left.size * 2, root: sha256(Buffer.of(1), left.root, right.root) });
      [left, right] = subtrees.slice(-2);
    }
    size += 1;
    keep();
  }
  return roots;
}

/** Writes the signed heads that both copies publish into the ledger, every two seconds, until told to stop. */
export function watchHeads(ledger: Ledger, ask: (copy: CopyName) => Promise<string | undefined>): () => Promise<void> {
  let isWatching = true;
  const watch = async (copy: CopyName): Promise<void> => {
    while (isWatching) {
      const [origin, size, root] = (await ask(copy))?.split('\n') ?? [];
      if (origin && size && root) ledger.heads.push({ copy, origin, size: Number(size), root, atMs: now() });
      await sleep(2_000);
    }
  };
  const watching = Promise.all([watch('A'), watch('B')]);
  return async () => {
    isWatching = false;
    await watching;
  };
}

/** The text of the newest head that a copy publishes. */
export const headOf = async (url: string): Promise<string | undefined> => {
  try {
    const answer = await fetch(`${url}/v1/audit/log/checkpoint`, { signal: AbortSignal.timeout(3_000) });
    return answer.status === 200 ? await answer.text() : undefined;
  } catch {
    return undefined;
  }
};

/** What the log says of a family, beside what its client saw. */
export async function familyEvents(stores: ChaosStores, familyId: string): Promise<string[]> {
  const rows = await stores.query<{ at: string; type: string; outcome: string; trace: string; detail: string }>(
    `SELECT to_char(occurred_at AT TIME ZONE 'UTC', 'HH24:MI:SS.MS') AS at, type, outcome, trace_id AS trace,
       detail::text AS detail FROM audit_events WHERE target_id = $1 ORDER BY occurred_at`,
    [familyId],
  );
  return rows.map(
    ({ at, type, outcome, trace, detail }) => `the log: ${at} ${type} ${outcome} (trace ${trace}) ${detail}`,
  );
}

/** How often each type was sealed in each trace. What waits in the outbox is in no log. */
export async function readEvents(stores: ChaosStores): Promise<Map<string, Map<string, number>>> {
  const rows = await stores.query<{ trace: string; type: string; n: number }>(
    `SELECT trace_id AS trace, type, count(*)::int AS n FROM audit_events WHERE trace_id <> '' GROUP BY 1, 2`,
  );
  const traces = Map.groupBy(rows, ({ trace }) => trace);
  return new Map([...traces].map(([trace, of]) => [trace, new Map(of.map(({ type, n }) => [type, n]))]));
}

/** The root of each log at the sizes that were published, from the leaves in the database. */
export async function readRoots(
  stores: ChaosStores,
  ledger: Ledger,
): Promise<(origin: string, size: number) => string | undefined> {
  const logs = await stores.query<{ origin: string; firstSeq: string; size: string }>(
    'SELECT origin, first_seq::text AS "firstSeq", size::text AS size FROM audit_log',
  );
  const roots = new Map<string, Map<number, string>>();
  for (const { origin, firstSeq, size } of logs) {
    const rows = await stores.query<{ leaf: Buffer }>(
      'SELECT leaf FROM audit_events WHERE seq >= $1::bigint AND seq < $1::bigint + $2::bigint ORDER BY seq',
      [firstSeq, size],
    );
    const sizes = new Set(ledger.heads.filter((head) => head.origin === origin).map((head) => head.size));
    const leaves = rows.map(({ leaf }) => leaf);
    roots.set(origin, rootsOf(leaves, sizes));
  }
  return (origin, size) => roots.get(origin)?.get(size);
}

/** What anyone may read of the log. */
export const readLeaves = ({ query }: ChaosStores): Promise<PublicLeaf[]> =>
  query<PublicLeaf>(`SELECT seq::int, convert_from(leaf, 'UTF8') AS text FROM audit_events ORDER BY seq`);

/** Waits until no event waits to be sealed; false when some still do after this time. */
export async function untilSealed(stores: ChaosStores, patienceMs: number): Promise<boolean> {
  const deadline = now() + patienceMs;
  while (now() < deadline) {
    const [row] = await stores.query<{ n: number }>('SELECT count(*)::int AS n FROM audit_outbox WHERE seq IS NULL');
    if (row?.n === 0) return true;
    await sleep(250);
  }
  return false;
}
