import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { FromChild } from './protocol.ts';
import { hashPassword, verifyPassword } from './schemes.ts';
import { serveChild } from './serve-child.ts';

describe('serveChild', () => {
  it('hashes once before it reports ready, then answers with the pepper it received', () => {
    const sent: FromChild[] = [];
    const pepper = randomBytes(32);
    const serve = serveChild((message) => sent.push(message));
    serve({ kind: 'init', pepperBase64: pepper.toString('base64') });
    expect(sent).toEqual([
      { kind: 'ready', dummyDigest: expect.stringMatching(/^\$2b\$12\$/), hashSeconds: expect.any(Number) },
    ]);

    const long = 'x'.repeat(100);
    serve({ kind: 'hash', password: long });
    const hashed = sent[1];
    // A hash of cost 12 takes a good part of a second of any processor.
    expect(hashed?.kind === 'hashed' && hashed.processorSeconds).toBeGreaterThan(0.01);
    expect(hashed?.kind === 'hashed' && verifyPassword(long, hashed.digest, pepper)).toBe(true);
    serve({ kind: 'verify', password: long, digest: hashPassword(long, pepper) });
    expect(sent[2]).toMatchObject({ kind: 'verified', matches: true });
  });

  it('verifies digests of other kinds, and makes new ones with the algorithm it received', () => {
    const sent: FromChild[] = [];
    const serve = serveChild((message) => sent.push(message));
    serve({ kind: 'init', pepperBase64: randomBytes(32).toString('base64'), algorithm: 'argon2id' });
    expect(sent[0]).toMatchObject({ kind: 'ready', dummyDigest: expect.stringMatching(/^\$argon2id\$/) });
    const django = 'pbkdf2_sha256$20000$Q2hhcmxpZTEy$ZyEWMavgIZKHBBFHf7c68knqkXkhxQCVXD3lmA61ZXw=';
    serve({ kind: 'verify', password: 'imported password', digest: django });
    serve({ kind: 'verify', password: 'another', digest: django });
    serve({ kind: 'hash', password: 'new' });
    expect(sent.slice(1)).toMatchObject([
      { kind: 'verified', matches: true },
      { kind: 'verified', matches: false },
      { kind: 'hashed', digest: expect.stringMatching(/^\$argon2id\$v=19\$m=65536,t=3,p=1\$/) },
    ]);
  });

  it('fails a request that comes before its pepper', () => {
    const sent: FromChild[] = [];
    serveChild((message) => sent.push(message))({ kind: 'hash', password: 'secret' });
    expect(sent).toEqual([{ kind: 'failed', processorSeconds: expect.any(Number) }]);
  });

  it('reports a request that throws as failed, without details', () => {
    const sent: FromChild[] = [];
    const serve = serveChild((message) => sent.push(message));
    serve({ kind: 'init', pepperBase64: randomBytes(32).toString('base64') });
    serve({ kind: 'verify', password: 'secret', digest: 'no digest' });
    expect(sent[1]).toEqual({ kind: 'failed', processorSeconds: expect.any(Number) });
  });
});
