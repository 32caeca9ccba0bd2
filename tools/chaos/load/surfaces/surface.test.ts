import { expect, test } from 'vitest';
import { acceptedAfterEnd, keptOnce, refusedWithoutEnd } from '../../gates-surfaces.ts';
import type { Answer, Request } from '../../http.ts';
import { createLedger, type Entry, type Ledger, now } from '../../ledger.ts';
import { createRandom } from '../../random.ts';
import type { Clients } from '../clients.ts';
import { wrongRefusals } from './agents.ts';
import { type Account, helpedWhole, wrongPlan, wrongSteps } from './help-desk.ts';
import { keep, living, toldWrongly } from './surface.ts';

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

const [email, to] = ['a@old.test', 'a@new.test'];
/** What the gate says of a person whose change of address was acknowledged, and of that person's account. */
const said = (account: Partial<Account>, ackedAtMs = 2, ledger = createLedger()): string[] => {
  const whole = { id: 'p', email, is_verified: false, email_changed: 0, email_verified: 0, password_mail: 0 };
  const asked = new Map([['email_changed', { sentAtMs: 1, ackedAtMs }] as const]);
  const gate = helpedWhole(ledger, [{ id: 'p', madeAtMs: 0, email, to, asked }], [{ ...whole, ...account }]);
  return gate.findings.map(({ text }) => text);
};

test('a change of a person with its event holds the gate, and one that a loss of the database took', () => {
  expect(said({ email: to, email_changed: 1, is_verified: true, email_verified: 1, password_mail: 3 })).toEqual([]);
  const ledger = { ...createLedger(), rewinds: [{ backupAtMs: 0, startedAtMs: 3, acceptedAtMs: 4 }] };
  expect(said({}, 2, ledger)).toEqual([]);
});

test.each<[Partial<Account>, string]>([
  [{ email: to }, 'email_changed is true with 0 events'],
  [{ email_changed: 1 }, 'email_changed is false with 1 events'],
  [{ email: to, email_changed: 2 }, 'email_changed is true with 2 events'],
  [{ email: to, email_changed: 1, is_verified: true }, 'email_verified is true with 0 events'],
  [{}, 'email_changed was acknowledged and is missing'],
  [{ email: 'a@old.tes' }, 'the address is neither the old nor the new'],
  [{ id: 'other' }, 'person p: gone'],
])('an account that is %j is found', (account, text) => expect(said(account).join()).toContain(text));

test('what a copy tells wrongly is found, with its copy and trace', () => {
  const answer = { copy: 'A', traceId: 't' } as Answer;
  const looks = [{ kind: 'user' }, undefined].map((wrong) => ({ answer, wrong }));
  expect(toldWrongly('gate', looks).findings).toEqual([{ text: '{"kind":"user"} told by A (trace t)' }]);
});

const stepsOf = (first: boolean, second: boolean) => {
  const steps = [
    { name: 'first-client', done: first },
    { name: 'second-administrator', done: second },
  ];
  return { status: 200, body: { steps } };
};
const plan = { counts: { new: 1 } };
test.each([
  ['steps as they are', wrongSteps(stepsOf(true, false)), false],
  ['a step undone that is done', wrongSteps(stepsOf(false, false)), true],
  ['a step done that is not', wrongSteps(stepsOf(true, true)), true],
  ['no steps', wrongSteps({ status: 200, body: { steps: [] } }), true],
  ['neither steps nor a 503', wrongSteps({ status: 404, body: {} }), true],
  ['the same plan', wrongPlan(plan, { status: 200, body: structuredClone(plan) }), false],
  ['another rehearsal first', wrongPlan(plan, { status: 409, body: {} }), false],
  ['another plan', wrongPlan(plan, { status: 200, body: { counts: { new: 2 } } }), true],
  ['a refusal', wrongPlan(plan, { status: 403, body: {} }), true],
  ['refusals as often as sent', wrongRefusals('a', 2, [{ client_id: 'a', requests: 2 }]), false],
  ['a refusal counted twice', wrongRefusals('a', 1, [{ client_id: 'a', requests: 2 }]), true],
  ['refusals of another agent', wrongRefusals('a', 2, [{ client_id: 'b', requests: 1 }]), true],
])('%s', (_, wrong, isFound) => expect(wrong !== undefined).toBe(isFound));
