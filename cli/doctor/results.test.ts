import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Advisory } from '#services/platform/advisories/advisories.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { translate } from '#services/platform/postgres/pool.ts';
import { addressResult } from './address.ts';
import { advisoriesResult } from './advisories.ts';
import { certificatesResult, clientsResult } from './clients.ts';
import { limitsCheck } from './limits.ts';
import { mailResult } from './mail.ts';
import { marksResult } from './marks.ts';
import { redisResult } from './redis.ts';
import { replicaResult } from './replica.ts';
import { type RoleFacts, rolesResult } from './roles.ts';
import { roomResult, writeRefusal } from './room.ts';

test.each(['http://localhost:3000', 'https://auth.example.test/id'])('%s passes: passkeys work there', (url) => {
  expect(addressResult(url)).toEqual({ result: 'pass', evidence: url });
});

test.each([
  ['http://127.0.0.1:3000', 'http://localhost:3000'],
  ['http://[::1]:4400', 'http://localhost:4400'],
  ['http://192.0.2.7', 'http://localhost'],
])('%s, the default of earlier versions or another number, warns and says how the issuer stays', (url, better) => {
  const { result, evidence, fix } = addressResult(url);
  expect([result, evidence]).toEqual(['warn', `${url}: browsers allow no passkeys at an IP address`]);
  expect(fix).toContain(`BETTER_AUTH_URL=${better};`);
  expect(fix).toContain(`JWT_ISSUER=${url}`);
});

const standby = { is_standby: true, incarnation: 'x', as_of: '2026-11-25T10:00:00.000Z', age_ms: 900 };

test('a standby that keeps up passes; one that is behind, or has replayed nothing, is warned about', () => {
  expect(replicaResult(standby, 60)).toEqual({ result: 'pass', evidence: 'a standby, 1 s behind' });
  expect(replicaResult({ ...standby, age_ms: 61_000 }, 60)).toMatchObject({
    result: 'warn',
    evidence: 'a standby, 61 s behind, more than 60 s: its reads go to the primary',
  });
  expect(replicaResult({ ...standby, age_ms: null }, 60)).toMatchObject({ result: 'warn' });
});

test('a server that is no standby fails', () => {
  for (const other of [undefined, { ...standby, is_standby: false }])
    expect(replicaResult(other, 60)).toMatchObject({ result: 'fail' });
});

const quiet = { waiting: 0, given_up: 0, oldest_seconds: 0 };
const smtp = { way: 'SMTP mail.example.com:465', isFolder: false, isDevelopment: false };

test('fails with the code and one fix if the SMTP server cannot be used', () =>
  expect(mailResult(quiet, { ...smtp, failure: 'EAUTH' })).toEqual({
    result: 'fail',
    evidence: 'SMTP mail.example.com:465, 0 waiting, 0 given up in a week; EAUTH',
    fix: 'check SMTP_URL: host, port, TLS, user and password',
  }));

test('warns about mails that have waited for minutes or were given up', () => {
  expect(mailResult({ ...quiet, waiting: 3, oldest_seconds: 301 }, smtp)).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('the oldest for 5 min'),
  });
  expect(mailResult({ ...quiet, given_up: 1 }, smtp).result).toBe('warn');
  expect(mailResult({ ...quiet, waiting: 3, oldest_seconds: 20 }, smtp).result).toBe('pass');
});

test('warns about mail written to files outside development', () => {
  const files = { way: 'files in x', isFolder: true };
  expect(mailResult(quiet, { ...files, isDevelopment: true }).result).toBe('pass');
  expect(mailResult(quiet, { ...files, isDevelopment: false })).toMatchObject({ result: 'warn', fix: 'set SMTP_URL' });
});

const redisFacts = { version: '7.0.15', evictionPolicy: 'noeviction', isAppendOnly: true, masters: null, user: null };

test('fails with the fix on a Redis that evicts keys, and so jobs, when memory is short', () =>
  expect(redisResult({ ...redisFacts, evictionPolicy: 'allkeys-lru' }, true)).toMatchObject({
    result: 'fail',
    fix: 'set maxmemory-policy noeviction',
  }));

