import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CompactSign, exportJWK, generateKeyPair } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  createVerifier,
  type Verifier,
  type VerifierEvent,
  type VerifierOptions,
  writeFeedFile,
} from '../src/index.ts';
import { createFakeIssuer, type FakeIssuer } from '../src/testing.ts';

let folder: string;
let feedFile: string;
const open: { close(): void }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-feed-file-'));
  feedFile = join(folder, 'feed.json');
});
afterEach(() => {
  for (const one of open.splice(0)) one.close();
  rmSync(folder, { recursive: true, maxRetries: 5 });
});

/** Replaces the file as a writer does, with another stamp. */
async function replace(text: string): Promise<void> {
  await writeFile(`${feedFile}.other`, text);
  await rename(`${feedFile}.other`, feedFile);
}

/** A verifier that has no client and no way to the API. */
function verifierOf({ options }: FakeIssuer, changes: Partial<VerifierOptions> = {}) {
  const events: VerifierEvent[] = [];
  const { issuer, audience, algorithms, now } = options;
  const verifier = createVerifier({
    ...{ issuer, audience, algorithms, now, feed: 'file', feedFile, feedInterval: 0.05 },
    fetch: () => {
      throw new Error('a verifier of a file asked the API');
    },
    onEvent: (event) => events.push(event),
    ...changes,
  });
  open.push(verifier);
  const failures = (): string[] =>
    events.flatMap((event) => (event.type === 'feed_failed' ? [event.error.message] : []));
  return { verifier, failures };
}

async function written(issuer: FakeIssuer): Promise<void> {
  const writer = writeFeedFile({ ...issuer.options, feedFile, feedInterval: 0.05 });
  open.push(writer);
  await writer.ready();
}

const codeOf = async (verifier: Verifier, token: string): Promise<string> => (await verifier.verify(token)).code;

