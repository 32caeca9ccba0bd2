import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { userTokensRevoked } from '#services/core/identity/audit-events.ts';
import { type Arrived, openAlertsHarness } from './alerts/alerts-harness.ts';
import { openHandoffHarness, passHandoffs } from './handoff/handoff-harness.ts';
import { PUSH } from './signals/streams-contract.ts';
import { openStreamsHarness } from './signals/streams-harness.ts';

/** A form in which messages go out, over HTTP to a receiver that answers as it is told. */
type Form = {
  /** Makes a message about one of the two subjects. */
  happen(subject: string): Promise<void>;
  run(): Promise<unknown>;
  /** Lets time pass for what waits. */
  pass(seconds: number): Promise<void>;
  answerWith(statusFor: (subject: string) => number): void;
  arrived(): { readonly id: string; readonly subject: string }[];
  reset(): Promise<void>;
  close(): Promise<void>;
};

async function cloudEvents(): Promise<Form> {
  const harness = await openHandoffHarness();
  const subjectOf = (body: string): string => JSON.parse(body).subject.slice('user:'.length);
  return {
    happen: async (subject) => void (await harness.events(subject)),
    run: () => harness.run(),
    pass: harness.pass,
    answerWith: (statusFor) => harness.answerWith(({ body }) => statusFor(subjectOf(body))),
    arrived: () => harness.arrived.map(({ body }) => ({ id: JSON.parse(body).id, subject: subjectOf(body) })),
    reset: harness.reset,
    close: harness.close,
  };
}

async function securityEventTokens(): Promise<Form> {
  const harness = await openStreamsHarness();
  const subjectOf = (body: string): string => (decodeJwt(body).sub_id as { readonly sub: string }).sub;
  return {
    happen: (subject) => harness.happen(userTokensRevoked, subject),
    run: harness.push,
    pass: (seconds) => passHandoffs(harness.log, seconds),
    answerWith: (statusFor) => harness.answer((body) => statusFor(subjectOf(body))),
    arrived: () => harness.arrived.map(({ body }) => ({ id: String(decodeJwt(body).jti), subject: subjectOf(body) })),
    reset: async () => {
      await harness.reset();
      await harness.create({ delivery: { method: PUSH, endpoint_url: `${harness.origin}/events` } });
    },
    close: harness.close,
  };
}

/** Subjects of alerts are their groups: two detections. */
const GROUPS = { a: 'token_replay', b: 'unusual_passkey' } as const;

async function alerts(kind: 'webhook' | 'slack'): Promise<Form> {
  const harness = await openAlertsHarness();
  let users = 0;
  const subjectOf = ({ body }: Arrived): string => (body.includes(GROUPS.a) ? 'a' : 'b');
  return {
    // About a new user: an incident that lasts is not raised again.
    happen: async (subject) => {
      users += 1;
      await harness.incidents(GROUPS[subject as keyof typeof GROUPS], `user-${users}`);
    },
    run: () => harness.run({ messagesPerMinute: 100 }),
    pass: harness.pass,
    answerWith: (statusFor) => harness.answerWith((one) => statusFor(subjectOf(one))),
    arrived: () =>
      harness.arrived.map((one) => ({ id: String(one.headers['idempotency-key']), subject: subjectOf(one) })),
    reset: async () => {
      await harness.clear();
      await harness.target({ kind, url: `${harness.origin}/alerts` });
    },
    close: harness.close,
  };
}

describe.each([
  ['a CloudEvent', cloudEvents],
  ['a security event token', securityEventTokens],
  ['an alert to a webhook', () => alerts('webhook')],
  ['an alert to Slack', () => alerts('slack')],
])('%s', (_, open) => {
  let form: Form;
  beforeAll(async () => {
    form = await open();
  });
  afterAll(() => form?.close());
  beforeEach(() => form.reset());

  const idsOf = (about: string): string[] =>
    form.arrived().flatMap(({ id, subject }) => (subject === about ? [id] : []));
  /** Runs until nothing waits any more. */
  const settle = async (): Promise<void> => {
    for (let n = 0; n < 5; n += 1) {
      await form.pass(400);
      await form.run();
    }
  };

  test('is sent until the receiver accepts it, with the same id in each attempt, and then no more', async () => {
    form.answerWith(() => 503);
    await form.happen('a');
    await form.run();
    await form.pass(60);
    await form.run();
    form.answerWith(() => 204);
    await settle();
    expect(idsOf('a')).toHaveLength(3);
    expect(new Set(idsOf('a')).size).toBe(1);
  });

  test('that fails delays the next one of its subject, and no other subject', async () => {
    form.answerWith((subject) => (subject === 'a' ? 503 : 204));
    await form.happen('a');
    await form.run();
    const [first = ''] = idsOf('a');
    await form.happen('a');
    await form.happen('b');
    await form.pass(60);
    await form.run();
    await form.run();
    expect([new Set(idsOf('a')).size, idsOf('b').length]).toEqual([1, 1]);
    form.answerWith(() => 204);
    await settle();
    // The second one, once, after the last attempt at the first.
    expect(idsOf('a').lastIndexOf(first)).toBe(idsOf('a').length - 2);
  });

  test('to a receiver that is down waits: it gets one message at a time, and then all', async () => {
    form.answerWith(() => 503);
    await form.happen('a');
    await form.happen('b');
    for (let n = 0; n < 4; n += 1) {
      await form.run();
      await form.pass(400);
    }
    const gets = async (run: () => Promise<unknown>): Promise<string[]> => {
      const before = form.arrived().length;
      await run();
      const after = form.arrived().slice(before);
      return after.map(({ subject }) => subject).toSorted();
    };
    expect(await gets(form.run)).toHaveLength(1);
    expect(await gets(form.run)).toEqual([]);
    form.answerWith(() => 204);
    expect(await gets(settle)).toEqual(['a', 'b']);
  });
});
