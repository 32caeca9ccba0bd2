import { describe, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { FIRST_PARTY_CLIENT_ID } from '../authority/callers.ts';
import type { Sql } from '../ports.ts';
import { type AccessDirectory, clientSecretHash, createAccessDirectory, type SeenAccess } from './access-directory.ts';
import { clientCaller } from './client-caller.ts';
import { createClient } from './create-client.ts';
import { rotateClientSecret } from './manage-clients.ts';

const ports = opened(() => openTestPorts());
const access = opened(() => createAccessDirectory(ports));
const versionOf = async (): Promise<number> =>
  (await ports.raw<{ v: number }>`SELECT access_version AS v FROM feed_state`)[0]?.v ?? -1;
/** What a poll sees now, and whether the directory is confirmed by it. */
async function isConfirmedBy(directory: AccessDirectory, changes: Partial<SeenAccess> = {}): Promise<boolean> {
  const [state] = await ports.raw<{ incarnation: string }>`SELECT incarnation FROM feed_state`;
  const sentAtMs = ports.clock.monotonic();
  directory.confirm({ incarnation: state!.incarnation, accessVersion: await versionOf(), sentAtMs, ...changes });
  return directory.isConfirmedSince(changes.sentAtMs ?? sentAtMs);
}
const { request } = testCaller;

describe('clients', () => {
  test('no client exists before the first load', async () => {
    expect(access.client(FIRST_PARTY_CLIENT_ID)).toBeUndefined();
    expect(access.authenticateClient(FIRST_PARTY_CLIENT_ID, '')).toBeNull();
    expect(await isConfirmedBy(access, { accessVersion: 0 })).toBe(false);
  });

  test('the first-party client is public, so no secret authenticates as it', async () => {
    await access.load();
    const firstParty = access.client(FIRST_PARTY_CLIENT_ID);
    expect(firstParty).toMatchObject({
      secretHash: null,
      auth_method: 'none',
      grant_types: ['refresh_token'],
      disabled: false,
    });
    expect(access.authenticateClient(FIRST_PARTY_CLIENT_ID, '')).toBeNull();
    expect(access.authenticateClient(FIRST_PARTY_CLIENT_ID, 'null')).toBeNull();
  });

  test('a new client authenticates with the secret shown once; the table stores its SHA-256', async () => {
    const { clientId, clientSecret } = await createClient(
      ports,
      { name: 'Worker', grant_types: ['client_credentials'], credential_scopes: ['tokens:read', 'tasks:write'] },
      testCaller,
    );
    expect(access.client(clientId)).toBeUndefined();
    await access.load();
    expect(access.client(clientId)).toMatchObject({
      auth_method: 'client_secret_basic',
      tokenEpoch: 0,
      dpop_bound_access_tokens: false,
      tls_client_certificate_bound_access_tokens: false,
      require_pushed_authorization_requests: false,
    });
    expect(access.authenticateClient(clientId, clientSecret ?? '')?.clientId).toBe(clientId);
    expect(access.authenticateClient(clientId, `${clientSecret}x`)).toBeNull();
    expect(access.authenticateClient('unknown', clientSecret ?? '')).toBeNull();
    expect(access.authenticateClient('__proto__', clientSecret ?? '')).toBeNull();
    const [row] = await ports.raw<{ secret_hash: string }>`SELECT secret_hash FROM oauth_clients
      WHERE "clientId" = ${clientId}`;
    expect(row?.secret_hash).toBe(clientSecretHash(clientSecret ?? ''));
    const events =
      await ports.raw`SELECT actor_id FROM audit_outbox WHERE type = 'client.created' AND target_id = ${clientId}`;
    expect(events).toEqual([{ actor_id: 'test' }]);
  });

  test('the permissions of a client are its client-credentials scopes that name permissions', async () => {
    const { clientId, clientSecret } = await createClient(
      ports,
      { name: 'Reader', grant_types: [], credential_scopes: ['tokens:read', 'tasks:write'] },
      testCaller,
    );
    await access.load();
    const caller = clientCaller(access, clientId, clientSecret ?? '', request);
    expect(caller).toMatchObject({ kind: 'client', clientId, by: 'secret', permissions: new Set(['tokens:read']) });
    expect(caller).toHaveProperty('isVetted', true);
    expect(clientCaller(access, clientId, 'wrong', request)).toBeNull();
  });

  test('a disabled client is refused, and its tokens end', async () => {
    const { clientId, clientSecret } = await createClient(ports, { name: 'Old', grant_types: [] }, testCaller);
    await ports.raw`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${clientId}`;
    await access.load();
    expect(access.authenticateClient(clientId, clientSecret ?? '')).toBeNull();
    expect(access.client(clientId)).toMatchObject({ disabled: true, tokenEpoch: 1 });
  });

  test('removing a scope or grant from a client raises its epoch and ends its token families; adding one does not', async () => {
    const scopes = ['tasks:read', 'tasks:write'];
    const input = { name: 'Shrinking', grant_types: ['refresh_token'], scopes, credential_scopes: ['tokens:read'] };
    const { clientId } = await createClient(ports, input, testCaller);
    const change = async (set: string): Promise<number | undefined> => {
      await ports.raw(`UPDATE oauth_clients SET ${set} WHERE "clientId" = $1`, [clientId]);
      const [row] = await ports.raw<{ epoch: number }>`SELECT "tokenEpoch" AS epoch FROM oauth_clients
        WHERE "clientId" = ${clientId}`;
      return row?.epoch;
    };
    expect(await change(`scopes = scopes || '{email}', name = 'Growing'`)).toBe(0);
    expect(await change(`credential_scopes = '{}'`)).toBe(1);
    expect(await change(`scopes = '{email,tasks:read}'`)).toBe(2);
    expect(await change(`grant_types = '{}'`)).toBe(3);
    const cuts = await ports.raw`SELECT token_epoch FROM revocations
      WHERE kind = 'client' AND value = ${clientId} ORDER BY token_epoch`;
    expect(cuts).toEqual([{ token_epoch: 1 }, { token_epoch: 2 }, { token_epoch: 3 }]);
  });

  test('after a rotation the previous secret is accepted only during its overlap, and older secrets are refused', async () => {
    let nowMs = Date.now();
    const directory = createAccessDirectory({ ...ports, clock: { ...ports.clock, now: () => nowMs } });
    const made = await createClient(ports, { name: 'Rotated', grant_types: [] }, testCaller);
    const { clientId } = made;
    const rotate = async (overlapSeconds: number): Promise<string> => {
      const tools = { ...ports, access: directory, accessChanged: () => directory.load() };
      const input = { client_id: clientId, reason: 'test', overlap_seconds: overlapSeconds };
      return (await rotateClientSecret(tools, input, testCaller)).client_secret as string;
    };
    const accepted = (...secrets: string[]) =>
      secrets.map((secret) => directory.authenticateClient(clientId, secret) !== null);
    const first = made.clientSecret as string;
    const second = await rotate(60);
    expect(accepted(first, second, `${first}x`)).toEqual([true, true, false]);
    nowMs += 50_000;
    expect(accepted(first, second)).toEqual([true, true]);
    nowMs += 20_000;
    expect(accepted(first, second)).toEqual([false, true]);
    nowMs = Date.now();
    const third = await rotate(3_600);
    expect(accepted(first, second, third)).toEqual([false, true, true]);
    const fourth = await rotate(0);
    expect(accepted(first, second, third, fourth)).toEqual([false, false, false, true]);
    const details = await ports.raw<{ detail: Record<string, string> }>`SELECT detail FROM audit_outbox
      WHERE type = 'client.secret_rotated' AND target_id = ${clientId} ORDER BY id`;
    expect(details.map(({ detail }) => Object.keys(detail).sort())).toEqual([
      ['previous_until', 'reason'],
      ['previous_until', 'reason'],
      ['reason'],
    ]);
    await ports.raw`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${clientId}`;
    await directory.load();
    expect(accepted(third, fourth)).toEqual([false, false]);
  });

  test('a public client has no secret, and a stored value that is not a SHA-256 authenticates no client', async () => {
    const { clientId, clientSecret } = await createClient(
      ports,
      { name: 'Page', client_id: 'page', auth_method: 'none', grant_types: ['refresh_token'] },
      testCaller,
    );
    expect([clientId, clientSecret]).toEqual(['page', null]);
    await ports.raw`INSERT INTO oauth_clients (id, "clientId", secret_hash, auth_method)
      VALUES ('broken', 'broken', 'c2hvcnQ', 'none'), ('bare', 'bare', NULL, 'client_secret_basic')`;
    await access.load();
    expect(access.authenticateClient('broken', 'short')).toBeNull();
    expect(access.client('broken')).toMatchObject({
      secretHash: null,
      auth_method: 'none',
      scopes: [],
      grant_types: [],
    });
    expect(access.authenticateClient('bare', '')).toBeNull();
    await ports.raw`UPDATE oauth_clients SET secret_hash = ${clientSecretHash('a-secret')} WHERE "clientId" = 'bare'`;
    await access.load();
    expect(access.authenticateClient('bare', 'a-secret')).toMatchObject({ auth_method: 'client_secret_basic' });
  });

  test('an id that a client or a user already has is refused, because one could act as the other', async () => {
    await ports.raw`INSERT INTO users (id, email) VALUES ('user-1', 'user-1@example.test')`;
    for (const clientId of ['user-1', FIRST_PARTY_CLIENT_ID])
      await expect(
        createClient(ports, { name: 'X', client_id: clientId, grant_types: [] }, testCaller),
      ).rejects.toMatchObject({ code: 'client_exists' });
  });
});

test('the table takes only an https address as the page of a client', async () => {
  await ports.raw`INSERT INTO oauth_clients (id, "clientId") VALUES ('paged', 'paged')`;
  const set = (uri: string) => ports.raw`UPDATE oauth_clients SET client_uri = ${uri} WHERE id = 'paged'`;
  await set('https://app.example/about');
  for (const uri of ['javascript:alert(1)', 'javascript:0\nhttps://app.example', `https://${'a'.repeat(505)}`])
    await expect(set(uri)).rejects.toThrow('check constraint');
});

describe('roles', () => {
  test('the admin role has every permission, an unknown role none', () => {
    expect(access.permissionsOf(['admin'])).toEqual(access.permissions());
    expect(access.permissions().has('keys:manage')).toBe(true);
    expect(access.permissionsOf(['user', 'unknown', '__proto__']).size).toBe(0);
    expect(access.permissionsOf(['admin'])).toBe(access.permissionsOf(['admin']));
    const signingOff = ['architect', 'developer', 'product_owner', 'qa', 'security_reviewer', 'tech_lead'];
    const others = ['admin', 'agent', 'auditor', 'clinician', 'compliance', 'operator', 'privacy_officer', 'user'];
    expect(access.roles()).toEqual(new Set([...others, ...signingOff]));
    expect(access.permissionsOf(['agent']).size).toBe(0);
    const audits = access.permissionsOf(['auditor']);
    expect(audits).toContain('audit:read');
    expect([...audits].filter((permission) => permission.endsWith(':manage'))).toEqual([]);
  });

  test('replacing a permission of a role ends the tokens issued with it, as removing one does', async () => {
    await ports.raw`INSERT INTO users (id, email) VALUES ('holder', 'holder@example.test')`;
    const epochOf = async () => (await ports.raw`SELECT "tokenEpoch" FROM users WHERE id = 'holder'`)[0];
    await ports.raw`INSERT INTO role_permissions (role, permission) VALUES ('user', 'keys:manage')`;
    expect(await epochOf()).toEqual({ tokenEpoch: 0 });
    await ports.raw`UPDATE role_permissions SET permission = 'keys:read'
      WHERE role = 'user' AND permission = 'keys:manage'`;
    expect(await epochOf()).toEqual({ tokenEpoch: 1 });
    await ports.raw`DELETE FROM role_permissions WHERE role = 'user'`;
    expect(await epochOf()).toEqual({ tokenEpoch: 2 });
    await access.load();
  });

  test('changing a permission raises the version, and the next load has the change', async () => {
    const before = await versionOf();
    expect(await isConfirmedBy(access)).toBe(true);
    await ports.raw`INSERT INTO role_permissions (role, permission) VALUES ('user', 'tokens:read')`;
    expect(await versionOf()).toBeGreaterThan(before);
    expect(await isConfirmedBy(access)).toBe(false);
    await access.load();
    expect(access.permissionsOf(['user'])).toEqual(new Set(['tokens:read']));
  });

  test('a role name is lower case without spaces, so that two different lists of roles never share a cache key', async () => {
    for (const name of ['admin user', 'Admin', '', '1st', `x${'y'.repeat(63)}`])
      await expect(ports.raw`INSERT INTO roles (name, description) VALUES (${name}, 'x')`).rejects.toThrow();
    expect(access.permissionsOf(['admin auditor']).size).toBe(0);
    expect(access.permissionsOf(['admin', 'auditor']).size).toBeGreaterThan(0);
    expect(access.permissionsOf(['admin auditor']).size).toBe(0);
  });

  test('permissions are right for more different sets of roles than the cache keeps', async () => {
    for (let index = 0; index < 1_200; index += 1)
      expect(access.permissionsOf(['user', `role-${index}`])).toEqual(new Set(['tokens:read']));
  });
});

test('a load that ends late does not overwrite one that began after it', async () => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let isFirst = true;
  const slow: Sql = {
    query: async (statement, values) => {
      const rows = await ports.sql.query(statement, values);
      if (statement.name === 'accessVersionRead' && isFirst) {
        isFirst = false;
        await held;
      }
      return rows as never;
    },
  };
  const directory = createAccessDirectory({ ...ports, sql: slow });
  const late = directory.load();
  await ports.raw`INSERT INTO permissions (name, description) VALUES ('late:permission', 'x')`;
  await ports.raw`INSERT INTO role_permissions (role, permission) VALUES ('user', 'late:permission')`;
  const version = await versionOf();
  await directory.atLeast(version, ports.sql);
  release();
  await late;
  expect(directory.permissionsOf(['user'])).toContain('late:permission');
});

