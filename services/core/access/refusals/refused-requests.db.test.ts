import { expect, test, vi } from 'vitest';
import { oauthTokenEndpoint, pushAuthorizationRequestEndpoint } from '#services/core/oauth/contract.ts';
import { deviceGrantDenied, deviceGrantPending } from '#services/core/oauth/errors.ts';
import { purge } from '#services/core/shared/purge.ts';
import { dpopNonceRequired } from '#services/core/tokens/dpop/dpop-errors.ts';
import { scopeInvalid } from '#services/core/tokens/errors.ts';
import { clientUnauthenticated, requestInvalid, storeUnavailable } from '#services/platform/errors.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { rotateClientSecret } from '../manage-clients.ts';
import { type ClientHarness, openClientHarness } from '../manage-clients-harness.ts';
import { createClientRefusals, type RefusedRequest } from './count-refusals.ts';
import { refusalLines } from './operations.ts';
import { explainClientRefusals, listClientRefusals } from './read-client-refusals.ts';
import { clientRefusalPurge } from './refusals.store.ts';

const harness = opened(openClientHarness);

const DAY_MS = 86_400_000;
/** A request of this client to the token endpoint. */
const asked = (clientId: string | undefined, changes: Partial<RefusedRequest> = {}): RefusedRequest => ({
  endpoint: oauthTokenEndpoint,
  clientId,
  credentials: { isNamed: clientId !== undefined, by: 'client_secret_basic', secret: 'wrong' },
  sent: { grant_type: 'client_credentials' },
  ...changes,
});
const newCounts = (ports: Partial<ClientHarness> = {}) => createClientRefusals({ ...harness, ...ports });
const service = { grant_types: ['client_credentials'], redirect_uris: [] };
const newService = () => harness.newClient(service);
const whyOf = (clientId: string) => explainClientRefusals(harness, { client_id: clientId });

test('refusals of every copy add up by client, code and cause, with the fix that the client was told', async () => {
  const [client, other] = [await newService(), await newService()];
  const [one, two] = [newCounts(), newCounts()];
  for (const counts of [one, two, one]) {
    counts.add(clientUnauthenticated(), asked(client.client_id));
    await counts.write();
  }
  one.add(scopeInvalid({ detail: 'No client has this scope.' }), asked(client.client_id));
  one.add(clientUnauthenticated(), asked(other.client_id));
  await one.write();
  await one.write();
  const { refusals } = await whyOf(client.client_id);
  expect(refusals).toMatchObject([
    { client_id: client.client_id, client_name: 'App', code: 'client_unauthenticated', requests: 3 },
    { code: 'scope_invalid', cause: 'No client has this scope.', requests: 1 },
  ]);
  expect(refusals[0]).toMatchObject({
    cause: 'The client secret is wrong.',
    refused_from: null,
    fix: clientUnauthenticated.definition.fix,
    request: {
      endpoint: 'POST /oauth2/token',
      auth_method: 'client_secret_basic',
      parameters: ['grant_type'],
      grant_type: 'client_credentials',
    },
  });
  expect(Date.parse(refusals[0]?.last_seen_at ?? '')).toBeGreaterThanOrEqual(
    Date.parse(refusals[0]?.first_seen_at ?? ''),
  );
});

test('the cause of a failed authentication names what is registered, and is told to no client', async () => {
  const [client, byKeys] = [
    await newService(),
    await harness.newClient({ ...service, auth_method: 'private_key_jwt', jwks_uri: 'https://app.example.test/keys' }),
  ];
  const counts = newCounts();
  const sentBy = (clientId: string, by: RefusedRequest['credentials']['by']) =>
    counts.add(clientUnauthenticated(), asked(clientId, { credentials: { isNamed: true, by } }));
  sentBy(client.client_id, 'none');
  sentBy(client.client_id, 'client_assertion');
  sentBy(client.client_id, 'token');
  sentBy(byKeys.client_id, 'client_secret_post');
  sentBy(byKeys.client_id, 'client_assertion');
  await counts.write();
  const causes = async (clientId: string) => (await whyOf(clientId)).refusals.map(({ cause }) => cause).sort();
  expect(await causes(client.client_id)).toEqual([
    'The client sent a client assertion; it is registered for client_secret_basic.',
    'The client sent a token where it must authenticate itself.',
    'The client sent no credential; it is registered for client_secret_basic.',
  ]);
  expect(await causes(byKeys.client_id)).toEqual([
    'The client assertion is unreadable, or no key of the client has signed it.',
    'The client sent a client secret; it is registered for private_key_jwt.',
  ]);
});

