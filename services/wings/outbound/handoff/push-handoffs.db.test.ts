import { createHash, createPublicKey, verify } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { sealEvents } from '#services/core/audit/seal/seal-events.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { handoffDeliveryPurge, handoffEndpointPurge } from './handoff.store.ts';
import {
  type Arrived,
  eventOf,
  type HandoffHarness,
  ISSUER,
  NAME,
  openHandoffHarness,
  TYPE,
} from './handoff-harness.ts';
import { WAITING_MAX } from './plan-deliveries.ts';

const harness = opened(openHandoffHarness);
beforeEach(() => harness.reset());

const givenUp = () =>
  harness.log.raw<{ detail: { seq: number } }>`SELECT detail FROM audit_outbox WHERE type = 'handoff.given_up'`;

/** The signature base (RFC 9421 §2.5), made from the request as a receiver sees it. */
function verifiesHere({ headers, url }: Arrived, target = new URL(url, harness.url).href): boolean {
  const params = (headers['signature-input'] as string).replace(/^sallyport=/, '');
  const [, list = '', kid] = /^\(([^)]*)\).*;keyid="([^"]+)"/.exec(params) ?? [];
  const values: Record<string, unknown> = { ...headers, '@method': 'POST', '@target-uri': target };
  const lines = list.split(' ').map((name) => `${name}: ${values[name.slice(1, -1)]}`);
  const jwk = JSON.parse(harness.keyRing.jwks().body).keys.find((key: { kid: string }) => key.kid === kid);
  const signature = Buffer.from((headers.signature as string).slice('sallyport=:'.length, -1), 'base64');
  const base = [...lines, `"@signature-params": ${params}`].join('\n');
  return verify(null, Buffer.from(base), createPublicKey({ key: jwk, format: 'jwk' }), signature);
}

describe('a sealed event', () => {
  test('is pushed once, as a CloudEvent whose method, URL, body and id the issuer’s key has signed', async () => {
    const [seq] = await harness.events('ada');
    await harness.run();
    await harness.run();
    expect(harness.arrived).toHaveLength(1);
    const [one] = harness.arrived as [Arrived];
    expect(eventOf(one)).toEqual({
      specversion: '1.0',
      id: expect.stringMatching(/^[\da-f-]{36}$/),
      source: ISSUER,
      type: TYPE,
      subject: 'user:ada',
      time: expect.stringMatching(/Z$/),
      datacontenttype: 'application/json',
      data: { seq, outcome: 'ok', trace_id: null },
    });
    expect(one.headers).toMatchObject({
      'content-type': 'application/cloudevents+json',
      'content-digest': `sha-256=:${createHash('sha256').update(one.body).digest('base64')}:`,
      'idempotency-key': `"${eventOf(one).id}"`,
      'signature-input': expect.stringContaining('("@method" "@target-uri" "content-type" "content-digest"'),
    });
    expect([verifiesHere(one), verifiesHere(one, `${harness.url}/elsewhere`)]).toEqual([true, false]);
    expect(await harness.rows()).toEqual([]);
  });

  test('is not pushed before it is sealed, if its type is not configured, or if it is older than the endpoint', async () => {
    await harness.log.raw`DELETE FROM handoff_endpoints`;
    await harness.events('old');
    await harness.run();
    await harness.log.emit(1, { type: 'user.deleted', userId: 'ada' });
    await sealEvents(harness.log, {}, testCaller);
    await harness.log.emit(1, { type: TYPE, userId: 'unsealed' });
    await harness.run();
    expect(harness.arrived).toEqual([]);
    await sealEvents(harness.log, {}, testCaller);
    await harness.run();
    expect(harness.arrived.map((one) => eventOf(one).subject)).toEqual(['user:unsealed']);
  });

  test('is the cursor’s work alone: recording and sealing it writes no row of the hand-off', async () => {
    const endpoints = await harness.log.raw`SELECT * FROM handoff_endpoints`;
    await harness.events('ada', 'bob');
    expect(await harness.rows()).toEqual([]);
    expect(await harness.log.raw`SELECT * FROM handoff_endpoints`).toEqual(endpoints);
  });
});

