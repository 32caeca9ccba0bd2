import { request } from 'node:http';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { createApiKeyFor } from '#services/core/api-keys/create-api-key.ts';
import { erasePersonal } from '#services/core/audit/erase-personal.ts';
import { createCheckpointOutbox } from '#services/core/audit/seal/checkpoint-outbox.ts';
import { createLogGauges } from '#services/core/audit/seal/log-gauges.ts';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { createLogSigner } from '#services/core/keys/log/log-keys.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';
import { createFileLogMark } from '#services/platform/marks/file-log-mark.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { claimsIn } from '#tools/testing/flows/flows.ts';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type Json, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { hasWings } from '#tools/testing/processes/child-env.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { type SampleRequest, sampleRequests } from './sample-input-harness.ts';

/** One lower-case word, in the form of our codes: text that a user must not be able to publish in the log. */
const WORD = 'hivpositive';
const CANARIES = [
  `${WORD}_johndoe`,
  `${WORD}@example.test`,
  `https://example.test/${WORD}`,
  `${WORD}:read`,
  `${WORD}.done`,
  WORD.repeat(4).slice(0, 43),
];

const logDir = testFolder();
const harness = opened(openApiHarness);
const copy = opened(() =>
  harness.startCopy({ hashes: false, env: { CLIENT_REGISTRATION: 'open', RATE_LIMIT_PROFILE: 'load' } }),
);

const asOwner = () => ({ sql: harness.owner.sql, transact: harness.owner.transact });

type Sealed = { readonly type: string; readonly text: string };

/** Every leaf of the log, once all events so far are sealed. */
async function leaves(): Promise<Sealed[]> {
  const log = {
    ...copy.ports,
    // The application's database role may not seal.
    ...asOwner(),
    logMark: createFileLogMark(logDir),
    logSigner: createLogSigner(copy.ports),
    logGauges: createLogGauges(copy.ports),
    checkpointOutbox: createCheckpointOutbox({ ...copy.ports, checkpointSinks: [] }),
    auditOrigin: 'sallyport.test/audit',
  };
  await eventually('every event to be sealed', async () => {
    await sealEvents(log, {}, testCaller);
    const [row] = await harness.rows`SELECT count(*)::int AS waiting FROM audit_outbox WHERE seq IS NULL`;
    return row?.waiting === 0;
  });
  const rows = await harness.rows`SELECT type, leaf FROM audit_events ORDER BY seq`;
  return rows.map(({ type, leaf }) => ({ type, text: (leaf as Buffer).toString() }));
}

/** Another user's ids that a path or body may name. */
async function thingsOf(victim: Person): Promise<Record<string, string>> {
  const { fid, jti } = claimsIn(victim.bearer);
  const owner = { kind: 'user', id: victim.id } as const;
  const caller = testCaller as typeof testCaller & { readonly kind: 'system' };
  const { api_key } = await createApiKeyFor(copy.ports, { name: 'deploy', owner, reason: 'test' }, caller);
  const { client_id } = await harness.newClient([]);
  return {
    user_id: victim.id,
    session_id: victim.sessionId,
    family_id: fid,
    token_id: jti,
    token: victim.bearer,
    refresh_token: victim.refreshToken,
    client_id,
    api_key_id: api_key.api_key_id,
    role: 'auditor',
  };
}

const textMembers = (endpoint: Endpoint): string[] => {
  const names = new Set<string>();
  const collect = (schema: Json): void => {
    for (const each of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) collect(each);
    for (const [name, member] of Object.entries<Json>(schema.properties ?? {})) {
      const options = member.anyOf ?? [member];
      if (options.some((each: Json) => each.type === 'string' && each.const === undefined && !each.enum))
        names.add(name);
    }
  };
  for (const schema of [endpoint.params, endpoint.query, endpoint.body])
    if (schema !== undefined) collect(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
  return [...names];
};

/** None where the text does not match the form that the endpoint requires. */
function fitting(endpoint: Endpoint, named: Readonly<Record<string, string>>): SampleRequest[] {
  try {
    return sampleRequests(endpoint, named);
  } catch {
    return [];
  }
}

/** Only the status: a stream has no end to wait for. */
function statusOf(endpoint: Endpoint, path: string, body: Json, bearer: string): Promise<number> {
  const isForm = endpoint.bodyType === 'form';
  const text = body === undefined ? undefined : isForm ? new URLSearchParams(body).toString() : JSON.stringify(body);
  const headers = {
    ...(endpoint.auth === 'public' ? {} : { authorization: `Bearer ${bearer}` }),
    ...(text === undefined
      ? {}
      : {
          'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json',
          'content-length': Buffer.byteLength(text),
        }),
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

test('no text that any endpoint accepts appears in a leaf of the public log', async () => {
  const taken = new Set<string>();
  const everyRole = (await harness.rows`SELECT name FROM roles WHERE name <> 'user'`).map(({ name }) => name);
  let admin = await newPerson(copy, everyRole);
  let named = await thingsOf(await newPerson(copy));
  for (const endpoint of copy.bound.filter(({ method }) => method !== 'GET'))
    for (const member of textMembers(endpoint)) {
      const place = `${endpoint.operation} ${member}`;
      for (const canary of CANARIES) {
        if (taken.has(place) && !canary.startsWith('https:')) continue;
        for (const { path, body } of fitting(endpoint, { reason: `${WORD}_reason`, ...named, [member]: canary })) {
          const status = await statusOf(endpoint, path, body, admin.bearer);
          if (status < 300) {
            taken.add(place);
            named = await thingsOf(await newPerson(copy));
          }
          const hasEnded = status === 401 && (await send(copy.url, 'GET', '/v1/keys', admin)).status === 401;
          if (hasEnded) admin = await newPerson(copy, everyRole);
        }
      }
    }
  expect(taken.size).toBeGreaterThan(hasWings ? 20 : 8);
  const telling = (await leaves()).filter(({ text }) => text.includes(WORD));
  expect(telling.map(({ type, text }) => `${type} ${text}`)).toEqual([]);
});

test('a one-word reason is committed to, shown to an auditor, and no longer shown once it is erased', async () => {
  const [own, ada] = [await newPerson(copy), await newPerson(copy)];
  const admin = await newPerson(copy, ['admin']);
  const reason = `${WORD}_once`;
  expect(
    (await send(copy.url, 'POST', '/v1/tokens/revoke', { bearer: own.bearer, json: { token: own.bearer, reason } }))
      .status,
  ).toBe(200);
  const disabled = await send(copy.url, 'POST', `/v1/admin/users/${ada.id}/disable`, {
    bearer: admin.bearer,
    json: { reason },
  });
  expect(disabled.status, disabled.text).toBe(200);
  expect((await leaves()).filter(({ text }) => text.includes(WORD))).toEqual([]);
  const auditor = await harness.newClient(['audit:read']);
  const { events } = (await send(copy.url, 'GET', '/v1/audit/events?limit=1000', { basic: auditor })).body;
  const told = events.filter((event: Json) => event.detail.reason === reason);
  expect(told.map(({ type }: Json) => type)).toEqual(expect.arrayContaining(['token.revoked', 'user.disabled']));
  for (const subject of [own.id, ada.id, admin.id])
    await erasePersonal({ ...copy.ports, ...asOwner() }, { subject }, testCaller);
  const after = (await send(copy.url, 'GET', '/v1/audit/events?limit=1000', { basic: auditor })).text;
  expect(after).not.toContain(reason);
});