test('warns about a Redis that loses its jobs at a restart, and passes one that keeps them', () => {
  expect(redisResult({ ...redisFacts, isAppendOnly: false }, true).result).toBe('warn');
  expect(redisResult(redisFacts, true)).toEqual({
    result: 'pass',
    evidence: 'version 7.0.15, maxmemory-policy noeviction, append-only file on',
  });
});

test('says of a cluster how many masters it asked', () =>
  expect(redisResult({ ...redisFacts, masters: 3 }, true).evidence).toMatch(/^cluster of 3 masters, version 7/));

test('warns in production about a user that may do more than a process needs', () => {
  expect(redisResult({ ...redisFacts, user: 'default' }, true)).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('the user default may do more than a process needs'),
    fix: expect.stringContaining('Redis users'),
  });
  expect(redisResult({ ...redisFacts, user: 'default' }, false).result).toBe('pass');
});

const megabytes = (count: number): number => count * 1_048_576;

test('passes with enough free space, warns with little and fails with almost none; each result states how much', () => {
  expect(roomResult('/data', megabytes(5_000))).toEqual({ result: 'pass', evidence: '/data, 5,000 MB free' });
  expect(roomResult('/data', megabytes(1_023))).toMatchObject({
    result: 'warn',
    fix: expect.stringContaining('df -h'),
  });
  expect(roomResult('/data', megabytes(127))).toMatchObject({ result: 'fail', evidence: '/data, 127 MB free' });
});

/** A database that refuses every statement, as the pool reports it. */
const refusing = (code: string) => ({
  query: async (): Promise<never> => {
    throw translate(Object.assign(new Error('refused'), { code }));
  },
});

test('a full disk is reported differently from a database that does not answer', async () => {
  expect(await writeRefusal(refusing('53100'), false)).toMatchObject({ what: 'its disk is full' });
  await expect(writeRefusal(refusing('57P01'), false)).rejects.toMatchObject({ code: 'store_unavailable' });
});

test('a read-only database is recognised by its own report, without a test write', async () =>
  expect(await writeRefusal(refusing('57P01'), true)).toMatchObject({ what: 'it is read-only' }));

test('passes without the right to create temporary tables, since the free space is unknown', async () =>
  expect(await writeRefusal(refusing('42501'), false)).toBeUndefined());

const feedState = { incarnation: 'i1', epoch: 7, beat: 20, hosts: 1 };
const marks = { incarnation: 'i1', revocationEpoch: 7, beat: 20 };

test('a database at its high-water marks passes, on one machine with a file and on many with an object store', () => {
  expect(marksResult('file', marks, feedState)).toEqual({ result: 'pass', evidence: 'file, epoch 7, not behind' });
  expect(marksResult('s3', marks, { ...feedState, hosts: 3 })).toMatchObject({ result: 'pass' });
});

test('file marks on several machines are a warning: a machine without marks trusts any database', () =>
  expect(marksResult('file', marks, { ...feedState, hosts: 2 })).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('2 addresses'),
    fix: expect.stringContaining('MARK_STORE=s3'),
  }));

test.each([
  ['its epoch', { ...marks, revocationEpoch: 8 }],
  ['its beat', { ...marks, beat: 21 }],
  ['another incarnation', { ...marks, incarnation: 'i2' }],
])('a database behind its high-water marks fails: %s', (_what, held) => {
  expect(marksResult('s3', held, feedState)).toMatchObject({
    result: 'fail',
    fix: expect.stringContaining('--accept-loss'),
  });
});

test('without high-water marks the result says that the database is trusted', () =>
  expect(marksResult('s3', null, feedState)).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('none yet'),
  }));

const NOW = new Date('2026-11-26');
const known: Advisory = {
  id: 'CVE-2026-1',
  product: 'redis',
  affected: [{ from: '7.0.0', before: '7.2.11' }],
  severity: 'high',
  title: 'reads too far',
  exposure: 'exposed',
  why: 'every process asks it',
};
const resultOf = (change: Partial<Advisory>, asOf = '2026-11-20', version = '7.0.15') =>
  advisoriesResult({ asOf, advisories: [{ ...known, ...change }] }, { redis: version }, NOW);