describe('order', () => {
  test('each subject has one event in flight, in the order of the log; subjects do not wait for each other', async () => {
    const users = ['a', 'b', 'c', 'a', 'b', 'c', 'a', 'b', 'c'];
    const sent = await harness.events(...users);
    const inFlight = new Map<string, number>();
    let [most, mostOfOne] = [0, 0];
    const total = (): number => [...inFlight.values()].reduce((sum, each) => sum + each, 0);
    harness.answerWith(async (one) => {
      const { subject } = eventOf(one);
      inFlight.set(subject, (inFlight.get(subject) ?? 0) + 1);
      mostOfOne = Math.max(mostOfOne, inFlight.get(subject) as number);
      most = Math.max(most, total());
      await new Promise((done) => setTimeout(done, 20));
      inFlight.set(subject, (inFlight.get(subject) as number) - 1);
      return 204;
    });
    await harness.run();
    expect(harness.seqs().sort((a, b) => a - b)).toEqual(sent);
    expect([most > 1, mostOfOne]).toEqual([true, 1]);
    for (const user of ['a', 'b', 'c']) {
      const own = harness.arrived.map(eventOf).filter(({ subject }) => subject === `user:${user}`);
      const order = own.map(({ data }) => data.seq);
      expect(order).toEqual(order.toSorted((a, b) => a - b));
    }
  });

  test('a replayed event is not sent while a later one of its subject is in flight', async () => {
    const [first] = await harness.events('ada', 'ada');
    harness.answerWith((one) => (eventOf(one).data.seq === first ? 400 : 204));
    await harness.run();
    await harness.log.raw`UPDATE handoff_deliveries SET next_attempt_at = NULL WHERE seq = ${first}`;
    harness.arrived.length = 0;
    harness.answerWith(async () => {
      if (harness.arrived.length > 1) return 204;
      await harness.log
        .raw`UPDATE handoff_deliveries SET next_attempt_at = clock_timestamp(), attempts = 0 WHERE seq = ${first}`;
      // Supersedes this run: what it takes would be sent while this request is open.
      expect(await harness.run()).toEqual({ taken: 0 });
      return 204;
    });
    await harness.run().catch(() => {});
    expect(harness.arrived).toHaveLength(1);
    await harness.run();
    expect(harness.seqs().at(-1)).toBe(first);
    expect(await harness.rows()).toEqual([]);
  });
});

describe('a failed attempt', () => {
  test.each([
    ['an error status', () => 503, 'http_503'],
    ['a status about the endpoint', () => 401, 'http_401'],
    ['a redirect', () => 302, 'redirected'],
    [
      'a lost answer',
      (_one: Arrived, response: { destroy(): unknown }) => void response.destroy(),
      expect.stringMatching(/^(ECONNRESET|not_answered)$/),
    ],
  ])('with %s is repeated after a pause', async (_what, answer, failure) => {
    await harness.events('ada');
    harness.answerWith(answer as Parameters<HandoffHarness['answerWith']>[0]);
    await harness.run();
    expect(await harness.rows()).toMatchObject([{ attempts: 1, failure }]);
    await harness.run();
    expect(harness.arrived).toHaveLength(1);
    harness.answerWith(() => 200);
    await harness.pass(3);
    await harness.run();
    expect([harness.arrived.length, await harness.rows()]).toEqual([2, []]);
  });

  test('of a run that stops is left to the next run', async () => {
    await harness.events('ada');
    expect(await harness.run({}, AbortSignal.abort())).toEqual({ taken: 0 });
    expect(harness.arrived).toEqual([]);
    await harness.run();
    expect(harness.arrived).toHaveLength(1);
  });
});

describe('an endpoint that is down for ten minutes', () => {
  test('gets at most one request at a time and a minute, and then every event once and in order', async () => {
    const sent = await harness.events(...Array.from({ length: 40 }, (_, n) => `u${n % 8}`));
    harness.answerWith(() => 503);
    const attemptsPerMinute: number[] = [];
    for (let minute = 0; minute < 10; minute += 1) {
      const before = harness.arrived.length;
      for (let step = 0; step < 6; step += 1) {
        await harness.run();
        await harness.pass(10);
      }
      attemptsPerMinute.push(harness.arrived.length - before);
    }
    // Jittered: a pause of a minute is at least 45 seconds long.
    for (const attempts of attemptsPerMinute.slice(2)) expect(attempts).toBeLessThanOrEqual(2);
    // One of each user; the later ones wait in the log.
    expect(await harness.rows()).toHaveLength(8);
    harness.arrived.length = 0;
    harness.answerWith(() => 204);
    await harness.pass(75);
    await harness.run();
    expect(harness.seqs().sort((a, b) => a - b)).toEqual(sent);
    for (const user of new Set(harness.arrived.map((one) => eventOf(one).subject))) {
      const order = harness.arrived.map(eventOf).filter(({ subject }) => subject === user);
      expect(order.map(({ data }) => data.seq)).toEqual(order.map(({ data }) => data.seq).toSorted((a, b) => a - b));
    }
    expect(await harness.rows()).toEqual([]);
    expect((await givenUp()).filter(({ detail }) => sent.includes(detail.seq))).toEqual([]);
  });

  test('does not delay another endpoint', async () => {
    const endpoints = [
      { name: NAME, url: harness.url },
      { name: 'other', url: harness.url.replace('/events', '/other') },
    ];
    const { handoff } = harness.ports;
    const run = () => harness.run({ handoff: { ...handoff, endpoints } });
    await run();
    await harness.events('ada', 'ada');
    harness.answerWith(({ url }) => (url === '/other' ? 204 : 503));
    await run();
    expect(harness.arrived.filter(({ url }) => url === '/other')).toHaveLength(2);
  });

  test('has at most 1,000 rows: later events wait in the log and are read when there is room', async () => {
    for (let user = 0; user < WAITING_MAX + 30; user += 1)
      await harness.log.emit(1, { type: TYPE, userId: `u${user}` });
    await sealEvents(harness.log, {}, testCaller);
    harness.answerWith(() => 503);
    for (let n = 0; n < 7; n += 1) {
      await harness.run();
      await harness.pass(600);
    }
    expect(await harness.rows()).toHaveLength(WAITING_MAX);
    await harness.log.raw`DELETE FROM handoff_deliveries`;
    await harness.pass(600);
    await harness.run();
    expect(await harness.rows()).toHaveLength(30);
  });
});

