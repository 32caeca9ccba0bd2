import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createFakeClock, createFakeWorkers } from './fake-workers.ts';
import {
  createHasher,
  HasherFailedError,
  type HasherOptions,
  UnhashablePasswordError,
  UnknownDigestError,
} from './hasher.ts';

const admission = { clientPrefix: '192.0.2.1', knownDevice: false };
const digest = `$2b$12$${'a'.repeat(53)}`;

function fakeHasher({ children = 1, importedKey }: Pick<HasherOptions, 'children' | 'importedKey'> = {}) {
  const { workers, startWorker } = createFakeWorkers();
  const clock = createFakeClock();
  const hasher = createHasher({ pepper: randomBytes(32), children, startWorker, clock, importedKey });
  hasher.warm();
  return { hasher, workers, clock };
}

describe('createHasher', () => {
  it('refuses a short pepper and impossible sizes', () => {
    const { startWorker } = createFakeWorkers();
    const pepper = randomBytes(32);
    expect(() => createHasher({ pepper: randomBytes(31), startWorker })).toThrow(RangeError);
    for (const wrong of [0, 1.5, -1, Number.NaN]) {
      expect(() => createHasher({ pepper, startWorker, children: wrong })).toThrow(RangeError);
      expect(() => createHasher({ pepper, startWorker, capacity: wrong })).toThrow(RangeError);
    }
  });

  it('queues eight jobs per child, a quarter of them for known devices only', async () => {
    const { hasher } = fakeHasher({ children: 2 });
    expect(hasher.stats()).toEqual({ queued: 0, running: 0, capacity: 16 });
    for (let index = 0; index < 20; index += 1)
      hasher.hash('password', { clientPrefix: `${index}`, knownDevice: false }).catch(() => {});
    await Promise.resolve();
    expect(hasher.stats()).toEqual({ queued: 12, running: 0, capacity: 16 });
  });

  it('sends the child the normalised password, to hash and to verify', async () => {
    const { hasher, workers } = fakeHasher();
    workers[0]?.ready();
    const hashed = hasher.hash('pa\u0308ss', admission);
    workers[0]?.reply({ kind: 'hashed', digest });
    expect(await hashed).toBe(digest);
    const verified = hasher.verify('pa\u0308ss', digest, admission);
    workers[0]?.reply({ kind: 'verified', matches: true });
    expect(await verified).toBe(true);
    expect(workers[0]?.requests).toEqual([
      { kind: 'hash', password: 'p\u00e4ss' },
      { kind: 'verify', password: 'p\u00e4ss', typed: 'pa\u0308ss', digest },
    ]);
  });

  it('sends no typed text that is longer than a password may be', async () => {
    const { hasher, workers } = fakeHasher();
    workers[0]?.ready();
    const verified = hasher.verify('a\u0308'.repeat(500), digest, admission);
    workers[0]?.reply({ kind: 'verified', matches: false });
    expect(await verified).toBe(false);
    expect(workers[0]?.requests).toEqual([{ kind: 'verify', password: '\u00e4'.repeat(500), digest }]);
  });

  it('sends the key that an imported digest names, and queues nothing without it', async () => {
    const named = `$fbscrypt$k=${'k'.repeat(22)},m=14,r=8,ss=Bw==$c2FsdA==$${'A'.repeat(86)}==`;
    const asked: string[] = [];
    const importedKey = async (id: string): Promise<Uint8Array | undefined> => {
      asked.push(id);
      return asked.length === 1 ? Buffer.from('signer key') : undefined;
    };
    const { hasher, workers } = fakeHasher({ importedKey });
    workers[0]?.ready();
    const verified = hasher.verify('x', named, admission);
    await new Promise(setImmediate);
    workers[0]?.reply({ kind: 'verified', matches: true });
    expect(await verified).toBe(true);
    const keyBase64 = Buffer.from('signer key').toString('base64');
    expect(workers[0]?.requests).toEqual([{ kind: 'verify', password: 'x', digest: named, keyBase64 }]);
    await expect(hasher.verify('x', named, admission)).rejects.toBeInstanceOf(UnknownDigestError);
    await expect(fakeHasher().hasher.verify('x', named, admission)).rejects.toBeInstanceOf(UnknownDigestError);
    expect(asked).toEqual(['k'.repeat(22), 'k'.repeat(22)]);
  });

  it('does not queue what cannot be hashed or verified', async () => {
    const { hasher } = fakeHasher();
    await expect(hasher.hash('', admission)).rejects.toBeInstanceOf(UnhashablePasswordError);
    await expect(hasher.verify('x'.repeat(1_025), digest, admission)).rejects.toBeInstanceOf(UnhashablePasswordError);
    await expect(hasher.verify('x', '$unknown$', admission)).rejects.toBeInstanceOf(UnknownDigestError);
    expect(() => hasher.needsUpgrade('$unknown$')).toThrow(UnknownDigestError);
    expect(hasher.stats().queued).toBe(0);
  });

  it('rejects an answer of the wrong kind, so that no verification succeeds by accident', async () => {
    const { hasher, workers } = fakeHasher();
    workers[0]?.ready();
    const verified = hasher.verify('x', digest, admission);
    workers[0]?.reply({ kind: 'hashed', digest });
    await expect(verified).rejects.toBeInstanceOf(HasherFailedError);
    const hashed = hasher.hash('x', admission);
    workers[0]?.reply({ kind: 'verified', matches: true });
    await expect(hashed).rejects.toBeInstanceOf(HasherFailedError);
  });

  it('replaces a child that runs one job for thirty seconds', () => {
    const { hasher, workers, clock } = fakeHasher();
    workers[0]?.ready();
    hasher.hash('password', admission).catch(() => {});
    clock.advance(29_999);
    expect(workers[0]?.kills).toBe(0);
    clock.advance(1);
    expect(workers[0]?.kills).toBe(1);
  });

  it('is warm once the one child that it starts without a password is ready', async () => {
    const { hasher, workers } = fakeHasher({ children: 2 });
    const warm = hasher.warm();
    expect(workers).toHaveLength(1);
    workers[0]?.ready();
    await expect(warm).resolves.toBeUndefined();
  });

  it('needs no child for the dummy digest', () => {
    const { startWorker, workers } = createFakeWorkers();
    const hasher = createHasher({ pepper: randomBytes(32), startWorker });
    expect(hasher.needsUpgrade(hasher.dummyDigest)).toBe(false);
    expect(workers).toHaveLength(0);
  });
});