const accepted = { until: '2026-12-31', reason: 'it listens on loopback alone' };

describe('the advisories of what is installed', () => {
  test('an advisory to which this installation is exposed fails, with the version that has the fix', () =>
    expect(resultOf({})).toMatchObject({
      result: 'fail',
      fix: 'install redis 7.2.11 or newer',
      items: ['redis 7.0.15: CVE-2026-1 (high), reads too far; every process asks it'],
    }));

  test('one that is accepted warns until its last day, and one without effect is counted only', () => {
    expect(resultOf({ accepted }).result).toBe('warn');
    expect(resultOf({ accepted: { ...accepted, until: '2026-11-25' } }).result).toBe('fail');
    expect(resultOf({ exposure: 'none' })).toEqual({
      result: 'pass',
      evidence: '0 open, 0 accepted for a time, 1 without effect here; list of 2026-11-20',
    });
  });

  test('a list that is three months old only warns, with its age', () => {
    expect(resultOf({}, '2026-08-26', '7.2.11')).toMatchObject({
      result: 'warn',
      evidence: expect.stringContaining('92 days old'),
    });
    expect(resultOf({}, '2026-08-26').result).toBe('fail');
  });
});

test('passes while every client must use PKCE', () =>
  expect(clientsResult({ clients: 3, without_pkce: [], fapi_with_rs256: [] })).toEqual({
    result: 'pass',
    evidence: '3 registered, PKCE required of all',
  }));

test.each([
  [['a', 'b'], 'PKCE optional for a, b'],
  [['a', 'b', 'c', 'd', 'e', 'f', 'g'], 'PKCE optional for a, b, c, d, e and 2 more'],
])('names the clients that may do without PKCE, and how to require it: %j', (withoutPkce, evidence) => {
  expect(clientsResult({ clients: 9, without_pkce: withoutPkce, fapi_with_rs256: [] })).toEqual({
    result: 'warn',
    evidence: `9 registered, ${evidence}`,
    fix: expect.stringContaining('clients update a --pkce required'),
  });
});

test('names clients of the profile fapi2 whose tokens are signed with RS256, beside those without PKCE', () => {
  const fapiWithRs256 = ['bank', 'b', 'c', 'd', 'e', 'f'];
  expect(clientsResult({ clients: 9, without_pkce: ['a'], fapi_with_rs256: fapiWithRs256 })).toEqual({
    result: 'warn',
    evidence: '9 registered, FAPI 2.0 tokens signed with RS256 for bank, b, c, d, e and 1 more, PKCE optional for a',
    fix: expect.stringContaining('clients update bank --profile fapi2'),
  });
});

const both = { isForwarded: true, hasAuthorities: true };

test('passes without clients that authenticate by certificate, and with them while both settings are there', () => {
  const none = { by_name: 0, by_certificate: 0 };
  expect(certificatesResult(none, { isForwarded: false, hasAuthorities: false }).result).toBe('pass');
  expect(certificatesResult({ by_name: 1, by_certificate: 2 }, both)).toEqual({
    result: 'pass',
    evidence: '3 clients authenticate by certificate',
  });
  expect(certificatesResult({ by_name: 0, by_certificate: 2 }, { ...both, hasAuthorities: false }).result).toBe('pass');
});

test('warns of clients that cannot authenticate, and names the setting that is missing', () => {
  const facts = { by_name: 1, by_certificate: 2 };
  expect(certificatesResult(facts, { isForwarded: false, hasAuthorities: false })).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('3 clients'),
    fix: expect.stringContaining('CLIENT_CERT_HEADER'),
  });
  expect(certificatesResult(facts, { ...both, hasAuthorities: false })).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('1 clients use tls_client_auth'),
    fix: expect.stringContaining('CLIENT_CERT_CA_FILE'),
  });
});

const all = ['sallyport_api', 'sallyport_mcp', 'sallyport_worker', 'sallyport_log_sealer'];
const owner: RoleFacts = { login: 'sally"port', roles: all, assumes: all, is_owner: true };
const worker: RoleFacts = { ...owner, assumes: ['sallyport_worker', 'sallyport_log_sealer'], is_owner: false };

