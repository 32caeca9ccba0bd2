import { describe, expect, test } from 'vitest';
import type { Advisory } from '#services/platform/advisories/advisories.ts';
import { translate } from '#services/platform/postgres/pool.ts';
import { addressResult } from './address.ts';
import { advisoriesResult } from './advisories.ts';
import { mailResult } from './mail.ts';
import { marksResult } from './marks.ts';
import { redisResult } from './redis.ts';
import { replicaResult } from './replica.ts';
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
