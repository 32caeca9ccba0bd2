import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { FromChild } from './protocol.ts';
import { hashPassword, verifyPassword } from './schemes.ts';
import { serveChild } from './serve-child.ts';

describe('serveChild', () => {
  it('proves that it can hash before it says that it is ready, then answers with the pepper it was given', () => {
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
    expect(hashed?.kind === 'hashed' && verifyPassword(long, hashed.digest, pepper)).toBe(true);
    serve({ kind: 'verify', password: long, digest: hashPassword(long, pepper) });
    expect(sent[2]).toEqual({ kind: 'verified', matches: true });
  });

  it('says no more than that it failed when a request makes it throw', () => {
    const sent: FromChild[] = [];
    serveChild((message) => sent.push(message))({ kind: 'verify', password: 'secret', digest: 'no digest' });
    expect(sent).toEqual([{ kind: 'failed' }]);
  });
});
