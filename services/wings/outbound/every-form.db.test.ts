import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
import { userTokensRevoked } from '#services/core/identity/audit-events.ts';
import { deliverMails } from '#services/core/identity/mail/deliver-mail.ts';
import { queueMail } from '#services/core/identity/mail/queue-mail.ts';
import { createKeyRing } from '#services/core/keys/key-ring.ts';
import { sendLogoutTokens } from '#services/core/oauth/logout/send-logout-tokens.ts';
import type { Fence, OutgoingMail } from '#services/core/ports.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { type OwnLogHarness, openLogHarness } from '#tools/testing/harness/log.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { type Arrived, openAlertsHarness } from './alerts/alerts-harness.ts';
import { ISSUER, openHandoffHarness, passHandoffs, TYPE } from './handoff/handoff-harness.ts';
import { exportHarnessOf } from './handoff/siem/export-harness.ts';
import { PUSH } from './signals/streams-contract.ts';
import { openStreamsHarness } from './signals/streams-harness.ts';

type Message = { readonly id: string; readonly subject: string };
/** Answers a request that carries these messages with a status. */
type Answer = (...messages: readonly Message[]) => number;

/** A form in which messages go out, to a receiver that answers as it is told. */
type Form = {
  /** Makes a message about one of the two subjects. */
  happen(subject: string): Promise<unknown>;
  run(): Promise<unknown>;
  /** Lets time pass for what waits. */
  pass(seconds: number): Promise<unknown>;
  answerWith(answer: Answer): void;
  reset(): Promise<unknown>;
  close(): Promise<void>;
};

async function cloudEvents(): Promise<Form> {
  const harness = await openHandoffHarness();
  const messageOf = (body: string): Message => {
    const { id, subject } = JSON.parse(body);
    return { id, subject: subject.slice('user:'.length) };
  };
  return {
    happen: (subject) => harness.events(subject),
    run: () => harness.run(),
    pass: harness.pass,
    answerWith: (answer) => harness.answerWith(({ body }) => answer(messageOf(body))),
    reset: harness.reset,
    close: harness.close,
  };
}

async function securityEventTokens(): Promise<Form> {
  const harness = await openStreamsHarness();
  const messageOf = (body: string): Message => {
    const { jti, sub_id: about } = decodeJwt(body);
    return { id: String(jti), subject: (about as { readonly sub: string }).sub };
  };
  return {
    happen: (subject) => harness.happen(userTokensRevoked, subject),
    run: harness.push,
    pass: (seconds) => passHandoffs(harness.log, seconds),
    answerWith: (answer) => harness.answer((body) => answer(messageOf(body))),
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
  const messageOf = ({ headers, body }: Arrived): Message => ({
    id: String(headers['idempotency-key']),
    subject: body.includes(GROUPS.a) ? 'a' : 'b',
  });
  return {
    // About a new user: an incident that lasts is not raised again.
    happen: (subject) => {
      users += 1;
      return harness.incidents(GROUPS[subject as keyof typeof GROUPS], `user-${users}`);
    },
    run: () => harness.run({ messagesPerMinute: 100 }),
    pass: harness.pass,
    answerWith: (answer) => harness.answerWith((one) => answer(messageOf(one))),
    reset: async () => {
      await harness.clear();
      await harness.target({ kind, url: `${harness.origin}/alerts` });
    },
    close: harness.close,
  };
}

/** Events of the log, many in one request. */
async function siemEvents(format: 'ocsf' | 'ecs'): Promise<Form> {
  const harness = await openHandoffHarness();
  const siem = exportHarnessOf(harness, [{ name: 'soc', format, url: harness.url }]);
  const messagesOf = (body: string): Message[] =>
    body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ metadata, event, user }) =>
        format === 'ocsf'
          ? { type: metadata.event_code, id: metadata.uid, subject: user?.uid }
          : { type: event.action, id: event.id, subject: user?.id },
      )
      .filter(({ type }) => type === TYPE);
  return {
    happen: (subject) => harness.events(subject),
    run: () => siem.run(),
    pass: siem.pass,
    answerWith: (answer) => harness.answerWith(({ body }) => answer(...messagesOf(body))),
    reset: async () => {
      await harness.reset();
      await harness.log.raw`DELETE FROM siem_targets`;
      await siem.run();
    },
    close: harness.close,
  };
}

type Queue = {
  happen(log: OwnLogHarness, subject: string): Promise<unknown>;
  /** One run of its job. */
  send(
    log: OwnLogHarness,
    answer: Answer,
    run: { readonly fence: Fence; readonly signal: AbortSignal },
  ): Promise<unknown>;
};

/** A queue of the core. */
async function rowsOf(table: string, { happen, send }: Queue): Promise<Form> {
  const log = await openLogHarness();
  await log.raw`INSERT INTO oauth_clients (id, "clientId", redirect_uris, backchannel_logout_uri)
    VALUES ('app', 'app', '{}', 'https://app.example/')`;
  let answer: Answer = () => 204;
  return {
    happen: (subject) => happen(log, subject),
    run: async () =>
      send(log, answer, { fence: await takeFence(log.sql, table), signal: new AbortController().signal }),
    pass: (seconds) =>
      log.raw(
        `UPDATE ${table} SET next_attempt_at = next_attempt_at - make_interval(secs => $1),
           created_at = created_at - make_interval(secs => $1)`,
        [seconds],
      ),
    answerWith: (given) => {
      answer = given;
    },
    reset: () => log.raw(`DELETE FROM ${table}`),
    close: () => log.end(),
  };
}