describe('the writer and its verifiers', () => {
  test('a verifier that starts while the API is down accepts and refuses tokens by the file', async () => {
    const issuer = await createFakeIssuer();
    const [token, revoked] = [await issuer.mint(), await issuer.mint()];
    await issuer.revoke(revoked);
    await written(issuer);
    issuer.goStale();
    const { verifier } = verifierOf(issuer);
    await verifier.ready();
    expect(await codeOf(verifier, token)).toBe('active');
    expect(await codeOf(verifier, revoked)).toBe('revoked');
    expect(await codeOf(verifier, await issuer.mint({}, { kid: 'made-up' }))).toBe('unknown_key');
    issuer.advance(63);
    expect(await verifier.verify(token)).toMatchObject({ code: 'revocation_state_stale', status: 503 });
  });

  test('a revocation reaches a running verifier within a second, also for a token in its cache', async () => {
    const issuer = await createFakeIssuer();
    const [token, other] = [await issuer.mint(), await issuer.mint()];
    await written(issuer);
    const { verifier } = verifierOf(issuer);
    for (const one of [token, other]) expect(await codeOf(verifier, one)).toBe('active');
    await issuer.revoke(token);
    const revokedAtMs = performance.now();
    await expect.poll(() => codeOf(verifier, token), { interval: 10 }).toBe('revoked');
    expect(performance.now() - revokedAtMs).toBeLessThan(1_000);
    expect(await codeOf(verifier, other)).toBe('active');
  });

  test('the file can be read by its owner and group only, and contains no secret of the client', async () => {
    const issuer = await createFakeIssuer();
    await written(issuer);
    expect((await stat(feedFile)).mode & 0o137).toBe(0);
    expect(await readFile(feedFile, 'utf8')).not.toContain(issuer.options.clientSecret);
  });

  test('after keys were rotated and retired, and in another incarnation, a new verifier reads the whole file', async () => {
    const issuer = await createFakeIssuer();
    const first = await issuer.rotate();
    const revoked = await issuer.mint();
    await issuer.revoke(revoked);
    await written(issuer);
    const running = verifierOf(issuer).verifier;
    expect(await codeOf(running, revoked)).toBe('revoked');
    const second = await issuer.rotate();
    const again = await issuer.mint();
    await issuer.revoke(again);
    await expect.poll(() => codeOf(running, again)).toBe('revoked');
    issuer.retire(first);
    // The key set is due; the writer then reads the feed again, signed by keys that are still published.
    issuer.advance(301);
    await expect.poll(async () => readFile(feedFile, 'utf8')).not.toContain(first);
    const late = verifierOf(issuer).verifier;
    await expect.poll(() => codeOf(late, again)).toBe('revoked');
    await expect.poll(() => codeOf(running, again)).toBe('revoked');
    expect(await readFile(feedFile, 'utf8')).toContain(second);
    issuer.advance(1);
    await issuer.restore();
    const token = await issuer.mint({ sub: 'ada' });
    await expect.poll(() => codeOf(running, again)).toBe('active');
    expect(await codeOf(verifierOf(issuer).verifier, token)).toBe('active');
  });

  test('keys that the writer cannot renew do not become new by the file', async () => {
    const issuer = await createFakeIssuer();
    let isKeySetDown = false;
    const writer = writeFeedFile({
      ...{ ...issuer.options, feedFile, feedInterval: 0.05 },
      fetch: async (input, init) =>
        isKeySetDown && String(input).endsWith('jwks.json')
          ? new Response(null, { status: 500 })
          : issuer.fetch(input, init),
    });
    open.push(writer);
    await writer.ready();
    const { verifier } = verifierOf(issuer);
    expect(await codeOf(verifier, await issuer.mint())).toBe('active');
    isKeySetDown = true;
    issuer.advance(361);
    const token = await issuer.mint();
    for (let time = 0; time < 10; time += 1) {
      await new Promise((done) => setTimeout(done, 50));
      expect((await verifier.verify(token)).ok).toBe(false);
    }
    isKeySetDown = false;
    issuer.advance(31);
    await expect.poll(async () => codeOf(verifier, await issuer.mint())).toBe('active');
  });

  test('a writer that cannot reach the API says so, and leaves the last file', async () => {
    const issuer = await createFakeIssuer();
    await written(issuer);
    const before = await readFile(feedFile, 'utf8');
    for (const one of open.splice(0)) one.close();
    issuer.goStale();
    const writer = writeFeedFile({ ...issuer.options, feedFile, feedInterval: 0.05 });
    open.push(writer);
    await expect(writer.ready()).rejects.toThrow('could not be written');
    expect(await readFile(feedFile, 'utf8')).toBe(before);
  });
});

/** A file whose answers the test signs. */
async function forgery() {
  const issuer = await createFakeIssuer();
  const pair = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'feed', alg: 'ES256', use: 'sig' };
  const incarnation = crypto.randomUUID();
  const now = (): number => (issuer.options.now as () => number)() / 1_000;
  const sign = (changes: object, key = pair.privateKey): Promise<string> => {
    const body = {
      ...{ iss: issuer.options.issuer, incarnation, epoch: 10, since: 0, issued_at: now() },
      ...{ max_staleness_s: 2, complete: true, entries: [] },
      ...changes,
    };
    return new CompactSign(new TextEncoder().encode(JSON.stringify(body)))
      .setProtectedHeader({ alg: 'ES256', kid: 'feed', typ: 'revocations+jwt' })
      .sign(key);
  };
  const fileOf = (answers: readonly string[], keys: readonly unknown[] = [jwk]): string =>
    JSON.stringify({ jwks: { keys }, answers });
  return { issuer, pair, jwk, sign, fileOf };
}

const entry = (epoch: number, value: string) => ({ epoch, kind: 'jti', value, expires_at: 4_000_000_000 });

