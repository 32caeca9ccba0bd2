import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type Arrived,
  type HandoffHarness,
  ISSUER,
  openHandoffHarness,
} from '#services/wings/outbound/handoff/handoff-harness.ts';
import { opened } from '#tools/testing/opened.ts';
import { createMemoryStore, type EventStore, type PushedEvent } from './event-receiver/event-store.ts';
import { createEventReceiver } from './event-receiver/receiver.ts';

/** Serves the key set, as the API does. */
let keys: Server;
let api: string;
let fetches = 0;
/** The key set that is published; null: the API is down. */
let published: (() => string) | null;
/** The path at which the key set is instead, if any. */
let movedTo: string | undefined;
const done: { readonly seq: number; readonly subject: string; readonly isLate: boolean }[] = [];
let isBroken = false;
let store: EventStore;

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

const harness = opened(openHandoffHarness);
beforeAll(async () => {
  keys = createServer((request, response) => {
    fetches += 1;
    if (movedTo !== undefined && request.url !== movedTo) response.writeHead(302, { location: movedTo });
    else if (published === null) response.writeHead(503);
    response.end(published?.());
  });
  await new Promise<void>((listening) => keys.listen(0, '127.0.0.1', listening));
  api = `http://127.0.0.1:${portOf(keys)}`;
});
afterAll(() => keys?.close());
beforeEach(async () => {
  await harness.reset();
  done.length = 0;
  isBroken = false;
  movedTo = undefined;
  published = () => harness.keyRing.jwks().body;
  store = createMemoryStore(({ data, subject }, isLate) => {
    if (isBroken) throw new Error('the database of the receiver is down');
    done.push({ seq: data.seq, subject, isLate });
  });
  harness.listenWith(receiver());
});

afterEach(() => void vi.useRealTimers());

const receiver = (issuer = ISSUER) => createEventReceiver({ api, issuer, url: harness.url, store });
const seqs = (): number[] => done.map(({ seq }) => seq);

describe('a receiver', () => {
  test('acts on every event once, in the order of each subject', async () => {
    const sent = await harness.events('ada', 'bob', 'ada', 'bob', 'ada');
    await harness.run();
    expect(seqs().sort((a, b) => a - b)).toEqual(sent);
    for (const user of ['user:ada', 'user:bob']) {
      const own = done.filter(({ subject }) => subject === user).map(({ seq }) => seq);
      expect(own).toEqual(own.toSorted((a, b) => a - b));
    }
    expect(done.filter(({ isLate }) => isLate)).toEqual([]);
  });

  test('whose answer is lost gets the event again, and acts on it once', async () => {
    const listener = receiver();
    let losses = 0;
    harness.listenWith((request, response) => {
      const end = response.end.bind(response);
      response.end = ((...args: []) => {
        if (losses++ > 1) return end(...args);
        response.destroy();
        return response;
      }) as typeof response.end;
      listener(request, response);
    });
    const [seq] = await harness.events('ada');
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await harness.run();
      await harness.pass(30);
    }
    expect([losses, seqs()]).toEqual([3, [seq]]);
    expect(await harness.rows()).toEqual([]);
  });

  test('that could not store an event gets it again', async () => {
    isBroken = true;
    const [seq] = await harness.events('ada');
    await harness.run();
    expect(await harness.rows()).toMatchObject([{ failure: 'http_503' }]);
    isBroken = false;
    await harness.pass(10);
    await harness.run();
    expect(seqs()).toEqual([seq]);
  });

  test('recognises a replayed dead letter as late, and as repeated if it had it', async () => {
    const [first, second] = await harness.events('ada', 'ada');
    const event = (seq: number): PushedEvent => ({
      id: `e${seq}`,
      source: ISSUER,
      type: 'user.login',
      subject: 'user:ada',
      time: '',
      data: { seq, outcome: 'ok', trace_id: null },
    });
    expect(await store.add(event(second as number))).toBe('new');
    expect(await store.add(event(first as number))).toBe('late');
    const again = [store.add(event(first as number)), store.add(event(second as number))];
    expect(await Promise.all(again)).toEqual(['repeated', 'repeated']);
    expect(seqs()).toEqual([second, first]);
  });
});

