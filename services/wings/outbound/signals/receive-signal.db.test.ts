import { KeyObject, randomUUID, sign } from 'node:crypto';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createClientKeySets } from '#services/core/oauth/assertions/client-key-sets.ts';
import { createThrottle } from '#services/core/shared/throttle.ts';
import { guardedFetch } from '#services/platform/http/outbound.ts';
import { insertSession, insertUser } from '#tools/testing/fixtures/families.ts';
import { clientCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { listening } from '#tools/testing/listening.ts';
import { opened } from '#tools/testing/opened.ts';
import type { NewTransmitter } from './contract.ts';
import { createTransmitter, listReceivedSignals, listTransmitters, removeTransmitter } from './manage-transmitters.ts';
import { APPLIED_MAX, type ReceiveSignalPorts, receiveSignal } from './receive-signal.ts';
import { CAEP_EVENTS, VERIFICATION } from './signal-shapes.ts';

const OURS = 'https://auth.example.test';
const THEIRS = 'https://idp.example.test';
const REVOKED = CAEP_EVENTS['session-revoked'];
const db = opened(openTestPorts);
let ports: ReceiveSignalPorts & { readonly signalAudience: string };
type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;
let keys: KeyPair;
let published: object;
let isDown = false;
let announced = 0;
const server = createServer((_request, response) => {
  if (isDown) response.writeHead(503).end();
  else response.setHeader('content-type', 'application/json').end(JSON.stringify(published));
});

/** As a copy that has just started. */
const withFreshKeys = (clock: { monotonic(): number } = db.clock): typeof ports => ({
  ...ports,
  signalKeys: createClientKeySets({ clock, allowsPrivate: true }, guardedFetch),
});

const idp = opened(() => listening(server));
beforeAll(async () => {
  keys = await generateKeyPair('RS256', { extractable: true });
  published = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }] };
  ports = {
    ...db,
    signalAudience: OURS,
    tokenSettings: { issuer: OURS },
    onceAMinute: createThrottle(db.clock),
    announceRevocations: () => {
      announced += 1;
    },
    signalKeys: createClientKeySets({ clock: db.clock, allowsPrivate: true }, guardedFetch),
  };
});
beforeEach(async () => {
  await db.raw`DELETE FROM signal_transmitters`;
  isDown = false;
});

const accept = (input: Partial<NewTransmitter> = {}) =>
  createTransmitter(
    ports,
    {
      issuer: THEIRS,
      jwks_uri: `${idp.url}/jwks.json`,
      provider: 'okta',
      match_email: false,
      own_ids: false,
      reason: 'test',
      ...input,
    },
    testCaller,
  );

type Sent = { readonly header?: object; readonly claims?: JWTPayload; readonly key?: KeyPair['privateKey'] };
function tokenOf(event: string, subId: unknown, { header = {}, claims = {}, key = keys.privateKey }: Sent = {}) {
  const said = {
    iss: THEIRS,
    aud: OURS,
    jti: randomUUID(),
    iat: Math.floor(Date.now() / 1_000),
    sub_id: subId,
    events: { [event]: { event_timestamp: 1 } },
    ...claims,
  };
  return new SignJWT(said).setProtectedHeader({ alg: 'RS256', typ: 'secevent+jwt', kid: 'k1', ...header }).sign(key);
}
const receive = async (event: string, subId: unknown, sent: Sent = {}, through = ports) =>
  receiveSignal(through, await tokenOf(event, subId, sent), testCaller);

/** A user with a session and an account at the provider. */
async function newLinked() {
  const pool = {
    query: (text: string, values?: unknown[]) => db.raw(text, values).then((rows) => ({ rows })),
  } as never;
  const id = await insertUser(pool);
  await insertSession(pool, id);
  const accountId = randomUUID();
  await db.raw`INSERT INTO accounts (id, "accountId", "providerId", "userId")
    VALUES (${randomUUID()}, ${accountId}, 'okta', ${id})`;
  return { id, accountId };
}
const sessionsOf = async (id: string) => (await db.raw`SELECT 1 FROM sessions WHERE "userId" = ${id}`).length;
const outcomes = async () =>
  (await listReceivedSignals(db, { limit: 50 })).signals.map(({ event, outcome }) => `${event} ${outcome}`);

