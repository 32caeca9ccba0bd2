import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collectEndpoints } from '#tools/catalog/collect.ts';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { BODY_TYPES, type Endpoint, isProtocol } from '../platform/define/endpoint.ts';
import { sampleRequests } from './attacks/sample-input-harness.ts';
import { bind } from './bind.ts';
import { serve } from './route-harness.ts';

/** A parameter or member of a later revision. */
const LATER = 'x_later_revision';

const endpoints = (await collectEndpoints()).filter(({ responses }) => !(101 in responses));
const isOurs = ({ path }: Endpoint): boolean => /^\/(?:v1|api\/auth)\//.test(path);
const isPublicRead = ({ auth, method }: Endpoint): boolean => auth === 'public' && method === 'GET';
/** A text that carries a signed event has no members. */
const hasMembers = ({ body, bodyType }: Endpoint): boolean => body !== undefined && bodyType !== 'secevent';
const isStrict = (shape: Endpoint['body']): boolean => (shape as Json)?._zod.def.catchall?._zod.def.type === 'never';
const isClosed = ({ body }: Endpoint): boolean => isStrict(body);
/** The board of the queues is a page of a library, with parameters of its own. */
const QUEUE_BOARD = '/v1/admin/queues';
const takesParameters = (endpoint: Endpoint): boolean =>
  isPublicRead(endpoint) || endpoint.path === QUEUE_BOARD || endpoint.path.startsWith(`${QUEUE_BOARD}/`);

const served = serve();
/** What the last request gave to the rule. */
let given: Json;

beforeAll(() => {
  const callers = { forEndpoint: () => () => clientCaller('client') };
  for (const endpoint of endpoints) {
    const [status] = Object.keys(endpoint.responses);
    const answersText = { ...endpoint, responses: { [status as string]: null }, bodyOptional: false } as Endpoint;
    bind({ ...served.routes, callers }, answersText, (input) => {
      given = input;
    });
  }
});
afterAll(() => served.fastify.close());

async function send(endpoint: Endpoint, query: string, extra: object) {
  const [sample = { path: endpoint.path, body: undefined }] = sampleRequests(endpoint, {});
  const { body = hasMembers(endpoint) ? {} : undefined } = sample;
  const contents = typeof body === 'object' ? { ...body, ...extra } : body;
  const type = BODY_TYPES[endpoint.bodyType ?? 'json'];
  const payload = endpoint.bodyType === 'form' ? new URLSearchParams(contents).toString() : contents;
  given = undefined;
  return served.ask(endpoint.method, `${sample.path}${sample.path.includes('?') ? '&' : '?'}${query}`, {
    ...(endpoint.method === 'GET' || payload === undefined ? {} : { payload, headers: { 'content-type': type } }),
  });
}

const named = (list: readonly Endpoint[]) => list.map((each) => [`${each.method} ${each.path}`, each] as const);
const protocols = endpoints.filter(isProtocol);
const ours = endpoints.filter(isOurs);

test('the walk meets every endpoint of a protocol and of our own API', () => {
  expect(protocols.map(({ path }) => path)).toEqual(
    expect.arrayContaining(
      '/ssf/streams /ssf/status /ssf/poll/{stream_id} /oauth2/token /oauth2/userinfo /oauth2/register'.split(' '),
    ),
  );
  expect([protocols.length > 25, ours.length > 150]).toEqual([true, true]);
});

describe('an endpoint of a protocol ignores what it does not know', () => {
  test.each(named(protocols))('%s: a parameter, which reaches no rule', async (_name, endpoint) => {
    const { body } = await send(endpoint, `${LATER}=1`, {});
    expect([endpoint.path, body?.code ?? body?.error, given === undefined]).toEqual([endpoint.path, undefined, false]);
    expect(isPublicRead(endpoint) || !JSON.stringify(given).includes(LATER)).toBe(true);
  });

  test.each(named(protocols.filter(hasMembers)))('%s: a member', async (_name, endpoint) => {
    const { body } = await send(endpoint, '', { [LATER]: '1' });
    expect([body?.code ?? body?.error, given === undefined]).toEqual([undefined, false]);
    if (isClosed(endpoint)) expect(JSON.stringify(given)).not.toContain(LATER);
  });

  test('POST /ssf/streams: a member of a member', async () => {
    const create = protocols.find(({ operation }) => operation === 'createStream') as Endpoint;
    const { body } = await send(create, '', { delivery: { method: 'urn:ietf:rfc:8936', [LATER]: '1' } });
    expect([body?.code, given.body]).toEqual([undefined, { delivery: { method: 'urn:ietf:rfc:8936' } }]);
  });

  test.each(named(protocols.filter((endpoint) => !isPublicRead(endpoint))))(
    '%s: but no credential in its address',
    async (_name, endpoint) => {
      const { status } = await send(endpoint, 'access_token=x', {});
      expect([status, given]).toEqual([400, undefined]);
    },
  );
});

describe('an endpoint of our own API refuses what it does not know', () => {
  test.each(named(ours.filter((endpoint) => !takesParameters(endpoint))))(
    '%s: a parameter',
    async (_name, endpoint) => {
      const { status, body } = await send(endpoint, `${LATER}=1`, {});
      expect([status, body.code, body.problems?.[0].at]).toEqual([400, 'request_invalid', `querystring/${LATER}`]);
    },
  );

  test.each(named(ours.filter((endpoint) => hasMembers(endpoint) && isClosed(endpoint))))(
    '%s: a member',
    async (_name, endpoint) => {
      const { status, body } = await send(endpoint, '', { [LATER]: '1' });
      expect([status, body.code, body.problems?.[0].at]).toEqual([400, 'request_invalid', `body/${LATER}`]);
    },
  );
});