describe('a receiver refuses', () => {
  /** The request that a worker sent, as it arrived. A busy database may fail an attempt before it is sent. */
  async function sentOnce(changes?: Parameters<HandoffHarness['run']>[0]): Promise<Arrived> {
    harness.answerWith(() => 204);
    const before = harness.arrived.length;
    await harness.events('ada');
    for (; harness.arrived.length === before; await harness.pass(10)) await harness.run(changes);
    harness.listenWith(receiver());
    return harness.arrived.at(-1) as Arrived;
  }
  const KEPT = ['content-type', 'content-digest', 'idempotency-key', 'signature-input', 'signature'];
  async function post({ headers, body }: Arrived, changes: Record<string, string> = {}, path = ''): Promise<number> {
    const kept = Object.fromEntries(KEPT.map((name) => [name, headers[name] as string]));
    const answer = await fetch(harness.url + path, { method: 'POST', headers: { ...kept, ...changes }, body });
    return answer.status;
  }
  const digestOf = (body: string) => `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;

  test('forgery: an altered body, id, type or signature, and accepts the request that was not altered', async () => {
    const one = await sentOnce();
    const body = one.body.replace('user:ada', 'user:eve');
    const [input, signature] = [one.headers['signature-input'] as string, one.headers.signature as string];
    expect(body).not.toBe(one.body);
    const refused = [
      await post({ ...one, body }),
      await post({ ...one, body }, { 'content-digest': digestOf(body) }),
      await post(one, { 'idempotency-key': '"another"' }),
      await post(one, { 'content-type': 'application/json' }),
      await post(one, { signature: signature.replace(/:.{8}/, ':AAAAAAAA') }),
      await post(one, { signature: '' }),
      await post(one, { 'signature-input': input.replace(/expires=\d+/, 'expires=9999999999') }),
      await post(one, { 'signature-input': input.replace('"idempotency-key"', '"date"') }),
      await post(one, { 'signature-input': input.replace(/keyid="[^"]+"/, 'keyid="unknown"') }),
      await post(one, { 'signature-input': input.replace(/alg="[^"]+"/, 'alg="hmac-sha256"') }),
      await post(one, { 'signature-input': `${input}, ${input}` }),
    ];
    expect(refused).toEqual(Array(refused.length).fill(401));
    expect(done).toEqual([]);
    expect(await post(one)).toBe(204);
    expect(await post(one)).toBe(204);
    expect(done).toHaveLength(1);
  });

  test('forgery: a signature of another key under the id of a published one', async () => {
    const one = await sentOnce();
    const { privateKey } = generateKeyPairSync('ed25519');
    const params = (one.headers['signature-input'] as string).replace('sallyport=', '');
    const base = [
      '"@method": POST',
      `"@target-uri": ${harness.url}`,
      ...['content-type', 'content-digest', 'idempotency-key'].map((name) => `"${name}": ${one.headers[name]}`),
      `"@signature-params": ${params}`,
    ].join('\n');
    const signature = `sallyport=:${sign(null, Buffer.from(base), privateKey).toString('base64')}:`;
    expect(await post(one, { signature })).toBe(401);
    expect(done).toEqual([]);
  });

  test('replay: a request that was sent to another receiver, by another installation, or long ago', async () => {
    const one = await sentOnce();
    harness.listenWith(createEventReceiver({ api, issuer: ISSUER, url: `${harness.url}/mine`, store }));
    expect(await post(one)).toBe(401);
    harness.listenWith(receiver('https://other.example.test'));
    expect(await post(one)).toBe(401);
    const clock = { ...harness.log.clock, now: () => Date.now() - 3_600_000 };
    expect(await post(await sentOnce({ clock }))).toBe(401);
    expect(done).toEqual([]);
  });

  test('forgery: a key that leaked, five minutes after it was withdrawn; and every key while none can be fetched', async () => {
    const one = await sentOnce();
    vi.useFakeTimers({ toFake: ['performance'] });
    expect(await post(one)).toBe(204);
    published = () => '{"keys":[]}';
    vi.advanceTimersByTime(299_000);
    expect(await post(one)).toBe(204);
    vi.advanceTimersByTime(1_000);
    expect(await post(one)).toBe(401);
    published = null;
    vi.advanceTimersByTime(300_000);
    expect([await post(one), await post(one)]).toEqual([503, 503]);
    published = () => harness.keyRing.jwks().body;
    vi.advanceTimersByTime(10_000);
    expect(await post(one)).toBe(204);
    expect(done).toHaveLength(1);
  });

  test('forgery: keys of another address, to which the API redirects', async () => {
    const one = await sentOnce();
    movedTo = '/keys-of-an-attacker';
    expect(await post(one)).toBe(503);
    movedTo = undefined;
    harness.listenWith(receiver());
    expect(await post(one)).toBe(204);
  });

  test('denial of service: a body without end; and unknown keys make it fetch the key set once', async () => {
    const one = await sentOnce();
    expect(await post({ ...one, body: 'x'.repeat(100_000) })).toBe(413);
    const before = fetches;
    const unknown = (n: number) => ({
      'signature-input': (one.headers['signature-input'] as string).replace(/keyid="[^"]+"/, `keyid="unknown-${n}"`),
    });
    const answers = await Promise.all([1, 2, 3, 4, 5].map((n) => post(one, unknown(n))));
    expect(answers).toEqual(Array(5).fill(401));
    expect(fetches - before).toBeLessThanOrEqual(1);
  });
});