const logoutTokens: Queue = {
  happen: (log, subject) =>
    log.raw`INSERT INTO logout_tokens (client_id, unvetted, user_id, session_id)
      VALUES ('app', false, ${subject}, ${randomUUID()})`,
  send: (log, answer, run) => {
    const keyRing = createKeyRing(log, loadConfig({}).keys);
    const send = async (_client: object, token: string): Promise<number> => {
      const { jti, sub } = decodeJwt(token);
      return answer({ id: String(jti), subject: String(sub) });
    };
    const tokenSettings = { issuer: ISSUER, accessTokenSeconds: 900 };
    return sendLogoutTokens({ ...log, keyRing, tokenSettings, logoutTransport: { send } }, run, testCaller);
  },
};

const mails: Queue = {
  happen: (log, subject) => {
    const ports = { ...log, mailer: { publicUrl: ISSUER, wake: () => {} } };
    const mail = { template: 'password_changed', to: `${subject}@people.test` } as const;
    return log.transact((tx) => queueMail(tx, ports, mail, testCaller));
  },
  send: (log, answer, run) => {
    const send = async ({ id, to }: OutgoingMail): Promise<void> => {
      if (answer({ id, subject: to.charAt(0) }) >= 300) throw new Error('the server is away');
    };
    return deliverMails({ ...log, mailTransport: { send, close: async () => {} } }, run);
  },
};

/** What waits for an earlier message that fails: the next ones of its subject, all of the log, or nothing. */
type Order = 'subject' | 'log' | 'none';

describe.each<[string, Order, () => Promise<Form>]>([
  ['a CloudEvent', 'subject', cloudEvents],
  ['a security event token', 'subject', securityEventTokens],
  ['an alert to a webhook', 'subject', () => alerts('webhook')],
  ['an alert to Slack', 'subject', () => alerts('slack')],
  ['an OCSF event', 'log', () => siemEvents('ocsf')],
  ['an ECS event', 'log', () => siemEvents('ecs')],
  ['a logout token', 'none', () => rowsOf('logout_tokens', logoutTokens)],
  ['a mail', 'none', () => rowsOf('mail_outbox', mails)],
])('%s', (_, order, open) => {
  let requests: { readonly messages: readonly Message[]; readonly isAccepted: boolean }[];
  const form = opened(open);
  beforeEach(async () => {
    await form.reset();
    requests = [];
  });

  const answerWith = (statusFor: (subject: string) => number): void =>
    form.answerWith((...messages) => {
      const status = Math.max(204, ...messages.map(({ subject }) => statusFor(subject)));
      if (messages.length > 0) requests.push({ messages, isAccepted: status < 300 });
      return status;
    });
  const idsOf = (about: string, of = requests): string[] =>
    of.flatMap(({ messages }) => messages.flatMap(({ id, subject }) => (subject === about ? [id] : [])));
  const acceptedOf = (about: string): string[] =>
    idsOf(
      about,
      requests.filter(({ isAccepted }) => isAccepted),
    );
  /** Runs until nothing waits any more. */
  const settle = async (): Promise<void> => {
    for (let n = 0; n < 5; n += 1) {
      await form.pass(400);
      await form.run();
    }
  };

  test('is sent until the receiver accepts it, with the same id in each attempt, and then no more', async () => {
    answerWith(() => 503);
    await form.happen('a');
    await form.run();
    await form.pass(60);
    await form.run();
    answerWith(() => 204);
    await settle();
    expect(idsOf('a')).toHaveLength(3);
    expect(new Set(idsOf('a')).size).toBe(1);
  });

  test('that fails delays what it must not be overtaken by, and nothing else', async () => {
    answerWith((subject) => (subject === 'a' ? 503 : 204));
    await form.happen('a');
    await form.run();
    const [first = ''] = idsOf('a');
    await form.happen('a');
    await form.happen('b');
    await form.pass(60);
    await form.run();
    await form.run();
    expect([acceptedOf('a').length, acceptedOf('b').length]).toEqual([0, order === 'log' ? 0 : 1]);
    // A request of the log carries what follows, too; the others do not even try it.
    expect(new Set(idsOf('a')).size).toBe(order === 'subject' ? 1 : 2);
    answerWith(() => 204);
    await settle();
    const arrived = acceptedOf('a');
    expect([new Set(arrived).size, arrived.length]).toEqual([2, 2]);
    // The second one after the first.
    if (order !== 'none') expect(arrived[0]).toBe(first);
    expect(acceptedOf('b')).toHaveLength(1);
  });

  test('to a receiver that is down is tried at growing intervals, one request at a time where all go to it, and arrives', async () => {
    answerWith(() => 503);
    await form.happen('a');
    await form.happen('b');
    for (let n = 0; n < 4; n += 1) {
      await form.run();
      await form.pass(400);
    }
    const countOf = async (run: () => Promise<unknown>): Promise<number> => {
      const before = requests.length;
      await run();
      return requests.length - before;
    };
    expect(await countOf(form.run)).toBe(order === 'none' ? 2 : 1);
    expect(await countOf(form.run)).toBe(0);
    answerWith(() => 204);
    await settle();
    expect([acceptedOf('a').length, acceptedOf('b').length]).toEqual([1, 1]);
  });
});
