import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Audience, Endpoint, Subject } from '#services/platform/define/endpoint.ts';
import { collectEndpoints } from '#tools/catalog/collect.ts';
import {
  type Callers,
  type Credential,
  insertRoles,
  newCallers,
  newSignedInUser,
  patiently,
} from '#tools/testing/flows/every-caller.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { type Answered, ask, type Cell, cellsOf, eachOf, permissionIn } from './authority-cells-harness.ts';
import { createExceptions, NO_REASON, OF_NOBODY } from './authority-exceptions-harness.ts';
import { KINDS, type KindName } from './authority-expected-harness.ts';
import { type Ids, missingIds, newVictim } from './authority-victims-harness.ts';
import { sampleRequests } from './sample-input-harness.ts';

/**
 * Every operation of the catalogue × every kind of caller × what it may do. The expected decision follows from the
 * declaration of the operation alone, so a new one is covered as soon as it is declared.
 */

let harness: ApiHarness;
let copy: ApiCopy;
let cells: Cell[];
/** Names of all permissions. */
let known: readonly string[];
/** Resources of a user that no caller is. */
let foreign: Ids;
/** Callers without permissions and with all, and by permission those with it alone and with all others. */
let callers: Readonly<Record<'none' | 'all', Callers> & Record<'lacking' | 'holding', Map<string, Callers>>>;

beforeAll(async () => {
  harness = await openApiHarness();
  // Sign-ins and tokens that stay recent and valid for as long as the matrix takes on a busy machine.
  const env = { CLIENT_REGISTRATION: 'open', STEP_UP_SECONDS: '3600', JWT_ACCESS_EXPIRY: '3600' };
  copy = await harness.startCopy({ hashes: false, env });
  foreign = await newVictim(copy, harness);
  const missing = missingIds(foreign);
  cells = copy.bound.flatMap((endpoint) => cellsOf(endpoint, foreign, missing));
  const wanted = [...new Set(copy.bound.flatMap((endpoint) => permissionIn(endpoint) ?? []))].sort();
  known = (await harness.rows`SELECT name FROM permissions`).map(({ name }) => name as string);
  const lists = [
    ...wanted.flatMap((permission) => [[permission], known.filter((each) => each !== permission)]),
    [...known],
  ];
  const roles = await insertRoles(harness, lists);
  await copy.ports.access.load();
  const made = new Map<number, Callers>();
  await eachOf([...lists.keys()], async (index) => {
    const permissions = lists[index] as string[];
    const of = { role: roles[index] as string, permissions };
    made.set(index, await patiently(() => newCallers(copy, harness, of)));
    return null;
  });
  const at = (index: number): Callers => made.get(index) as Callers;
  callers = {
    none: await patiently(() => newCallers(copy, harness, { role: null, permissions: [] })),
    all: at(lists.length - 1),
    holding: new Map(wanted.map((permission, index) => [permission, at(2 * index)])),
    lacking: new Map(wanted.map((permission, index) => [permission, at(2 * index + 1)])),
  };
}, 600_000);
afterAll(() => harness?.close());

/** A person whose session an operation may end. */
async function freshPerson(kind: KindName): Promise<Credential> {
  const { cookie, token } = await patiently(() => newSignedInUser(copy, harness));
  return kind === 'userBySession' ? { cookie, origin: copy.ports.publicUrl } : { authorization: `Bearer ${token}` };
}

const isEndedByUse = ({ kind, rights, expected }: Cell): boolean =>
  expected === 'allowed' && rights === 'none' && (kind === 'userBySession' || kind === 'userByToken');

const heldBy = (rights: 'lacking' | 'holding', permission: string): Callers =>
  callers[rights].get(permission) as Callers;

async function credentialFor(cell: Cell): Promise<Credential> {
  const { kind, rights, endpoint } = cell;
  if (isEndedByUse(cell)) return freshPerson(kind);
  const isByPermission = rights === 'lacking' || rights === 'holding';
  return (isByPermission ? heldBy(rights, permissionIn(endpoint) as string) : callers[rights])[kind];
}

const exceptions = createExceptions();

const isExpected = (cell: Cell, answered: Answered): boolean =>
  cell.expected === 'allowed' ? exceptions.admits(cell, answered) : answered.code === cell.expected;

const written = ({ endpoint, request, kind, rights, expected }: Cell, { status, code }: Answered): string =>
  `${endpoint.operation} ${request.path} ${JSON.stringify(request.body) ?? ''} by ${KINDS[kind].name} (${rights}): ${status} ${code}, not ${expected}`;

/** Runs cells and returns those whose answer is not the declared one. */
const surprises = (of: readonly Cell[]): Promise<string[]> =>
  eachOf(of, async (cell) => {
    const credential = await credentialFor(cell);
    const answered = await ask(copy.url, cell.endpoint, cell.request, credential);
    if (cell.expected !== 'missing') return isExpected(cell, answered) ? null : written(cell, answered);
    const missing = await ask(copy.url, cell.endpoint, cell.ofMissing, credential);
    const isSame = answered.status === missing.status && answered.code === missing.code;
    return isSame ? null : `${written(cell, answered)}, which is ${missing.status} ${missing.code}`;
  });