test('no secret, code, token or address reaches the database, wherever a client puts it', async () => {
  const { client_id: clientId } = await newService();
  const counts = newCounts();
  const secret = 'S3cretS3cretS3cretS3cretS3cret';
  const hostile = {
    grant_type: secret,
    scope: `${secret} openid`,
    redirect_uri: `https://${secret}:${secret}@app.example.test/back/ada@example.test/${secret}${secret}?code=${secret}#${secret}`,
    code: secret,
    client_secret: secret,
    client_assertion: secret,
    [secret]: 'x',
    'a\u0000b': '\ud800',
  };
  const errors = [
    requestInvalid({ problems: [{ at: 'body/hunter2', why: `is unknown\u0000\ud800` }] }),
    requestInvalid({ detail: `The token ${secret} of ada@example.test is unknown.` }),
    clientUnauthenticated(),
  ];
  for (const endpoint of [oauthTokenEndpoint, pushAuthorizationRequestEndpoint])
    for (const error of errors)
      counts.add(
        error,
        asked(clientId, { endpoint, sent: hostile, credentials: { isNamed: true, by: 'client_secret_post', secret } }),
      );
  const values = [
    Object.create(null),
    [],
    'mailto:ada@example.test',
    'tel:+49301234567',
    `data:,${secret}`,
    7,
    'app:/back',
  ];
  for (const [nth, value] of values.entries())
    counts.add(
      scopeInvalid({ detail: `Value ${nth}.` }),
      asked(clientId, { sent: { grant_type: value, scope: value, redirect_uri: value } }),
    );
  await counts.write();
  const rows = JSON.stringify(await harness.raw`SELECT * FROM client_refusals WHERE client_id = ${clientId}`);
  expect(rows).not.toMatch(/S3cret|hunter2|ada|4930|@|\\u0000|\\ud800/i);
  const { refusals } = await whyOf(clientId);
  expect(refusals.length).toBe(10);
  const unauthenticated = refusals.filter(({ code }) => code === 'client_unauthenticated');
  expect(unauthenticated[0]?.request).toMatchObject({
    grant_type: '(other)',
    scope: '(other) openid',
    redirect_uri: 'https://app.example.test/back/…/…',
    other_parameters: 2,
  });
  expect(refusalLines({ refusals: unauthenticated })).toContain('  redirect_uri  https://app.example.test/back/…/…');
  expect(refusalLines({ refusals: unauthenticated })[2]).toMatch(/ and 2 others$/);
});

test('names of unknown clients share one row, and a client has a bounded number of them', async () => {
  const { client_id: clientId } = await newService();
  const [counts, second] = [newCounts(), newCounts()];
  for (let each = 0; each < 60; each += 1) {
    counts.add(clientUnauthenticated(), asked(`stranger-${each}`));
    counts.add(requestInvalid({ detail: `Cause ${each}.` }), asked(clientId));
  }
  await counts.write();
  const unknown = (await listClientRefusals(harness)).refusals.filter((refusal) => refusal.client_id === null);
  expect(unknown).toMatchObject([{ requests: 60, cause: 'No client has the client_id that the request names.' }]);
  const { refusals } = await whyOf(clientId);
  expect(refusals).toHaveLength(51);
  expect(refusalLines({ refusals: [...unknown, ...refusals] })[0]).toMatch(/^60 × .* {2}no known client/);
  expect(refusals[0]).toMatchObject({ code: 'other', requests: 10 });
  // What every copy may write together is bounded too.
  for (let copy = 0; copy < 3; copy += 1) {
    const one = copy === 0 ? second : newCounts();
    for (let each = 0; each < 40; each += 1)
      one.add(requestInvalid({ detail: `Copy ${copy} ${each}.` }), asked(clientId));
    await one.write();
  }
  const [{ rows }] =
    (await harness.raw`SELECT count(*)::int AS rows FROM client_refusals WHERE client_id = ${clientId}`) as [
      { rows: number },
    ];
  expect(rows).toBeLessThanOrEqual(140);
});

test('errors of the server and steps of a protocol are no refusals', async () => {
  const { client_id: clientId } = await newService();
  const counts = newCounts();
  for (const error of [storeUnavailable(), deviceGrantPending(), deviceGrantDenied(), dpopNonceRequired()])
    counts.add(error, asked(clientId));
  await counts.write();
  expect(refusalLines(await whyOf(clientId))).toEqual(['nothing was refused in 7 days']);
});

test('what cannot be written is written with the next flush, once', async () => {
  const { client_id: clientId } = await newService();
  const query = vi.fn(harness.sql.query).mockRejectedValueOnce(new Error('away'));
  const counts = newCounts({ sql: { ...harness.sql, query: query as typeof harness.sql.query } });
  counts.add(clientUnauthenticated(), asked(clientId));
  await counts.write();
  counts.add(clientUnauthenticated(), asked(clientId));
  await counts.close();
  expect((await whyOf(clientId)).refusals).toMatchObject([{ requests: 2 }]);
});

