// What the modules of the OpenID conformance suite's plan for transmitters of shared signals ask, over our routes and a
// database: the requests of the suite, its order and what it requires of each answer.

import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { CAEP_EVENTS, STREAM_STATES, VERIFICATION } from '#services/wings/outbound/signals/signal-shapes.ts';
import { streamOperations } from '#services/wings/outbound/signals/stream-operations.ts';
import { POLL, PUSH } from '#services/wings/outbound/signals/streams-contract.ts';
import { caller, ISSUER, openStreamsHarness } from '#services/wings/outbound/signals/streams-harness.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { bindOperations } from '../bind-operations.ts';
import { createCallerResolver } from '../requests/caller.ts';
import { rejectsAll, serve } from '../route-harness.ts';
import { streamRoutes } from './signals.ts';

const TOKEN = 'access-token-of-the-suite';
const CONFIGURATION = '/.well-known/ssf-configuration';
const EVENTS = [
  CAEP_EVENTS['session-revoked'],
  CAEP_EVENTS['credential-change'],
  // The suite also asks for one that we do not send.
  'https://schemas.openid.net/secevent/caep/event-type/device-compliance-change',
];
const SUBJECT = { format: 'email', email: 'example.user@example.com' };

const served = serve();
const harness = opened(openStreamsHarness);
beforeAll(async () => {
  // The suite sends the token of a client that has registered the suite's address, as the page on the suite says.
  const bearer = (token: string) => (token === TOKEN ? ({ ...caller, by: 'bearer' } as typeof caller) : null);
  const ports = {
    ...harness.ports,
    access: { client: () => ({ client_uri: harness.origin, redirect_uris: [] }) },
    recheckCaller: () => async () => true,
  };
  const callers = createCallerResolver({ ...rejectsAll, bearer });
  bindOperations({ ...served.routes, callers }, streamOperations, ports as never);
  streamRoutes({ ...served.routes, callers }, ports as never);
});
beforeEach(() => harness.reset());
afterAll(() => served.fastify.close());

type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';

/** A request as the suite sends it: JSON or no body at all, and a token. */
function ask(method: Method, url: string, body?: object | string, token = TOKEN) {
  const sent = {
    payload: typeof body === 'object' ? JSON.stringify(body) : body,
    type: { 'content-type': 'application/json' },
  };
  const headers = {
    authorization: `Bearer ${token}`,
    accept: 'application/json',
    ...(body === undefined ? {} : sent.type),
  };
  return served.ask(method, url.replace(ISSUER, ''), {
    headers,
    ...(body === undefined ? {} : { payload: sent.payload }),
  });
}

/** What the suite creates: pushed to its own address, with or without a header that it chose, or polled. */
const settings = (method: string, header?: string) => ({
  description: 'A stream of the suite',
  events_requested: EVENTS,
  delivery:
    method === POLL
      ? { method }
      : { method, endpoint_url: `${harness.origin}/ssf-push`, ...(header ? { authorization_header: header } : {}) },
});

async function create(method: string, header?: string): Promise<Json> {
  const { status, body } = await ask('POST', '/ssf/streams', settings(method, header));
  expect(status).toBe(201);
  return body;
}

/** The id of a deleted stream, in place of the unused id that the suite makes. */
async function deletedId(method: string): Promise<string> {
  const { stream_id } = await create(method);
  expect((await ask('DELETE', `/ssf/streams?stream_id=${stream_id}`)).status).toBe(204);
  return stream_id;
}

