import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { auditRow } from '#services/core/audit/record-event.ts';
import { signingUnavailable } from '#services/core/keys/errors.ts';
import type { Caller, Sql } from '#services/core/ports.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { PATIENCE_MS, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { tokenIssued } from '../audit-events.ts';
import { openIssuingHarness } from '../issuing-harness.ts';
import { type GrantTokenInput, grantToken, type ProvenKeys } from './grant-token.ts';
import {
  type ClientTokenInput,
  type ClientTokenPorts,
  createClientTokenLog,
  issueClientToken,
} from './issue-client-token.ts';

const harness = opened(() => openIssuingHarness());
const client = opened(() => harness.newClient(['tokens:issue', 'reports'], { audiences: ['https://tasks.test'] }));

const issue = (input: ClientTokenInput = {}, caller: Caller = client, changes: Partial<ClientTokenPorts> = {}) =>
  issueClientToken({ ...harness.ports, ...changes }, input, caller);
const eventsOf = (clientId: string) =>
  harness.rows`SELECT outcome, target_id, detail FROM audit_outbox
    WHERE type = 'token.issued' AND actor_id = ${clientId} ORDER BY id`;

describe('a client-credentials token', () => {
  test('is about the client only, has the permissions that its scopes name, and is in the audit log', async () => {
    const own = await harness.newClient(['tokens:issue', 'reports']);
    const answer = await issue({}, own);
    expect(answer).toMatchObject({ token_type: 'Bearer', expires_in: 900, scope: 'tokens:issue reports' });
    const { jti, ...claims } = decodeJwt(answer.access_token);
    expect(claims).toMatchObject({ sub: own.clientId, client_id: own.clientId, permissions: ['tokens:issue'] });
    expect(claims).not.toHaveProperty('fid');
    const audience = harness.ports.tokenSettings.audience;
    const detail = { grant: 'client_credentials', audience, scope: 'tokens:issue reports' };
    expect(await eventsOf(own.clientId)).toEqual([{ outcome: 'ok', target_id: jti, detail }]);
  });

  test('has the requested scope and audience', async () => {
    const { access_token, scope } = await issue({ scope: 'reports', resource: 'https://tasks.test' });
    expect(scope).toBe('reports');
    expect(decodeJwt(access_token)).toMatchObject({ aud: 'https://tasks.test', permissions: [] });
    const same = await issue({ audience: 'https://tasks.test', resource: 'https://tasks.test' });
    expect(decodeJwt(same.access_token).aud).toBe('https://tasks.test');
  });

  test.each<[ClientTokenInput, string]>([
    [{ scope: 'reports keys:manage' }, 'scope_invalid'],
    [{ audience: 'https://payments.test' }, 'target_invalid'],
    [{ resource: 'https://payments.test' }, 'target_invalid'],
    [{ resource: 'tasks' }, 'target_invalid'],
    [{ resource: 'https://tasks.test#part' }, 'target_invalid'],
    [{ resource: 'https://tasks.test', audience: 'https://payments.test' }, 'target_invalid'],
  ])('%o is refused, and the refusal is recorded before the response', async (input, refused) => {
    const own = await harness.newClient(['reports'], { audiences: ['https://tasks.test'] });
    expect(await outcomeOf(issue(input, own))).toBe(refused);
    const detail = { grant: 'client_credentials', reason: refused };
    expect(await eventsOf(own.clientId)).toEqual([{ outcome: 'refused', target_id: null, detail }]);
  });

  test('is issued only to clients with the grant', async () => {
    const own = await harness.newClient([], { grant_types: ['refresh_token'] });
    expect(await outcomeOf(issue({}, own))).toBe('grant_not_allowed');
  });

  test('is issued for the client’s secret, not for a token of the client or to a user', async () => {
    expect(await outcomeOf(issue({}, { ...client, by: 'bearer' }))).toBe('client_unauthenticated');
    expect(await outcomeOf(issue({}, testCaller))).toBe('client_unauthenticated');
  });

  test('is bound to the keys proved with the request', async () => {
    const [jkt, x5t] = ['a'.repeat(43), 'b'.repeat(43)];
    const bound = await issue({ jkt, x5t });
    expect([bound.token_type, decodeJwt(bound.access_token).cnf]).toEqual(['DPoP', { jkt }]);
    const certified = await issue({ x5t });
    expect([certified.token_type, decodeJwt(certified.access_token).cnf]).toEqual(['Bearer', { 'x5t#S256': x5t }]);
    const strict = await harness.newClient([], { tls_client_certificate_bound_access_tokens: true });
    expect(decodeJwt((await issue({ jkt, x5t }, strict)).access_token).cnf).toEqual({ jkt, 'x5t#S256': x5t });
  });

  test('is not issued when it cannot be signed, or the database has lost commits', async () => {
    const keyRing = { ...harness.ports.keyRing, sign: () => Promise.reject(signingUnavailable()) };
    expect(await outcomeOf(issue({}, client, { keyRing }))).toBe('signing_unavailable');
    const issuingRefusal = () => 'state_rewound' as const;
    expect(await outcomeOf(issue({}, client, { revocations: { ...harness.ports.revocations, issuingRefusal } }))).toBe(
      'state_rewound',
    );
  });

  test('a row that Postgres refuses fails alone; the other rows of its batch are recorded', async () => {
    const own = await harness.newClient(['reports']);
    const odd = { ...own, clientId: `${own.clientId}\0` };
    const clientTokenLog = createClientTokenLog(harness.ports, true, PATIENCE_MS);
    const rowOf = (caller: Caller) =>
      clientTokenLog.submit(
        auditRow(caller, tokenIssued, {
          outcome: 'ok',
          detail: { audience: 'it\u2019s "quoted" \\ {NULL}\n\0' },
          eventId: harness.ports.random.uuid(),
        }),
      );
    const outcomes = await Promise.allSettled([rowOf(own), rowOf(odd), rowOf(own)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const recorded = { outcome: 'ok', target_id: null, detail: { audience: 'it\u2019s "quoted" \\ {NULL}\n' } };
    expect(await eventsOf(own.clientId)).toEqual([recorded, recorded]);
  });

  test('with GROUP_COMMIT off is recorded by a separate statement, with the same row', async () => {
    let statements = 0;
    const hotSql: Sql = {
      query: (statement, values) => {
        statements += 1;
        return harness.ports.hotSql.query(statement, values);
      },
    };
    const own = await harness.newClient(['reports']);
    const clientTokenLog = createClientTokenLog({ ...harness.ports, hotSql }, false, PATIENCE_MS);
    await Promise.all(Array.from({ length: 5 }, () => issue({}, own, { clientTokenLog })));
    await clientTokenLog.close();
    expect(statements).toBe(5);
    expect(await eventsOf(own.clientId)).toHaveLength(5);
  });
});

describe('a grant', () => {
  const grant = (input: GrantTokenInput, keys: ProvenKeys = {}, caller: Caller = client) =>
    grantToken(
      harness.ports,
      input,
      {
        client: { clientId: caller === client ? client.clientId : 'sallyport', isAuthenticated: caller === client },
        keys,
      },
      caller,
    );
  const anonymous: Caller = { kind: 'anonymous', request: testCaller.request };

  test('RFC 6749 §3.2: ignores a parameter without a value', async () => {
    const answer = await grant({ grant_type: 'client_credentials', scope: '', resource: '', audience: '' });
    expect(answer.scope).toBe('tokens:issue reports');
    expect(decodeJwt(answer.access_token).aud).toBe(harness.ports.tokenSettings.audience);
  });

  test.each([{}, { refresh_token: '' }])(
    'of a refresh with %o gets an error that names the missing parameter',
    async (form) => expect(await outcomeOf(grant({ grant_type: 'refresh_token', ...form }))).toBe('request_invalid'),
  );

  test('of a refresh returns a pair of type DPoP if the request has a proof (RFC 9449 §5)', async () => {
    const { refreshToken } = await newPerson(harness);
    const form = { grant_type: 'refresh_token', refresh_token: refreshToken };
    const pair = await grant({ ...form, scope: 'email' }, {}, anonymous);
    expect(pair).toMatchObject({ token_type: 'Bearer', scope: 'email', refresh_token: expect.any(String) });
    const jkt = 'a'.repeat(43);
    const bound = await grant(form, { jkt }, anonymous);
    expect([bound.token_type, decodeJwt(bound.access_token).cnf]).toEqual(['DPoP', { jkt }]);
  });
});