describe('an event of an accepted transmitter', () => {
  test.each(['session-revoked', 'credential-change'] as const)(
    '%s ends every session of the linked user, once, and of no other user',
    async (name) => {
      await accept();
      const [user, other] = [await newLinked(), await newLinked()];
      const token = await tokenOf(CAEP_EVENTS[name], { format: 'iss_sub', iss: THEIRS, sub: user.accountId });
      const before = announced;
      expect(await receiveSignal(ports, token, testCaller)).toBeNull();
      expect([await sessionsOf(user.id), await sessionsOf(other.id), announced - before]).toEqual([0, 1, 1]);
      const [{ tokenEpoch } = {}] = await db.raw<{ tokenEpoch?: number }>`SELECT "tokenEpoch" FROM users
        WHERE id = ${user.id}`;
      // The same token again, ten times at once, changes nothing.
      const again = await Promise.all(Array.from({ length: 10 }, () => receiveSignal(ports, token, testCaller)));
      expect(again).toEqual(Array(10).fill(null));
      const [after] = await db.raw`SELECT "tokenEpoch" FROM users WHERE id = ${user.id}`;
      expect([after, announced - before]).toEqual([{ tokenEpoch }, 1]);
      expect(await outcomes()).toEqual([`${name} applied`]);
      const events = await db.raw`SELECT detail->>'reason' AS reason FROM audit_outbox WHERE type = 'session.ended'
        AND detail->>'user_id' = ${user.id} OR type = 'signal.received' AND target_id = ${user.id}`;
      expect(events.length).toBeGreaterThan(0);
    },
  );

  test.each<[string, (user: { id: string; accountId: string }) => unknown]>([
    ['our own id', ({ id }) => ({ format: 'iss_sub', iss: OURS, sub: id })],
    ['an opaque id', ({ accountId }) => ({ format: 'opaque', id: accountId })],
    ['a verified address', ({ id }) => ({ format: 'email', email: `${id}@Example.test` })],
    [
      'the user of a complex subject',
      ({ accountId }) => ({
        format: 'complex',
        session: { format: 'opaque', id: 's1' },
        user: { format: 'opaque', id: accountId },
      }),
    ],
    [
      'one of its aliases',
      ({ accountId }) => ({
        format: 'aliases',
        identifiers: [
          { format: 'phone_number', phone_number: '+1' },
          { format: 'opaque', id: accountId },
        ],
      }),
    ],
  ])('finds its user by %s', async (_, subject) => {
    await accept({ match_email: true, own_ids: true });
    const user = await newLinked();
    await db.raw`UPDATE users SET "emailVerified" = now(), email = ${`${user.id}@example.test`} WHERE id = ${user.id}`;
    expect(await receive(REVOKED, subject(user))).toBeNull();
    expect(await sessionsOf(user.id)).toBe(0);
  });

  test.each([
    ['alone', (own: object) => own],
    ['among aliases', (own: object) => ({ format: 'aliases', identifiers: [own] })],
    ['in a complex subject', (own: object) => ({ format: 'complex', user: own })],
  ] as const)('names no user by our own id %s, unless its transmitter may', async (_, wrapped) => {
    await accept({ match_email: true });
    const user = await newLinked();
    expect(await receive(REVOKED, wrapped({ format: 'iss_sub', iss: OURS, sub: user.id }))).toBeNull();
    expect([await sessionsOf(user.id), await outcomes()]).toEqual([1, ['session-revoked no_user']]);
  });

  test('beyond the limit of its transmitter is not applied, comes again, and becomes an event that detections read', async () => {
    await accept();
    const { transmitter_id: id } = (await listTransmitters(db)).transmitters[0]!;
    const user = await newLinked();
    await db.raw`INSERT INTO signals_received (transmitter_id, jti, id, event, outcome)
      SELECT ${id}, sha256(n::text::bytea), gen_random_uuid(), 'session-revoked', 'applied'
        FROM generate_series(1, ${APPLIED_MAX}) n`;
    const again = () => receive(REVOKED, { format: 'opaque', id: user.accountId });
    for (let times = 0; times < 3; times += 1) await expect(again()).rejects.toMatchObject({ code: 'signals_limited' });
    expect(await sessionsOf(user.id)).toBe(1);
    // What ends nothing is not limited.
    expect(await receive(VERIFICATION, undefined)).toBeNull();
    const limited = `SELECT detail FROM audit_outbox WHERE type = 'signal.limited'`;
    expect(await db.raw(limited)).toEqual([{ detail: { transmitter_id: id } }]);
    await db.raw`UPDATE signals_received SET received_at = received_at - interval '61 seconds'`;
    expect(await again()).toBeNull();
    expect(await sessionsOf(user.id)).toBe(0);
  });

  test('many at once are no more than the limit of their transmitter, and one that took effect may come again', async () => {
    await accept();
    const { transmitter_id: id } = (await listTransmitters(db)).transmitters[0]!;
    const user = await newLinked();
    const subject = { format: 'opaque', id: user.accountId };
    await db.raw`INSERT INTO signals_received (transmitter_id, jti, id, event, outcome)
      SELECT ${id}, sha256(n::text::bytea), gen_random_uuid(), 'session-revoked', 'applied'
        FROM generate_series(1, ${APPLIED_MAX - 3}) n`;
    const tokens = await Promise.all(Array.from({ length: 12 }, () => tokenOf(REVOKED, subject)));
    const ends = await Promise.allSettled(tokens.map((token) => receiveSignal(ports, token, testCaller)));
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    const applied = `SELECT count(*)::int AS n FROM signals_received WHERE outcome = 'applied'`;
    expect(await db.raw(applied)).toEqual([{ n: APPLIED_MAX }]);
    const again = tokens[ends.findIndex(({ status }) => status === 'fulfilled')]!;
    expect(await receiveSignal(ports, again, testCaller)).toBeNull();
  });

  test('of an earlier draft has its subject in the event', async () => {
    await accept();
    const user = await newLinked();
    const subject = { format: 'opaque', id: user.accountId };
    expect(await receive(REVOKED, undefined, { claims: { events: { [REVOKED]: { subject } } } })).toBeNull();
    expect(await sessionsOf(user.id)).toBe(0);
  });

  test.each<[string, unknown]>([
    ['of an address, while it may name none', { format: 'email', email: 'a@example.test' }],
    ['of another issuer', { format: 'iss_sub', iss: 'https://other.test', sub: 'x' }],
    ['without a subject', undefined],
    ['with a format that names no user', { format: '__proto__', id: 'x' }],
    ['with an id that is none', { format: 'opaque', id: 7 }],
    ['with our issuer and no id', { format: 'iss_sub', iss: OURS }],
    ['nested too deep', JSON.parse(`${'{"format":"complex","user":'.repeat(5)}{}${'}'.repeat(5)}`)],
    ['with aliases that are none', { format: 'aliases', identifiers: 'x' }],
    ['with aliases of no user', { format: 'aliases', identifiers: [{ format: 'opaque', id: 'nothing' }] }],
  ])('%s is accepted and ends nothing', async (_, subject) => {
    await accept();
    expect(await receive(REVOKED, subject)).toBeNull();
    expect(await outcomes()).toEqual(['session-revoked no_user']);
  });

  test('that asks for nothing is accepted: a verification, a change of assurance, an unknown type', async () => {
    await accept();
    const user = await newLinked();
    const subject = { format: 'opaque', id: user.accountId };
    for (const event of [VERIFICATION, CAEP_EVENTS['assurance-level-change'], 'https://example.test/other'])
      expect(await receive(event, subject)).toBeNull();
    expect(new Set(await outcomes())).toEqual(
      new Set(['verification ignored', 'assurance-level-change ignored', 'other ignored']),
    );
    expect(await sessionsOf(user.id)).toBe(1);
  });
});

