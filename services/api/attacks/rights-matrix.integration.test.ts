import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { registerAgent } from '#services/domain/agents/register-agent.ts';
import { createApiKeyFor } from '#services/domain/api-keys/create-api-key.ts';
import { encryptPhi } from '#services/domain/privacy/encrypt-phi.ts';
import { requestSignOff } from '#services/domain/signoff/request-signoff.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { claimsIn } from '#testing/flows/flows.ts';
import { newPerson } from '#testing/flows/people.ts';
import type { ApiCopy } from '#testing/harness/api.ts';
import { type ApiHarness, openApiHarness } from '#testing/harness/api.ts';
import { testCaller } from '#testing/harness/ports.ts';
import { basicHeader } from '#testing/http-client.ts';
import { BY_USE_CASE, NO_REASON, OF_NOBODY } from './rights-exceptions-harness.ts';
import { sampleRequests } from './sample-input-harness.ts';

/**
 * Every bound route × every role, an anonymous caller, and a client without permissions × another user's id. The
 * expected answer follows from the route's contract alone, so binding a new route covers it.
 */

type Caller = {
  readonly name: string;
  readonly kind: 'anonymous' | 'client' | 'person';
  /** The id of the client or user, as the audit log names it. */
  readonly id: string | null;
  readonly authorization: string | undefined;
  readonly permissions: ReadonlySet<string>;
};
type SystemCaller = typeof testCaller & { readonly kind: 'system' };
type Case = {
  readonly endpoint: Endpoint;
  readonly caller: Caller;
  readonly path: string;
  readonly body: unknown;
  readonly expected: readonly number[];
};

let harness: ApiHarness;
let copy: ApiCopy;
let callers: Caller[];
/** Ids of another user's resources, by the names that contracts give them. */
let foreign: Record<string, string>;

beforeAll(async () => {
  harness = await openApiHarness();
  copy = await harness.startCopy({ hashes: false, env: { RATE_LIMIT_PROFILE: 'load' } });
  const victim = await newPerson(copy);
  const owned = await harness.newClient([]);
  await harness.rows(`INSERT INTO applications (name, audience) VALUES ('notes', 'https://notes.test')`);
  const powerless = await harness.newClient([]);
  const claims = claimsIn(victim.bearer);
  const [key] = await harness.rows(`SELECT id FROM jwks WHERE purpose = 'access'`);
  foreign = {
    user_id: victim.id,
    session_id: victim.sessionId,
    family_id: claims.fid,
    token_id: claims.jti,
    client_id: owned.client_id,
    kid: key?.id,
    role: 'auditor',
    application: 'notes',
    ...(await thingsOf(victim.id)),
  };
  // One of the roles that have the same permissions: those in which people sign off.
  const found = await harness.rows(
    `SELECT min(name) AS name FROM (
       SELECT name, array_agg(permission ORDER BY permission) AS permissions
       FROM roles LEFT JOIN role_permissions ON role = name GROUP BY name) held GROUP BY permissions ORDER BY 1`,
  );
  const roles = found.map(({ name }) => name as string);
  expect(roles).toEqual(expect.arrayContaining(['admin', 'agent', 'architect', 'auditor', 'compliance', 'operator']));
  const people: Caller[] = [];
  for (const role of roles) {
    const { id, bearer } = await newPerson(copy, role === 'user' ? [] : [role]);
    const permissions = new Set<string>(claimsIn(bearer).permissions);
    people.push({ name: role, kind: 'person', id, authorization: `Bearer ${bearer}`, permissions });
  }
  callers = [
    { name: 'an anonymous caller', kind: 'anonymous', id: null, authorization: undefined, permissions: new Set() },
    {
      name: 'a client without permissions',
      kind: 'client',
      id: powerless.client_id,
      authorization: basicHeader(powerless),
      permissions: new Set(),
    },
    ...people,
  ];
});
afterAll(() => harness?.close());