test('concurrent loads coalesce into one running and one waiting, and every caller sees data read after its call', async () => {
  let begun = 0;
  let gate = Promise.withResolvers<void>();
  const counted: Sql = {
    query: async (statement, values) => {
      if (statement.name === 'accessVersionRead') {
        begun += 1;
        await gate.promise;
      }
      return ports.sql.query(statement, values);
    },
  };
  const directory = createAccessDirectory({ ...ports, sql: counted });
  const loads = Array.from({ length: 50 }, () => directory.load());
  gate.resolve();
  await Promise.all(loads);
  expect(begun).toBe(2);
  await directory.load();
  expect(begun).toBe(3);

  // In transactions with a connection each: the first one loads, and the next one only if the first fails.
  await ports.raw`INSERT INTO role_permissions (role, permission) VALUES ('user', 'tokens:issue')`;
  const version = await versionOf();
  gate = Promise.withResolvers();
  const lost: Sql = { query: () => gate.promise.then(() => Promise.reject(new Error('connection lost'))) };
  const waiting = [lost, ...Array<Sql>(20).fill(counted)].map((tx) => directory.atLeast(version, tx));
  gate.resolve();
  const ends = await Promise.allSettled(waiting);
  expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  expect([ends[0]?.status, begun]).toEqual(['rejected', 4]);
  expect(directory.permissionsOf(['user'])).toContain('tokens:issue');
  await directory.atLeast(version, lost);

  // After a failure the next call starts a new load.
  const broken = createAccessDirectory({ ...ports, sql: { query: () => Promise.reject(new Error('away')) } });
  const failed = await Promise.allSettled([broken.load(), broken.load(), broken.load()]);
  expect(failed.map(({ status }) => status)).toEqual(Array(3).fill('rejected'));
  await expect(broken.load()).rejects.toThrow('away');
});

