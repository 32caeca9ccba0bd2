import { randomBytes } from 'node:crypto';
import { hashSync } from '@node-rs/bcrypt';
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
    expect(sent).toEqual([{ kind: 'ready', hashSeconds: expect.any(Number) }]);

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
    expect(sent[0]).toMatchObject({ kind: 'ready' });
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

  it('verifies the text as it was typed too, and with the key that a digest names', () => {
    const sent: FromChild[] = [];
    const serve = serveChild((message) => sent.push(message));
    serve({ kind: 'init', pepperBase64: randomBytes(32).toString('base64') });
    const halves = hashSync('½', 4);
    const [normal, typed] = ['½'.normalize('NFKC'), '½'];
    serve({ kind: 'verify', password: normal, typed, digest: halves });
    serve({ kind: 'verify', password: normal, digest: halves });
    const signerKey = 'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==';
    const hash = 'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==';
    const digest = `$fbscrypt$k=${'k'.repeat(22)},m=14,r=8,ss=Bw==$42xEC+ixf3L2lw==$${hash}`;
    serve({ kind: 'verify', password: 'user1password', digest, keyBase64: signerKey });
    serve({ kind: 'verify', password: 'user2password', digest, keyBase64: signerKey });
    expect(sent.slice(1)).toMatchObject([true, false, true, false].map((matches) => ({ kind: 'verified', matches })));
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