test('a client that still sends its secret from before a rotation is named, with the time from which it is refused', async () => {
  const client = await newService();
  const counts = newCounts();
  const before = client.client_secret as string;
  counts.noteSecret(client.client_id, before);
  const after = await rotateClientSecret(
    harness,
    { client_id: client.client_id, overlap_seconds: 3_600, reason: 'test' },
    testCaller,
  );
  await harness.access.load();
  counts.noteSecret(client.client_id, before);
  counts.noteSecret(client.client_id, after.client_secret as string);
  await counts.write();
  const warning = { code: 'previous_secret', requests: 1, refused_from: after.previous_secret_until };
  expect((await whyOf(client.client_id)).refusals).toMatchObject([warning]);
  const listed = (await listClientRefusals(harness)).refusals.filter((each) => each.refused_from !== null);
  expect(listed).toMatchObject([warning]);
  expect(refusalLines({ refusals: listed })).toContain('1 client still sends what will be refused');
  expect(refusalLines({ refusals: [...listed, ...listed] })).toContain('2 clients still send what will be refused');
  await harness.raw`UPDATE oauth_clients SET previous_secret_until = now() WHERE "clientId" = ${client.client_id}`;
  await harness.access.load();
  counts.add(
    clientUnauthenticated(),
    asked(client.client_id, { credentials: { isNamed: true, by: 'client_secret_basic', secret: before } }),
  );
  await counts.write();
  expect(await whyOf(client.client_id)).toMatchObject({
    refusals: [{ cause: 'The client sent its secret from before the last rotation, whose overlap has ended.' }],
  });
  const again = { client_id: client.client_id, overlap_seconds: 7_200, reason: 'test' };
  await rotateClientSecret(harness, again, testCaller);
  expect((await whyOf(client.client_id)).refusals.map(({ code }) => code)).toEqual(['client_unauthenticated']);
});

test('a day begins anew, is shown for a week and then removed', async () => {
  const { client_id: clientId } = await newService();
  let now = Date.now() - 8 * DAY_MS;
  const counts = newCounts({ clock: { ...harness.clock, now: () => now } });
  counts.add(clientUnauthenticated(), asked(clientId));
  now = Date.now() - DAY_MS;
  counts.add(clientUnauthenticated(), asked(clientId));
  now = Date.now();
  counts.add(clientUnauthenticated(), asked(clientId));
  await counts.write();
  const rows = () => harness.raw`SELECT day FROM client_refusals WHERE client_id = ${clientId}`;
  expect(await rows()).toHaveLength(3);
  expect((await whyOf(clientId)).refusals).toMatchObject([{ requests: 2 }]);
  await purge(harness, [clientRefusalPurge]);
  expect(await rows()).toHaveLength(2);
});

test('a copy makes 5,000 rows a day, and counts together what is more and what it cannot look up', async () => {
  const known = harness.access.client((await newService()).client_id)!;
  const client = (clientId: string) => ({ ...known, clientId });
  const counts = newCounts({ access: { ...harness.access, client } });
  for (let each = 0; each < 5_050; each += 1)
    counts.add(requestInvalid({ detail: `Cause ${each}.` }), asked(`client-${each % 101}`));
  const stale = newCounts({ access: { ...harness.access, isFresh: () => false } });
  stale.add(requestInvalid({ detail: 'No directory.' }), asked(known.clientId, { sent: { scope: 'openid' } }));
  for (const each of [counts, stale]) await each.write();
  const read = `SELECT concat(code, refused, request->>'scope') AS row FROM client_refusals WHERE client_id = '' ORDER BY 1`;
  const rows = (await harness.raw<{ row: string }>(read)).map(({ row }) => row);
  expect(rows).toEqual(expect.arrayContaining(['other50', 'request_invalid1(other)']));
});

test('the clients that will be refused are listed, however many refusals there are', async () => {
  const { client_id: clientId, client_secret: before } = await newService();
  await rotateClientSecret(harness, { client_id: clientId, overlap_seconds: 3_600, reason: 'test' }, testCaller);
  await harness.access.load();
  const counts = newCounts();
  counts.noteSecret(clientId, before as string);
  await counts.write();
  await harness.raw`
    INSERT INTO client_refusals (day, client_id, code, cause, refused, first_seen_at, last_seen_at, answer)
    SELECT now(), ${clientId}, 'request_invalid', n::text, 9, now(), now(), '{"title": "", "fix": ""}'
      FROM generate_series(1, 201) n`;
  const codes = (await listClientRefusals(harness)).refusals.map(({ code }) => code);
  expect(codes.filter((code) => code === 'previous_secret')).toHaveLength(1);
  expect(codes.filter((code) => code !== 'previous_secret')).toHaveLength(200);
});