test('the configuration names its issuer, https endpoints, both methods, a scheme by its URN, and no empty list (openid-ssf-transmitter-metadata)', async () => {
  const { status, headers, body } = await served.ask('GET', CONFIGURATION);
  expect([status, headers['content-type'], body.issuer]).toEqual([
    200,
    expect.stringMatching(/^application\/json\b/),
    ISSUER,
  ]);
  const addresses = Object.entries<string>(body).filter(([name]) => /_(?:endpoint|uri)$/.test(name));
  expect(addresses.map(([name]) => name).sort()).toEqual(
    `add_subject_endpoint configuration_endpoint jwks_uri remove_subject_endpoint status_endpoint
    verification_endpoint`.split(/\s+/),
  );
  for (const [, address] of addresses) expect(address).toMatch(/^https:\/\//);
  for (const value of Object.values(body)) expect(value).not.toEqual([]);
  expect(body.delivery_methods_supported.sort()).toEqual([PUSH, POLL]);
  expect(body.authorization_schemes).toEqual([{ spec_urn: expect.stringMatching(/^urn:/) }]);
  expect(['ALL', 'NONE']).toContain(body.default_subjects);
});

describe.each([
  ['push', PUSH],
  ['poll', POLL],
])('a receiver by %s', (_name, method) => {
  test('creates, reads, updates and replaces a stream, sets every status with its id in the address too, and deletes it (openid-ssf-stream-control-happy-path)', async () => {
    expect((await ask('GET', '/ssf/streams')).body).toEqual([]);
    const created = await create(method, 'Bearer of-the-suite');
    const id = created.stream_id;
    const lasting = { stream_id: id, iss: ISSUER, aud: 'receiver', delivery: { method } };
    expect(created).toMatchObject({ ...lasting, events_requested: EVENTS, events_delivered: EVENTS.slice(0, 2) });
    const read = await ask('GET', `/ssf/streams?stream_id=${id}`);
    expect([read.status, read.body]).toEqual([200, created]);
    expect(created.events_supported.every((event: string) => Object.values<string>(CAEP_EVENTS).includes(event))).toBe(
      true,
    );
    for (const verb of ['PATCH', 'PUT'] as const) {
      const description = `Changed by ${verb}`;
      const changed = await ask(verb, '/ssf/streams', { ...settings(method), stream_id: id, description });
      expect([changed.status, changed.body]).toMatchObject([200, { ...lasting, description }]);
    }
    expect(await ask('GET', `/ssf/status?stream_id=${id}`)).toMatchObject({ status: 200, body: { status: 'enabled' } });
    for (const status of STREAM_STATES) {
      const input = { stream_id: id, status, reason: `Status of the suite: ${status}` };
      const answer = await ask('POST', `/ssf/status?stream_id=${id}`, input);
      expect([answer.status, answer.body]).toEqual([200, input]);
    }
    const gone = await ask('DELETE', `/ssf/streams?stream_id=${id}`);
    expect([gone.status, gone.text]).toEqual([204, '']);
  });

  const NOT_A_TOKEN = 'invalid:0b1e8f5a-6a76-4c1f-9d5e-0d7a8e1b2c3d';
  const verbs = { create: 'POST', read: 'GET', update: 'PATCH', replace: 'PUT', delete: 'DELETE' } as const;

  test.each(Object.entries(verbs))(
    'that shows no valid token cannot %s a stream: 401 (openid-ssf-stream-control-error-…-stream-with-invalid-token)',
    async (_verb, verb) => {
      // The suite sends no id where it has made no stream: the token is judged before the request.
      const body = verb === 'GET' || verb === 'DELETE' ? undefined : settings(method);
      const id = verb === 'DELETE' ? `?stream_id=${await deletedId(method)}` : '';
      const refused = await ask(verb, `/ssf/streams${id}`, body, NOT_A_TOKEN);
      expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, expect.stringMatching(/^Bearer /)]);
    },
  );

  test.each([
    ['create', 'POST'],
    ['update', 'PATCH'],
    ['replace', 'PUT'],
  ] as const)(
    'cannot %s a stream by what is not JSON: 400 (openid-ssf-stream-control-error-…-stream-with-{broken-input,invalid-body})',
    async (_name, verb) => expect((await ask(verb, '/ssf/streams', ';{ broken')).status).toBe(400),
  );

  test.each([
    ['read', 'GET'],
    ['update', 'PATCH'],
    ['replace', 'PUT'],
    ['delete', 'DELETE'],
  ] as const)(
    'cannot %s a stream that was deleted: 404 (openid-ssf-stream-control-error-…-unknown-stream)',
    async (_name, verb) => {
      const stream_id = await deletedId(method);
      const isRead = verb === 'GET' || verb === 'DELETE';
      const url = `/ssf/streams${isRead ? `?stream_id=${stream_id}` : ''}`;
      const { status } = await ask(verb, url, isRead ? undefined : { ...settings(method), stream_id });
      expect(status).toBe(404);
    },
  );

  test('may have a second stream of the same settings (openid-ssf-stream-control-error-create-stream-with-duplicate-config)', async () => {
    const [one, two] = [await create(method), await create(method)];
    expect(one.stream_id).not.toBe(two.stream_id);
  });

  test('adds and removes a subject by its address, known or not (openid-ssf-stream-subject-control)', async () => {
    const { stream_id } = await create(method);
    const added = await ask('POST', '/ssf/subjects/add', { stream_id, subject: SUBJECT, verified: true });
    expect([added.status, added.text]).toEqual([200, '']);
    const removed = await ask('POST', '/ssf/subjects/remove', { stream_id, subject: SUBJECT });
    expect([removed.status, removed.text]).toEqual([204, '']);
  });
});