describe('an event that is given up', () => {
  test('was refused six times; later events of its subject follow, and the audit log has it', async () => {
    const [first, second] = await harness.events('ada', 'ada');
    harness.answerWith((one) => (eventOf(one).data.seq === first ? 422 : 204));
    for (let attempt = 0; attempt < 8; attempt += 1) {
      await harness.run();
      await harness.pass(600);
    }
    expect(harness.seqs()).toEqual([...Array(6).fill(first), second]);
    expect(await harness.rows()).toMatchObject([{ seq: first, attempts: 6, failure: 'http_422', due: null }]);
    expect(await givenUp()).toContainEqual({ detail: { endpoint: NAME, seq: first, code: 'http_422', attempts: 6 } });
  });

  test('is removed after two weeks, and so is an endpoint that is no longer configured', async () => {
    await harness.events('ada');
    harness.answerWith(() => 503);
    await harness.run();
    const removed = async () => {
      const counts = [];
      for (const purge of [handoffDeliveryPurge, handoffEndpointPurge])
        counts.push((await harness.log.transact((tx) => purge.removeBatch(tx, 10, '-infinity'))).removed);
      return counts;
    };
    expect(await removed()).toEqual([0, 0]);
    await harness.pass(15 * 86_400);
    await harness.log.raw`UPDATE handoff_endpoints SET followed_at = now() - interval '15 days'`;
    expect(await removed()).toEqual([1, 1]);
  });
});

test('concurrent runs send an event once', async () => {
  const sent = await harness.events(...Array.from({ length: 40 }, (_, n) => `u${n}`));
  // The older of two concurrent runs is superseded between two batches.
  await Promise.allSettled([harness.run(), harness.run()]);
  await harness.run();
  expect(harness.seqs().sort((a, b) => a - b)).toEqual(sent);
  expect(await harness.rows()).toEqual([]);
});

describe('an endpoint that fails for the events of one subject', () => {
  const subjectsOf = () => harness.arrived.map((one) => eventOf(one).subject);
  const parked = () => harness.log.raw`SELECT after_seq FROM handoff_parked`;

  test('gets those of others, however many of the subject wait; they take the place of one', async () => {
    await harness.log.emit(WAITING_MAX + 30, { type: TYPE, userId: 'ada' });
    await harness.events('bob');
    harness.answerWith((one) => (eventOf(one).subject === 'user:ada' ? 503 : 204));
    for (let n = 0; n < 10; n += 1) {
      await harness.run();
      await harness.pass(600);
    }
    expect(subjectsOf()).toContain('user:bob');
    expect(await harness.rows()).toHaveLength(1);
    expect(await parked()).toHaveLength(1);
  });

  test('gets all of them once and in order when it accepts the first, also those that happened meanwhile', async () => {
    const [first, second, , third] = await harness.events('ada', 'ada', 'bob', 'ada', 'eve');
    harness.answerWith((one) => (eventOf(one).data.seq === first ? 503 : 204));
    await harness.run();
    // More than one page of the log, so that the search for those of ada has to go on.
    const others = Array.from({ length: 250 }, (_, n) => `u${n}`);
    const meanwhile = await harness.events('ada', ...others, 'ada');
    await harness.run();
    expect(subjectsOf().filter((subject) => subject.startsWith('user:u'))).toHaveLength(others.length);
    harness.arrived.length = 0;
    harness.answerWith(() => 204);
    await harness.pass(10);
    await harness.run();
    const [last] = await harness.events('ada');
    await harness.run();
    expect(harness.seqs()).toEqual([first, second, third, meanwhile[0], meanwhile.at(-1), last]);
    expect([await harness.rows(), await parked()]).toEqual([[], []]);
  });

  test('gets the next of the subject when one is given up', async () => {
    const [first, second] = await harness.events('ada', 'ada');
    harness.answerWith((one) => (eventOf(one).data.seq === first ? 503 : 204));
    await harness.run();
    await harness.pass(3 * 86_400 + 60);
    await harness.run();
    expect(harness.seqs().at(-1)).toBe(second);
    expect(await harness.rows()).toMatchObject([{ seq: first, due: null }]);
    expect(await parked()).toEqual([]);
  });

  test('counts as up as soon as others have events: they are tried before what failed', async () => {
    await harness.events('ada', 'cal', 'dot', 'eve');
    harness.answerWith((one) => (eventOf(one).subject === 'user:bob' ? 204 : 503));
    for (let n = 0; n < 4; n += 1) {
      await harness.run();
      await harness.pass(600);
    }
    await harness.events('bob');
    await harness.run();
    expect(subjectsOf()).toContain('user:bob');
  });
});
