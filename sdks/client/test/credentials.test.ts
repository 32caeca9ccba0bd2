import { chmodSync, chownSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { newProofMaker } from '../../../tools/testing/fakes/dpop.ts';
import { testFolder } from '../../../tools/testing/test-folder.ts';
import { type DpopJwk, openCredentialStore } from '../src/credentials.ts';
import { createClient } from '../src/index.ts';

type Answer = () => Response;
const answer =
  (body: object | string, status = 200, headers: Record<string, string> = {}): Answer =>
  () =>
    new Response(typeof body === 'string' ? body : JSON.stringify(body), { status, headers });
const pair = (n: number) => ({ access_token: `access-${n}`, refresh_token: `refresh-${n}`, expires_in: 900 });
const lost: Answer = () => {
  throw new TypeError('fetch failed');
};
const ended = answer({ error: 'invalid_grant', code: 'session_ended' }, 400);
const away = answer({ error: 'temporarily_unavailable', code: 'store_unavailable' }, 503);

const folder = testFolder();
let files = 0;
const newPath = (): string => join(folder, `${++files}`, 'made/credentials');

/** A store whose API answers in this order, at a time that the test sets. */
function openAt(path: string, ...answers: Answer[]) {
  const clock = { now: 1_800_000_000 };
  const [sent, proofs, waits]: [(string | null)[], string[], number[]] = [[], [], []];
  const store = openCredentialStore({
    path,
    url: 'https://auth.example/',
    clientId: 'cli',
    lockTimeout: 1,
    now: () => clock.now,
    sleep: async (ms) => void waits.push(ms),
    fetch: async (_, init) => {
      proofs.push(new Headers(init?.headers).get('dpop') ?? '');
      sent.push(new URLSearchParams(String(init?.body)).get('refresh_token'));
      return (answers.shift() ?? lost)();
    },
  });
  return { store, clock, sent, proofs, waits, answers };
}
async function savedAt(path = newPath(), ...answers: Answer[]) {
  const opened = openAt(path, ...answers);
  await opened.store.save(pair(0));
  return { path, ...opened };
}
function changeFile(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}
const refusal = (code: string, reason?: string) => expect.objectContaining({ name: 'CredentialError', code, reason });

test('a token is replaced a minute before its end, and stays in use while the API gives none', async () => {
  const { store, clock, sent, answers } = await savedAt();
  expect([await store.accessToken(), sent]).toEqual(['access-0', []]);
  clock.now += 850;
  answers.push(away);
  // The second call is in the pause after a failure.
  expect([await store.accessToken(), await store.accessToken(), sent]).toEqual(['access-0', 'access-0', ['refresh-0']]);
  clock.now += 6;
  answers.push(answer(pair(1)));
  expect([await store.accessToken(), await store.accessToken()]).toEqual(['access-1', 'access-1']);
  expect(sent).toEqual(['refresh-0', 'refresh-0']);
});

test('without a usable token the API is asked three times, and by no process in the next five seconds', async () => {
  const busy = answer({ error: 'temporarily_unavailable', code: 'refresh_grace_spent' }, 429, { 'retry-after': '2' });
  const { path, store, clock, sent, waits, answers } = await savedAt(newPath(), lost, busy, answer('<h1>no</h1>', 502));
  clock.now += 901;
  const refused = refusal('server_unavailable');
  await expect(store.accessToken()).rejects.toEqual(refused);
  expect([sent.length, waits.length, waits[1]]).toEqual([3, 2, 2_000]);
  const other = openAt(path);
  other.clock.now = clock.now;
  await expect(other.store.accessToken()).rejects.toEqual(refused);
  expect(other.sent).toEqual([]);
  clock.now += 6;
  answers.push(answer({}, 503, { 'retry-after': '60' }));
  await expect(store.accessToken()).rejects.toEqual(refused);
  clock.now += 6;
  answers.push(answer(pair(1)));
  expect([await store.accessToken(), sent.length]).toEqual(['access-1', 5]);
});

test('a sign-in that the API has ended is over for every process, which asks no more and keeps no token', async () => {
  const { path, store, clock, sent } = await savedAt(newPath(), ended);
  const refused = refusal('sign_in_required', 'session_ended');
  clock.now += 850;
  await expect(store.accessToken()).rejects.toEqual(refused);
  const api = createClient({ url: 'https://auth.example', fetch: openAt(path).store.fetch });
  await expect(api('GET /oauth2/userinfo')).rejects.toEqual(refused);
  expect([sent.length, readFileSync(path, 'latin1').includes('refresh-0')]).toEqual([1, false]);
  await store.save(pair(2));
  const other = openAt(path);
  other.clock.now = clock.now;
  expect(await other.store.accessToken()).toBe('access-2');
  await store.forget();
  await expect(store.accessToken()).rejects.toEqual(refusal('sign_in_required'));
  expect(readFileSync(path, 'latin1')).not.toContain('refresh-2');
});

test('a client that the API refuses loses no sign-in, and finds none of another client', async () => {
  const refused = answer({ error: 'invalid_client', code: 'client_unauthenticated' }, 401);
  const { path, store, clock, answers } = await savedAt(newPath(), refused, refused);
  clock.now += 850;
  expect(await store.accessToken()).toBe('access-0');
  clock.now += 60;
  await expect(store.accessToken()).rejects.toEqual(refusal('refresh_refused', 'client_unauthenticated'));
  clock.now += 6;
  answers.push(answer({ access_token: 'access-1', expires_in: 60 }));
  expect(await store.accessToken()).toBe('access-1');
  clock.now += 50;
  answers.push(answer(pair(2)));
  expect(await store.accessToken()).toBe('access-2');
  const other = openCredentialStore({ path, url: 'https://auth.example', clientId: 'other' });
  await expect(other.accessToken()).rejects.toEqual(refusal('sign_in_required'));
});

test('callers of one process share one refresh, and a rejected token is replaced once', async () => {
  const { path, store, sent, answers } = await savedAt(newPath(), answer(pair(1)));
  const stores = [store, openAt(path).store];
  const tokens = await Promise.all(
    Array.from({ length: 20 }, (_, n) => stores[0]!.accessToken(n > 0 ? 'access-0' : undefined)),
  );
  expect(new Set(tokens.slice(1))).toEqual(new Set(['access-1']));
  expect([await stores[1]!.accessToken('access-0'), sent]).toEqual(['access-1', ['refresh-0']]);
  answers.push(ended);
  await expect(store.accessToken('access-1')).rejects.toEqual(refusal('sign_in_required', 'session_ended'));
});

test('a clock that was set back does not make a token last longer', async () => {
  const { store, clock } = await savedAt(newPath(), answer(pair(1)));
  clock.now -= 3_600;
  expect([await store.accessToken(), await store.accessToken()]).toEqual(['access-1', 'access-1']);
});

test('while another process has the lock a usable token is used, and an expired one waited for', async () => {
  const { path, store, clock, sent, waits } = await savedAt();
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  clock.now += 850;
  expect([await store.accessToken(), waits]).toEqual(['access-0', []]);
  clock.now += 60;
  for (const work of [() => store.accessToken(), () => store.save(pair(1))])
    await expect(work()).rejects.toEqual(refusal('store_busy'));
  expect(waits.length).toBeGreaterThan(10);
  other.close();
  expect(sent).toEqual([]);
});

test('a file or folder that others can read or change is refused', async () => {
  const { path, store } = await savedAt();
  expect([statSync(path).mode & 0o777, statSync(dirname(path)).mode & 0o777]).toEqual([0o600, 0o700]);
  for (const [place, exposed, safe] of [
    [path, 0o640, 0o600],
    [path, 0o604, 0o600],
    [dirname(path), 0o720, 0o700],
  ] as const) {
    chmodSync(place, exposed);
    await expect(store.accessToken()).rejects.toEqual(refusal('store_exposed'));
    chmodSync(place, safe);
    expect(await store.accessToken()).toBe('access-0');
  }
});

test.runIf(process.geteuid?.() === 0)('a file or folder that another user owns is refused', async () => {
  const { path, store } = await savedAt();
  for (const place of [path, dirname(path)]) {
    chownSync(place, 4_242, 0);
    await expect(store.accessToken()).rejects.toEqual(refusal('store_exposed'));
    chownSync(place, 0, 0);
    expect(await store.accessToken()).toBe('access-0');
  }
});

test.each([
  ['text', () => Buffer.from('tokens of another program\n'.repeat(99))],
  ['a half', (whole: Buffer) => whole.subarray(0, whole.length / 2)],
  ['a database of another program', 'PRAGMA application_id = 7'],
  ['a row that is no JSON', `UPDATE credentials SET entry = '{'`],
])('a file that is damaged (%s) is named as such, and not changed', async (_kind, damage) => {
  const { path, store } = await savedAt();
  if (typeof damage === 'string') changeFile(path, damage);
  else writeFileSync(path, damage(readFileSync(path)));
  const before = readFileSync(path);
  for (const work of [() => store.accessToken(), () => store.save(pair(1)), () => store.forget()])
    await expect(work()).rejects.toEqual(refusal('store_damaged'));
  expect(readFileSync(path).equals(before)).toBe(true);
});

test('the API is not asked while its answer could not be written', async () => {
  const { path, store, clock, sent } = await savedAt();
  changeFile(path, `CREATE TRIGGER full BEFORE INSERT ON credentials BEGIN SELECT RAISE(ABORT, 'full'); END`);
  clock.now += 901;
  await expect(store.accessToken()).rejects.toEqual(refusal('store_unavailable'));
  expect(sent).toEqual([]);
  await expect(openAt(join(path, 'below')).store.accessToken()).rejects.toEqual(refusal('store_unavailable'));
});

test('tokens without an end, or bound to a key that is missing or of another kind, are not saved', async () => {
  const { store } = openAt(newPath());
  const key = newProofMaker('EdDSA').privateKey.export({ format: 'jwk' }) as DpopJwk;
  await expect(store.save({ ...pair(1), expires_in: 0 })).rejects.toThrow('expires_in');
  await expect(store.save({ ...pair(1), token_type: 'DPoP' })).rejects.toThrow('need dpopJwk');
  await expect(store.save(pair(1), { dpopJwk: key })).rejects.toThrow('P-256');
});

test('a DPoP proof is made at the server’s time, with its nonce', async () => {
  const { store, clock, proofs, answers } = openAt(newPath());
  await store.save(pair(0), { dpopJwk: newProofMaker().privateKey.export({ format: 'jwk' }) as DpopJwk });
  const ahead = () => ({ date: new Date((clock.now + 600) * 1_000).toUTCString() });
  clock.now += 901;
  answers.push(answer({ error: 'invalid_dpop_proof' }, 400, ahead()));
  answers.push(answer({ error: 'use_dpop_nonce' }, 400, { ...ahead(), 'dpop-nonce': 'n' }), answer(pair(1)));
  expect(await store.accessToken()).toBe('access-1');
  const [first, second, third] = proofs.map((proof) => decodeJwt(proof));
  expect([second!.iat! - first!.iat!, third!.iat! - first!.iat!]).toEqual([600, 600]);
  expect([first!.nonce, second!.nonce, third!.nonce]).toEqual([undefined, undefined, 'n']);
  clock.now += 901;
  answers.push(answer({ error: 'invalid_dpop_proof', code: 'dpop_proof_invalid' }, 400, ahead()));
  await expect(store.accessToken()).rejects.toEqual(refusal('refresh_refused', 'dpop_proof_invalid'));
});