/** A user's resources besides the account, by their names in paths. */
async function thingsOf(userId: string): Promise<Record<string, string>> {
  const owner = { kind: 'user', id: userId } as const;
  const { api_key } = await createApiKeyFor(
    copy.ports,
    { name: 'deploy', owner, reason: 'test' },
    testCaller as SystemCaller,
  );
  const [passkeyId, incidentId] = [randomUUID(), randomUUID()];
  await harness.rows(
    `INSERT INTO passkeys (id, "userId", "publicKey", "credentialID", counter, "deviceType", "backedUp")
     VALUES ($1, $2, '', $1, 0, 'singleDevice', false)`,
    [passkeyId, userId],
  );
  await harness.rows(
    `INSERT INTO incidents (id, detection, severity, subject_kind, subject_id) VALUES ($1, 'token_replay', 'high', 'user', $2)`,
    [incidentId, userId],
  );
  const subjectId = randomUUID();
  const about = { subjectId, purpose: 'treatment', level: 'standard', data: 'x' } as const;
  await encryptPhi(copy.ports, about, testCaller);
  const { agent_id: agentId } = await registerAgent(
    copy.ports,
    {
      name: 'agent',
      ownerId: userId,
      authMethod: 'client_secret_basic',
      scopes: [],
      credentialScopes: [],
      audiences: [],
      dpopBound: true,
      capabilities: [],
      heartbeatSeconds: 60,
      expiresInDays: 1,
      reason: 'test',
    },
    testCaller,
  );
  const asked = { act: 'keys.rotate', title: 'Rotate', arguments: {}, requiredRoles: ['qa'] } as const;
  const { signoff_id: signOffId } = await requestSignOff(copy.ports, asked, testCaller);
  return {
    api_key_id: api_key.api_key_id,
    id: passkeyId,
    incident_id: incidentId,
    subject_id: subjectId,
    agent_id: agentId,
    signoff_id: signOffId,
  };
}

/** In an OAuth form, `client_id` identifies the caller, not the target. */
const namedIn = ({ bodyType }: Endpoint): Record<string, string> => {
  const { client_id: _own, ...others } = foreign;
  return bodyType === 'form' ? others : foreign;
};

const namesForeign = (endpoint: Endpoint, body: unknown): boolean =>
  endpoint.path.includes('{') || Object.keys((body as object | undefined) ?? {}).some((name) => name in foreign);

const accepted = (auth: Exclude<Endpoint['auth'], 'public'>, { kind }: Caller): boolean =>
  kind !== 'anonymous' && auth.accepts.includes(kind === 'person' ? 'bearer' : kind);

/** The callers whose refusals the audit log records, with the code and the missing permission. */
async function denials(): Promise<string[]> {
  const rows = await harness.rows(
    `SELECT concat_ws(' ', actor_kind, actor_id, detail ->> 'code', coalesce(detail ->> 'permission', 'none')) AS line
     FROM audit_outbox WHERE type = 'access.denied' AND outcome = 'refused'`,
  );
  return rows.map(({ line }) => line);
}

/** The answer that the contract promises this caller; null where the caller is allowed. */
function refusal(endpoint: Endpoint, caller: Caller, body: unknown): readonly number[] | null {
  const { auth } = endpoint;
  if (auth === 'public') return null;
  if (!accepted(auth, caller)) return auth.optional ? null : [401];
  if (auth.permission !== undefined) return caller.permissions.has(auth.permission) ? null : [403];
  const decided = BY_USE_CASE[endpoint.operation];
  if (decided !== undefined && caller.permissions.has(decided)) return null;
  return namesForeign(endpoint, body) ? [403, 404] : null;
}

function cases(): Case[] {
  return copy.bound.flatMap((endpoint) =>
    sampleRequests(endpoint, namedIn(endpoint)).flatMap(({ path, body }) =>
      callers.flatMap((caller) => {
        const expected = refusal(endpoint, caller, body);
        return expected === null ? [] : [{ endpoint, caller, path, body, expected }];
      }),
    ),
  );
}

/** Only the status, over a separate connection: a stream has no end to wait for. */
function statusOf({ endpoint, caller, path, body }: Omit<Case, 'expected'>): Promise<number> {
  const isForm = endpoint.bodyType === 'form';
  const form = () => new URLSearchParams(body as Record<string, string>).toString();
  const text = body === undefined ? undefined : isForm ? form() : JSON.stringify(body);
  const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json';
  const headers = {
    ...(caller.authorization === undefined ? {} : { authorization: caller.authorization }),
    ...(text === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(text) }),
  };
  return new Promise((resolve, reject) => {
    const asking = request(copy.url + path, { method: endpoint.method, agent: false, headers }, (answer) => {
      resolve(answer.statusCode ?? 0);
      asking.destroy();
    });
    asking.on('error', reject);
    asking.end(text);
  });
}