describe('a token is refused', () => {
  const subject = { format: 'opaque', id: 'x' };
  test.each<[string, string, Sent]>([
    ['of an unknown issuer', 'invalid_issuer', { claims: { iss: 'https://evil.test' } }],
    ['without an issuer', 'invalid_issuer', { claims: { iss: undefined } as never }],
    ['for another audience', 'invalid_audience', { claims: { aud: 'https://other.test' } }],
    ['for other audiences', 'invalid_audience', { claims: { aud: ['https://other.test'] } }],
    ['without the type of events', 'invalid_request', { header: { typ: 'JWT' } }],
    ['with the type of an access token', 'invalid_request', { header: { typ: 'at+jwt' } }],
    ['signed with an unknown key', 'invalid_key', { header: { kid: 'k9' } }],
    ['without jti', 'invalid_request', { claims: { jti: undefined } as never }],
    ['of the future', 'invalid_request', { claims: { iat: 9_999_999_999 } }],
    ['older than what is remembered', 'invalid_request', { claims: { iat: 1_000_000 } }],
    ['with two events', 'invalid_request', { claims: { events: { [REVOKED]: {}, [VERIFICATION]: {} } } }],
    ['without events', 'invalid_request', { claims: { events: 'x' } }],
  ])('%s: %s', async (_, err, sent) => {
    await accept();
    expect(await receive(REVOKED, subject, sent, withFreshKeys())).toEqual({
      err,
      description: expect.stringMatching(/\.$/),
    });
    expect(await outcomes()).toEqual([]);
  });

  test('once its id may be forgotten, also if the clock of its issuer was ahead', async () => {
    await accept();
    const token = await tokenOf(REVOKED, subject, { claims: { iat: Math.floor(Date.now() / 1_000) + 290 } });
    expect(await receiveSignal(ports, token, testCaller)).toBeNull();
    await db.raw`DELETE FROM signals_received WHERE received_at < now() + interval '100 seconds'`;
    const clock = { ...db.clock, now: () => Date.now() + 90 * 86_400_000 + 100_000 };
    expect(await receiveSignal({ ...ports, clock }, token, testCaller)).toMatchObject({ err: 'invalid_request' });
  });

  test('whose header has critical members, however it is signed: invalid_request', async () => {
    await accept();
    const [, claims] = (await tokenOf(REVOKED, subject)).split('.');
    const header = { alg: 'RS256', typ: 'secevent+jwt', kid: 'k1', b64: false, crit: ['b64'] };
    const input = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${claims}`;
    const signature = sign('RSA-SHA256', Buffer.from(input), KeyObject.from(keys.privateKey as never));
    const token = `${input}.${signature.toString('base64url')}`;
    expect(await receiveSignal(ports, token, testCaller)).toMatchObject({ err: 'invalid_request' });
  });

  test('whose signature another key has made: authentication_failed', async () => {
    await accept();
    const other = await generateKeyPair('RS256');
    expect(await receive(REVOKED, subject, { key: other.privateKey })).toMatchObject({ err: 'authentication_failed' });
  });

  test('that is signed with a shared secret, or not at all: invalid_key', async () => {
    await accept();
    const claims = { iss: THEIRS, aud: OURS, jti: '1', iat: 1, events: {} };
    const hmac = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'secevent+jwt' })
      .sign(Buffer.from(JSON.stringify(published)));
    expect(await receiveSignal(ports, hmac, testCaller)).toMatchObject({ err: 'invalid_key' });
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = `${part({ alg: 'none', typ: 'secevent+jwt' })}.${part(claims)}.`;
    expect(await receiveSignal(ports, unsigned, testCaller)).toMatchObject({ err: 'invalid_key' });
  });

  test.each(['', 'x', 'a.b.c', 'a.b.c.d', '{}.{}.'])('that is none (%j): invalid_request', async (text) => {
    expect(await receiveSignal(ports, text, testCaller)).toMatchObject({ err: 'invalid_request' });
  });

  test('while the keys of its issuer cannot be read: 503, so that it comes again', async () => {
    await accept();
    isDown = true;
    await expect(receive(REVOKED, subject, {}, withFreshKeys())).rejects.toMatchObject({
      code: 'signal_keys_unavailable',
    });
  });

  test('never because its key is new, whatever strangers send: 503, and accepted once the set may be read again', async () => {
    await accept();
    const user = await newLinked();
    let nowMs = 0;
    let fetches = 0;
    const through = {
      ...withFreshKeys(),
      signalKeys: createClientKeySets({ clock: { monotonic: () => nowMs }, allowsPrivate: true }, (...sent) => {
        fetches += 1;
        return guardedFetch(...sent);
      }),
    };
    const [stranger, theirs] = [await generateKeyPair('RS256'), await generateKeyPair('RS256', { extractable: true })];
    const forge = (kid: string) => receive(REVOKED, subject, { header: { kid }, key: stranger.privateKey }, through);
    const genuine = () =>
      receive(
        REVOKED,
        { format: 'opaque', id: user.accountId },
        { header: { kid: 'k2' }, key: theirs.privateKey },
        through,
      );
    expect(await forge('forged'), 'by a set that was read since').toMatchObject({ err: 'invalid_key' });
    const before = published;
    published = { keys: [{ ...(await exportJWK(theirs.publicKey)), kid: 'k2', alg: 'RS256', use: 'sig' }] };
    nowMs = 5_000;
    const notYet = { code: 'signal_keys_unavailable', options: { retryAfterSeconds: 25 } };
    for (let times = 0; times < 10; times += 1) await expect(forge(`forged-${times}`)).rejects.toMatchObject(notYet);
    await expect(genuine()).rejects.toMatchObject(notYet);
    expect([await sessionsOf(user.id), fetches]).toEqual([1, 1]);
    nowMs = 30_000;
    // Also after a stranger was faster.
    expect(await forge('another')).toMatchObject({ err: 'invalid_key' });
    expect(await genuine()).toBeNull();
    expect([await sessionsOf(user.id), fetches]).toEqual([0, 2]);
    published = before;
  });
});

describe('a transmitter', () => {
  test('is listed with what it sent; once it is removed its events are refused', async () => {
    const { transmitter_id: id } = await accept();
    await receive(REVOKED, undefined);
    expect((await listTransmitters(db)).transmitters).toMatchObject([
      { issuer: THEIRS, audience: OURS, received: 1, last_received_at: expect.stringMatching(/Z$/) },
    ]);
    await removeTransmitter(db, { transmitter_id: id, reason: 'over' }, testCaller);
    expect(await receive(REVOKED, undefined)).toMatchObject({ err: 'invalid_issuer' });
    await expect(removeTransmitter(db, { transmitter_id: id, reason: 'x' }, testCaller)).rejects.toMatchObject({
      code: 'transmitter_unknown',
    });
  });

  test('that two administrators remove at once is removed once', async () => {
    const { transmitter_id: id } = await accept();
    const both = [1, 2].map(() => removeTransmitter(db, { transmitter_id: id, reason: 'twice' }, testCaller));
    const ends = await Promise.allSettled(both);
    expect(ends.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const events = await db.raw`SELECT outcome FROM audit_outbox
      WHERE type = 'signal.transmitter_changed' AND detail ->> 'reason' = 'twice'`;
    expect(events).toEqual([{ outcome: 'removed' }]);
  });

  test.each<[string, Partial<NewTransmitter>]>([
    ['without https', { issuer: 'ftp://x' }],
    ['with credentials in the address of its keys', { jwks_uri: 'https://u:p@x.test/' }],
    ['that could name no user', { provider: undefined }],
  ])('%s is refused', (_, input) => expect(accept(input)).rejects.toMatchObject({ code: 'transmitter_invalid' }));

  test('has an issuer of its own', async () => {
    await accept();
    await expect(accept()).rejects.toMatchObject({ code: 'transmitter_exists' });
  });

  test('may not have our own issuer, and is accepted only by a caller who may end sessions', async () => {
    await expect(accept({ issuer: OURS })).rejects.toMatchObject({ code: 'transmitter_invalid' });
    const input = {
      issuer: THEIRS,
      jwks_uri: `${idp.url}/jwks.json`,
      match_email: false,
      own_ids: true,
      reason: 'test',
    };
    await expect(createTransmitter(ports, input, clientCaller('c', ['signals:manage']))).rejects.toMatchObject({
      code: 'rights_exceeded',
    });
    const both = clientCaller('c', ['signals:manage', 'sessions:manage']);
    expect(await createTransmitter(ports, input, both)).toMatchObject({ own_ids: true, match_email: false });
  });

  test('whose events could name no user is refused', () =>
    expect(accept({ provider: undefined })).rejects.toMatchObject({ code: 'transmitter_invalid' }));
});