describe('a damaged or forged file is refused: what was read before stays, and a new verifier answers 503', () => {
  test('damaged, truncated, replayed, of an older epoch, of another incarnation, by another key', async () => {
    const { issuer, pair, jwk, sign, fileOf } = await forgery();
    const part = await sign({ epoch: 5, complete: false, entries: [entry(5, 'a')] });
    const last = await sign({ since: 5, entries: [entry(10, 'b')] });
    const good = fileOf([part, last]);
    const other = await generateKeyPair('ES256');
    const forged: Readonly<Record<string, string>> = {
      empty: '',
      'cut off': good.slice(0, good.length / 2),
      'without answers': JSON.stringify({ jwks: { keys: [jwk] } }),
      'answers that are no texts': JSON.stringify({ jwks: { keys: [jwk] }, answers: [1] }),
      'without keys': JSON.stringify({ answers: [part, last] }),
      'a private key': fileOf([part, last], [{ ...(await exportJWK(pair.privateKey)), kid: 'feed', alg: 'ES256' }]),
      'by another key': fileOf([await sign({ epoch: 11, entries: [entry(11, 'c')] }, other.privateKey)]),
      'of an older epoch': fileOf([await sign({ epoch: 9 })]),
      'of another incarnation, and older': fileOf([
        await sign({ incarnation: crypto.randomUUID(), issued_at: Date.now() / 1_000 - 4 }),
      ]),
      'that leaves out its first answer': fileOf([await sign({ since: 11, epoch: 12 })]),
      'long ago': fileOf([await sign({ epoch: 11, issued_at: Date.now() / 1_000 - 3_600 })]),
    };
    await replace(good);
    const { verifier, failures } = verifierOf(issuer, { feedInterval: 60 });
    await verifier.ready();
    const state = { epoch: 10, revocations: 2 };
    expect(verifier.state()).toMatchObject(state);
    for (const [name, text] of Object.entries(forged)) {
      await replace(text);
      const count = failures().length;
      await verifier.refresh();
      expect([name, failures().length]).toEqual([name, count + 1]);
      expect([name, verifier.state()]).toMatchObject([name, state]);
    }
    for (const name of ['empty', 'cut off', 'a private key', 'by another key', 'long ago', 'without keys']) {
      await replace(forged[name] as string);
      const cold = verifierOf(issuer, { feedInterval: 60 }).verifier;
      expect([name, (await cold.verify(await issuer.mint())).ok]).toEqual([name, false]);
      expect([name, cold.state().fresh]).toEqual([name, false]);
    }
    rmSync(feedFile);
    await verifier.refresh();
    expect(failures().at(-1)).toContain('ENOENT');
    expect(verifier.state()).toMatchObject(state);
  });

  test('a file that was read again from its start, in parts, is taken by a running verifier', async () => {
    const { issuer, sign, fileOf } = await forgery();
    await replace(fileOf([await sign({ entries: [entry(10, 'a')] })]));
    const { verifier, failures } = verifierOf(issuer, { feedInterval: 60 });
    await verifier.ready();
    const part = await sign({ epoch: 5, complete: false });
    await replace(fileOf([part, await sign({ since: 5, epoch: 11, entries: [entry(10, 'a'), entry(11, 'b')] })]));
    expect(await verifier.refresh()).toBe(true);
    expect(failures()).toEqual([]);
    expect(verifier.state()).toMatchObject({ epoch: 11, revocations: 2, fresh: true });
  });

  test('only the last answer tells how recent the file is', async () => {
    const { issuer, sign, fileOf } = await forgery();
    const old = await sign({ issued_at: Date.now() / 1_000 - 86_400, entries: [entry(10, 'a')] });
    await replace(fileOf([old]));
    expect((await verifierOf(issuer).verifier.verify(await issuer.mint())).code).toBe('revocation_state_stale');
    await replace(fileOf([old, await sign({ since: 10 })]));
    const { verifier } = verifierOf(issuer);
    await verifier.ready();
    expect(verifier.state()).toMatchObject({ epoch: 10, revocations: 1, fresh: true });
  });
});