/** The state of the database, without the audit log, which records refusals, and without what moves by itself. */
const MOVING = /^(audit_|job_|_prisma)|^(feed_state|detection_progress|api_key_uses|client_refusals)$/;
async function everything(): Promise<Record<string, string>> {
  const tables =
    await harness.rows`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`;
  const state: Record<string, string> = {};
  for (const { name } of tables.filter((table) => !MOVING.test(table.name))) {
    const [row] = await harness.rows(
      `SELECT count(*) || ' ' || coalesce(sum(hashtext(t::text)), 0) AS state FROM "${name}" t`,
    );
    state[name] = row.state;
  }
  return state;
}

const AUDIENCES: readonly (Audience | undefined)[] = ['anyone', 'user', 'person', 'owner', 'agent'];
const SUBJECTS: readonly (Subject | undefined)[] = ['any', 'own', 'none', 'permitted'];

/** Whether an endpoint says which callers it accepts and which resources it acts on; those of all only by a permission. */
const isDeclared = ({ auth, method }: Endpoint): boolean =>
  auth === 'public' ||
  (AUDIENCES.includes(auth.for) &&
    (typeof auth.subject === 'object' || SUBJECTS.includes(auth.subject)) &&
    (auth.subject !== 'any' || auth.permission !== undefined) &&
    (auth.subject !== 'permitted' || method === 'GET'));

/** Refusals that the audit log must record: kind of actor, code and permission of the endpoint. */
const deniedIn = (refused: readonly Cell[]): string[] => {
  const lines = refused.flatMap(({ kind, endpoint: { auth }, expected }) =>
    auth === 'public' || auth.permission === undefined || !RECORDED.has(expected)
      ? []
      : [`${KINDS[kind].is === 'user' ? 'user' : 'client'} ${expected} ${auth.permission}`],
  );
  return [...new Set(lines)].sort();
};
const RECORDED: ReadonlySet<string> = new Set(
  `permission_missing rights_exceeded step_up_required own_credential_required api_key_not_accepted
  agent_not_accepted`.split(/\s+/),
);

async function denials(): Promise<string[]> {
  const rows =
    await harness.rows`SELECT DISTINCT concat_ws(' ', actor_kind, detail ->> 'code', detail ->> 'permission') AS line
      FROM audit_outbox WHERE type = 'access.denied' AND outcome = 'refused' AND detail ->> 'permission' IS NOT NULL`;
  return rows.map(({ line }) => line as string).sort();
}

describe('the authority of every kind of caller', () => {
  test('every operation of the catalogue has a row, with every kind of caller that it can tell apart', async () => {
    const declared = (await collectEndpoints()).map(({ operation }) => operation).sort();
    expect([...new Set(cells.map(({ endpoint }) => endpoint.operation))].sort()).toEqual(declared);
    for (const endpoint of copy.bound) {
      const permission = permissionIn(endpoint);
      if (permission !== undefined) expect(known, endpoint.operation).toContain(permission);
      expect(isDeclared(endpoint), endpoint.operation).toBe(true);
      const kinds = new Set(cells.filter((cell) => cell.endpoint === endpoint).map(({ kind }) => kind));
      expect(kinds.size, endpoint.operation).toBeGreaterThanOrEqual(Object.keys(KINDS).length - 2);
    }
  });

  test('the matrix has another user’s resource for every id that a path can name and a user can own', () => {
    const names = copy.bound.flatMap(({ path }) => [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string));
    expect(names.filter((name) => !(name in foreign) && !OF_NOBODY.has(name))).toEqual([]);
  });

  test('every action that needs a permission requires a reason', () => {
    const acts = copy.bound.filter(
      ({ method, auth, operation }) =>
        auth !== 'public' && auth.permission !== undefined && method !== 'GET' && !NO_REASON.has(operation),
    );
    expect(acts.length).toBeGreaterThan(20);
    const without = acts.filter((endpoint) =>
      sampleRequests(endpoint, {}).some(
        ({ path, body }) => !(body?.reason ?? new URLSearchParams(path.split('?')[1]).get('reason')),
      ),
    );
    expect(without.map(({ operation }) => operation)).toEqual([]);
  });

  test('a caller that the declaration refuses is refused, for another user’s resources too, and nothing changes', async () => {
    const refused = cells.filter(({ expected }) => expected !== 'allowed');
    expect(refused.length).toBeGreaterThan(3_000);
    const before = await everything();
    expect(await surprises(refused)).toEqual([]);
    expect(await everything()).toEqual(before);
    expect(await denials()).toEqual(deniedIn(refused));
    process.stdout.write(`authority matrix: ${refused.length} refusals of ${cells.length} cells\n`);
  }, 600_000);

  test('a caller that the declaration allows is not refused', async () => {
    const allowed = cells.filter(({ expected }) => expected === 'allowed');
    expect(allowed.length).toBeGreaterThan(1_000);
    expect(await surprises(allowed)).toEqual([]);
    expect(exceptions.unused()).toEqual([]);
    process.stdout.write(`authority matrix: ${allowed.length} allowed of ${cells.length} cells\n`);
  }, 600_000);
});