/** The database state, except for the audit log, which records refusals, and what changes by itself. */
const MOVING = /^(audit_|job_|_prisma)|^(feed_state|detection_progress)$/;
async function everything(): Promise<Record<string, string>> {
  const tables = await harness.rows(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`,
  );
  const state: Record<string, string> = {};
  for (const { name } of tables.filter((table) => !MOVING.test(table.name))) {
    const [row] = await harness.rows(
      `SELECT count(*) || ' ' || coalesce(sum(hashtext(t::text)), 0) AS state FROM "${name}" t`,
    );
    state[name] = row.state;
  }
  return state;
}

/** Asks again where a busy machine answers 503: it did nothing, and says so. */
async function statusOnceReady(asked: Omit<Case, 'expected'>, tries = 20): Promise<number> {
  const status = await statusOf(asked);
  if (status !== 503 || tries === 1) return status;
  await setTimeout(500);
  return statusOnceReady(asked, tries - 1);
}

const AT_ONCE = 8;
async function run(list: readonly Case[]): Promise<string[]> {
  const surprises: string[] = [];
  const waiting = [...list];
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const status = await statusOnceReady(next);
      if (!next.expected.includes(status))
        surprises.push(
          `${next.endpoint.method} ${next.path} ${JSON.stringify(next.body) ?? ''} by ${next.caller.name}: ${status}, not ${next.expected.join(' or ')}`,
        );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return surprises.sort();
}

describe('permissions of every route', () => {
  test('every route declares who may call it, and each permission it requires exists', () => {
    expect(copy.bound.length).toBeGreaterThan(60);
    const known = copy.ports.access.permissions();
    for (const { operation, auth } of copy.bound) {
      expect(auth, operation).toBeDefined();
      if (auth !== 'public' && auth.permission !== undefined) expect(known, operation).toContain(auth.permission);
    }
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

  test('the test data has another user’s resource for every id that a path can name and a user can own', () => {
    const names = copy.bound.flatMap(({ path }) => [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string));
    expect(names.filter((name) => !(name in foreign) && !OF_NOBODY.has(name))).toEqual([]);
  });

  test('a caller without the permission is refused at every route for another user’s ids, and nothing changes', async () => {
    const refused = cases();
    expect(refused.length).toBeGreaterThan(300);
    const before = await everything();
    const startedAt = Date.now();
    expect(await run(refused)).toEqual([]);
    expect(await everything()).toEqual(before);
    // The audit log records refusals for a missing permission, at most once a minute.
    const wanted = refused.flatMap(({ caller, endpoint: { auth } }) =>
      caller.kind === 'anonymous' || auth === 'public' || auth.permission === undefined || !accepted(auth, caller)
        ? []
        : [`${caller.kind === 'person' ? 'user' : 'client'} ${caller.id} permission_missing ${auth.permission}`],
    );
    const told = await denials();
    expect([...new Set(told)].filter((line) => !line.endsWith(' none')).sort()).toEqual([...new Set(wanted)].sort());
    const minutes = Math.floor(Date.now() / 60_000) - Math.floor(startedAt / 60_000) + 1;
    expect(told.length).toBeLessThanOrEqual(new Set(told).size * minutes);
    expect(wanted.length).toBeGreaterThan(new Set(wanted).size);
  });

  test('a caller with the permission is allowed: reads are answered, missing resources are 404', async () => {
    const gone = Object.fromEntries(
      Object.keys(foreign).map((name) => [name, ['role', 'application'].includes(name) ? 'gone' : randomUUID()]),
    );
    const allowed = copy.bound.flatMap((endpoint): Case[] => {
      const { auth } = endpoint;
      if (auth === 'public' || auth.permission === undefined) return [];
      const { permission } = auth;
      const [sample] = sampleRequests(endpoint, endpoint.method === 'GET' ? foreign : gone);
      // A request without an id would act on the installation.
      if (sample === undefined || (endpoint.method !== 'GET' && !endpoint.path.includes('{'))) return [];
      const expected = endpoint.method === 'GET' ? [200, 304, 404] : [400, 404, 409];
      return callers
        .filter(
          ({ kind, permissions }) =>
            kind === 'person' && permissions.has(permission) && auth.accepts.includes('bearer'),
        )
        .map((caller) => ({ endpoint, caller, ...sample, expected }));
    });
    expect(allowed.length).toBeGreaterThan(40);
    expect(await run(allowed)).toEqual([]);
  });
});