test('a database user in the role of its process passes; one that owns the tables passes in development and is a warning in production', () => {
  expect(rolesResult(worker, true)).toMatchObject({
    result: 'pass',
    evidence: expect.stringContaining('sallyport_worker, sallyport_log_sealer'),
  });
  expect(rolesResult(owner, false)).toMatchObject({ result: 'pass' });
  expect(rolesResult(owner, true)).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining('owns the tables'),
    fix: expect.stringContaining('run-in-production'),
  });
});

test.each([
  ['sallyport_app', ['sallyport_api', 'sallyport_app'], 'which may write tables'],
  ['sallyport_app, sallyport_sealer', ['sallyport_app', 'sallyport_sealer'], 'an application that embeds'],
])('a database user with the rights of %s is a warning: its process needs fewer', (named, assumes, words) => {
  const result = rolesResult({ ...worker, assumes }, true);
  expect(result).toMatchObject({
    result: 'warn',
    evidence: expect.stringContaining(`the rights of ${named}`),
    fix: expect.stringContaining('the role of its process'),
  });
  expect(result.evidence).toContain(words);
});

test.each([[[]], [['sallyport_sealer']]])('no process starts with a database user in no role but %j', (assumes) => {
  expect(rolesResult({ ...worker, assumes }, false)).toMatchObject({
    result: 'fail',
    evidence: expect.stringContaining('in no role'),
  });
});

test('shows the statements that create the roles that are missing, or have no rights in this database', () => {
  const fix = (roles: readonly string[]): string => {
    const result = rolesResult({ ...owner, roles }, false);
    expect(result.result).toBe('fail');
    return 'fix' in result ? String(result.fix) : '';
  };
  expect(fix([])).toMatch(
    /unless another database .* has them: CREATE ROLE sallyport_api; .*CREATE ROLE sallyport_log_sealer; .*GRANT sallyport_api, .* TO "sally""port"; .*SELECT grant_roles\(\);/,
  );
  expect(fix(['sallyport_api', 'sallyport_mcp', 'sallyport_worker'])).not.toContain('CREATE ROLE sallyport_api');
});

test('shows no statement that creates the roles if another database of the cluster has them', () =>
  expect(rolesResult({ ...owner, assumes: ['sallyport_api'] }, false)).toMatchObject({
    result: 'fail',
    evidence: expect.stringContaining('is not a member of sallyport_mcp, sallyport_worker, sallyport_log_sealer'),
    fix: 'as a superuser: GRANT sallyport_mcp, sallyport_worker, sallyport_log_sealer TO "sally""port";',
  }));

const judge = (env: Record<string, string>) => {
  vi.unstubAllEnvs();
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  return limitsCheck.run(async () => loadConfig(process.env));
};
afterEach(() => vi.unstubAllEnvs());

const production = {
  SALLYPORT_PROFILE: 'production',
  BETTER_AUTH_SECRET: 'doctor-limits-0123456789-abcdefghijkl',
  BETTER_AUTH_URL: 'https://auth.example.test',
  KEY_ENCRYPTION_KEY: 'ZG9jdG9yLWxpbWl0cy0wMTIzNDU2Nzg5LWFiY2RlZmdoaWprbA==',
};

test('warns about production without a trusted proxy, where all clients would share one address', async () =>
  expect(await judge({ ...production, TRUSTED_PROXIES: '' })).toMatchObject({
    result: 'warn',
    fix: expect.stringContaining('TRUSTED_PROXIES'),
  }));

test('reports the source of client addresses', async () => {
  expect(await judge({ TRUSTED_PROXIES: '' })).toEqual({
    result: 'pass',
    evidence: 'address of the connection; rate limits development',
  });
  expect(await judge({ ...production, TRUSTED_PROXIES: '10.0.0.1' })).toMatchObject({
    result: 'pass',
    evidence: 'forwarded by 1 trusted proxy; rate limits default',
  });
  expect(await judge({ TRUSTED_PROXIES: '10.0.0.1,10.0.0.2', RATE_LIMIT_PROFILE: 'load' })).toMatchObject({
    evidence: 'forwarded by 2 trusted proxies; rate limits load',
  });
});
