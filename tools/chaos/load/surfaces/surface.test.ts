import { expect, test } from 'vitest';
import { acceptedAfterEnd, keptOnce, refusedWithoutEnd } from '../../gates-surfaces.ts';
import type { Answer, Request } from '../../http.ts';
import { createLedger, type Entry, type Ledger, now } from '../../ledger.ts';
import { createRandom } from '../../random.ts';
import type { Clients } from '../clients.ts';
import { keep, living } from './surface.ts';

const LONG_AGO_MS = 3_000;

/** What a product answers to the end of a thing, and to a thing that is shown before and after its end. */
type Product = { readonly end: number; readonly before: number; readonly after: number };
const honest: Product = { end: 200, before: 200, after: 401 };

/** A surface whose clients meet such a product, from the first thing to the last look at both copies. */
async function ledgerOf(product: Product): Promise<Ledger> {
  const ledger = createLedger();
  const ended = new Set<string>();
  const statusOf = ({ path }: Request): number => {
    if (path === '/make') return 201;
    const id = path.slice(path.lastIndexOf('/') + 1);
    if (!path.startsWith('/end/')) return ended.has(id) ? product.after : product.before;
    if (product.end === 200) ended.add(id);
    return product.end;
  };
  const ask = async (copy: Answer['copy'], request: Request): Promise<Answer> => {
    const times = { sentAtMs: now(), answeredAtMs: now() };
    return { copy, status: statusOf(request), body: undefined, cookie: '', etag: '', traceId: 'trace', ...times };
  };
  const clients = { ledger, ask, random: createRandom(1), isStopping: () => true } as unknown as Clients;
  const surface = living(clients, {
    ...{ name: 'API keys', called: 'thing', rows: {}, mostLive: 9, perSecond: { make: 1, end: 1, show: 1 } },
    make: async () => {
      const made = await keep(clients, 'API keys', { kind: 'making', events: [] }, () => ({ path: '/make' }));
      return made && { id: made.key };
    },
    shows: [{ request: ({ id }) => ({ path: `/show/${id}` }), accepts: ({ status }) => status === 200 }],
    end: { kind: 'ending', events: [], request: ({ id }) => ({ path: `/end/${id}` }) },
  });
  await surface.prepare();
  for (const thing of surface.made) Object.assign(thing, { madeAtMs: thing.madeAtMs - LONG_AGO_MS });
  for (const { revocations } of surface.made)
    for (const end of revocations) if (end.ackedAtMs) Object.assign(end, { ackedAtMs: end.ackedAtMs - LONG_AGO_MS });
  ledger.uses.length = 0;
  await surface.settle();
  return ledger;
}

const rowsOf = (entries: readonly Entry[]) =>
  new Map(
    [...Map.groupBy(entries, ({ kind }) => kind)].map(([kind, of]) => [kind, new Map(of.map(({ key }) => [key, 1]))]),
  );

test('a product that ends what it says holds every gate, and each of them has facts', async () => {
  const ledger = await ledgerOf(honest);
  for (const gate of [acceptedAfterEnd(ledger, 'API keys'), refusedWithoutEnd(ledger, 'API keys')]) {
    expect(gate.checked).toBeGreaterThan(0);
    expect(gate.findings).toEqual([]);
  }
  expect(keptOnce(ledger, 'API keys', rowsOf(ledger.entries))).toMatchObject({ checked: 6, findings: [] });
});

test('a product that accepts what it said it had ended is found, at both copies', async () => {
  const { findings } = acceptedAfterEnd(await ledgerOf({ ...honest, after: 200 }), 'API keys');
  expect(findings.map(({ text }) => text)).toEqual(['A', 'B'].map((copy) => expect.stringContaining(`at ${copy}`)));
});

test('a product that refuses what nothing ended is found', async () => {
  const { findings } = refusedWithoutEnd(await ledgerOf({ ...honest, before: 401 }), 'API keys');
  expect(findings.length).toBeGreaterThan(0);
});

test('an acknowledged thing, and an acknowledged end, that the database does not have are found', async () => {
  const ledger = await ledgerOf(honest);
  for (const kind of ['making', 'ending']) {
    const rows = rowsOf(ledger.entries.filter((entry) => entry.kind !== kind));
    expect(keptOnce(ledger, 'API keys', rows).findings[0]?.text).toMatch(`missing: ${kind}`);
  }
});

test('an end that no copy acknowledged binds the product to nothing', async () => {
  const ledger = await ledgerOf({ ...honest, end: 400 });
  expect(acceptedAfterEnd(ledger, 'API keys').checked).toBe(0);
  expect(ledger.entries.find(({ kind }) => kind === 'ending')?.ackedAtMs).toBeUndefined();
});