describe('a verification', () => {
  /** Asks for one as the suite does, once the interval that the stream names has passed. */
  async function verify({ stream_id }: Json, state: string): Promise<void> {
    await harness.log.raw`UPDATE signal_streams SET verified_at = verified_at - interval '5 seconds'`;
    expect((await ask('POST', '/ssf/verify', { stream_id, state })).status).toBe(204);
    await sealEvents(harness.log, {}, testCaller);
  }

  /** Everything that the suite requires of the token of a verification. */
  async function expectVerification(token: string, stream: Json, state: string): Promise<void> {
    // Signature, issuer, audience and type.
    const claims = (await harness.read(token)) as Json;
    expect(decodeProtectedHeader(token).typ).toBe('secevent+jwt');
    expect(claims).toMatchObject({ iss: stream.iss, aud: stream.aud, txn: expect.any(String) });
    expect([claims.sub_id, claims.events]).toEqual([
      { format: 'opaque', id: stream.stream_id },
      { [VERIFICATION]: { state } },
    ]);
    expect([claims.sub, claims.exp, claims.iat <= Math.ceil(Date.now() / 1_000)]).toEqual([undefined, undefined, true]);
  }

  const poll = async ({ delivery }: Json, input: object): Promise<Json> => {
    const { status, body } = await ask('POST', delivery.endpoint_url, { returnImmediately: true, ...input });
    expect(status).toBe(200);
    return body;
  };

  test.each([
    ['with the header that the receiver chose (…-stream-verification-push)', 'Bearer push_token'],
    ['without a header if it chose none (…-stream-verification-error-push-no-auth)', undefined],
  ])('is pushed %s', async (_title, header) => {
    const stream = await create(PUSH, header);
    await verify(stream, 'state-1');
    await harness.push();
    expect(harness.arrived.map(({ authorization }) => authorization)).toEqual([header]);
    await expectVerification(harness.arrived[0]?.body as string, stream, 'state-1');
  });

  test('is polled until it is acknowledged, alone or with the next poll (…-stream-verification-{poll-only,ack-only,poll-and-ack})', async () => {
    const stream = await create(POLL);
    await verify(stream, 'state-1');
    const first = await poll(stream, { maxEvents: 10 });
    const [jti = ''] = Object.keys(first.sets);
    expect(Object.keys(first.sets)).toHaveLength(1);
    await expectVerification(first.sets[jti], stream, 'state-1');
    expect(await poll(stream, { maxEvents: 10 })).toMatchObject({ sets: { [jti]: expect.any(String) } });
    await verify(stream, 'state-2');
    const second = await poll(stream, { maxEvents: 10, ack: [jti] });
    const [next = ''] = Object.keys(second.sets);
    expect([Object.keys(second.sets).length, next === jti]).toEqual([1, false]);
    await expectVerification(second.sets[next], stream, 'state-2');
    expect((await poll(stream, { maxEvents: 0, ack: [next] })).sets).toEqual({});
    expect((await poll(stream, { maxEvents: 10 })).sets).toEqual({});
  });
});