test('reading an unchanged client document again keeps the version; any other change of the client raises it', async () => {
  await ports.raw`INSERT INTO oauth_clients (id, "clientId", origin, document_until)
    VALUES ('doc', 'https://a.test/c', 'document', now())`;
  const before = await versionOf();
  await ports.raw`UPDATE oauth_clients SET document_until = now() + interval '1 hour', "updatedAt" = now()
    WHERE id = 'doc'`;
  expect(await versionOf()).toBe(before);
  const directory = createAccessDirectory(ports, { unvetted: { readsDocuments: true, scopes: [], audiences: [] } });
  await directory.load();
  directory.documentRead('https://a.test/c', 7);
  directory.documentRead('https://unknown.test/c', 7);
  expect(directory.client('https://a.test/c')?.document_until_ms).toBe(7);
  expect(directory.client('https://unknown.test/c')).toBeUndefined();
  await ports.raw`UPDATE oauth_clients SET name = 'Other', document_until = now() WHERE id = 'doc'`;
  expect(await versionOf()).toBe(before + 1);
  await ports.raw`DELETE FROM oauth_clients WHERE id = 'doc'`;
  expect(await versionOf()).toBe(before + 2);
});

test('an unvetted client has only what the current settings allow, and no permission', async () => {
  await ports.raw`INSERT INTO oauth_clients (id, "clientId", origin, document_until, scopes, audiences)
    SELECT kind, kind, kind, CASE kind WHEN 'document' THEN now() END, '{openid,email,tokens:read}', '{a,b}'
    FROM unnest('{registration,document,admin}'::text[]) kind`;
  const under = async (readsDocuments: boolean) => {
    const unvetted = { readsDocuments, scopes: ['openid', 'tokens:read'], audiences: ['b', 'c'] };
    const directory = createAccessDirectory(ports, { unvetted });
    await directory.load();
    return ['registration', 'document', 'admin'].map((id) => {
      const client = directory.client(id);
      return client && [...client.scopes, ...client.audiences].join(' ');
    });
  };
  const vetted = 'openid email tokens:read a b';
  expect(await under(true)).toEqual(['openid b', 'openid b', vetted]);
  expect(await under(false)).toEqual(['openid b', undefined, vetted]);
});

describe('agents', () => {
  test('are clients with an owner; from their expiry on they are disabled and their secret is refused', async () => {
    let nowMs = Date.now();
    const clock = { now: () => nowMs, monotonic: () => 0 };
    const dated = createAccessDirectory({ ...ports, clock });
    const made = await createClient(ports, { name: 'Agent', grant_types: ['client_credentials'] }, testCaller);
    const { clientId, clientSecret } = made;
    await ports.raw`INSERT INTO users (id, email) VALUES ('owner', 'owner@example.test')`;
    await ports.raw`INSERT INTO agents (client_id, owner_id, expires_at)
      VALUES (${clientId}, 'owner', to_timestamp(${nowMs + 1_000}::float8 / 1000))`;
    await dated.load();
    expect(dated.client(clientId)).toMatchObject({ agent: { ownerId: 'owner' }, disabled: false });
    expect(dated.authenticateClient(clientId, clientSecret ?? '')?.clientId).toBe(clientId);
    nowMs += 1_001;
    expect(dated.client(clientId)).toMatchObject({ disabled: true });
    expect(dated.authenticateClient(clientId, clientSecret ?? '')).toBeNull();
  });
});
