import { afterAll, beforeAll, expect, test } from 'vitest';
import { thinCheckpoints } from '#services/core/audit/seal/thin-checkpoints.ts';
import { deliverMails } from '#services/core/identity/mail/deliver-mail.ts';
import { queueMail } from '#services/core/identity/mail/queue-mail.ts';
import { advanceKeyRing } from '#services/core/keys/advance-key-ring.ts';
import { ensureKeys } from '#services/core/keys/ensure-keys.ts';
import { MailRefusedError, type MailTransport } from '#services/core/ports.ts';
import { fenced } from '#services/core/processor.ts';
import { purge } from '#services/core/shared/purge.ts';
import { tokenPurges } from '#services/core/tokens/clean-up-expired-tokens.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { type TestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#tools/testing/harness/stores.ts';

let ports: OwnPorts & { keysChanged: () => void };
beforeAll(async () => {
  ports = { ...(await openTestPorts()), keysChanged: () => {} };
});
afterAll(() => ports?.end());

test('a worker that resumes after a newer run has begun rotates no key and removes no row', async () => {
  const settings = {
    keys: {
      algorithm: 'ES256',
      additionalAlgorithms: [],
      jwtSecret: undefined,
      prepublishSeconds: 60,
      rotationDays: 0.0001,
      ringBoundSeconds: 30,
    },
    tokens: { accessTokenSeconds: 900, leewaySeconds: 5, refreshAbsoluteSeconds: 3_600 },
    authSecret: 'a-secret-of-more-than-thirty-two-characters',
    audience: null,
  } as const;
  await ensureKeys(ports, settings, testCaller);
  await ports.raw`INSERT INTO idempotency_keys (key_hash, request_hash, expires_at)
    VALUES ('old', 'x', now() - interval '1 hour')`;
  const before = await ports.raw`SELECT id, signs::text FROM jwks ORDER BY id`;

  const stalled = fenced(ports, await takeFence(ports.sql, 'advance-key-ring'));
  const newer = fenced(ports, await takeFence(ports.sql, 'advance-key-ring'));
  await expect(advanceKeyRing(stalled, testCaller)).rejects.toMatchObject({ code: 'run_superseded' });
  expect(await ports.raw`SELECT id, signs::text FROM jwks ORDER BY id`).toEqual(before);
  expect(await advanceKeyRing(newer, testCaller)).toMatchObject({ published: [expect.any(String)] });

  const { removed, failures } = await purge(stalled, tokenPurges);
  expect(removed).toBe(0);
  expect(failures).toMatchObject(tokenPurges.map(() => ({ code: 'run_superseded' })));
  expect(await purge(newer, tokenPurges)).toMatchObject({ removed: 1, failures: [] });
});

const never = new AbortController().signal;

test('a worker that resumes after a newer run has begun deletes no checkpoint; batches are short and thin all checkpoints alike', async () => {
  await ports.raw`INSERT INTO audit_checkpoints (origin, size, root, note, created_at)
    SELECT 'old', n, decode(repeat('00', 32), 'hex'), 'x',
      date_trunc('hour', now()) - interval '8 days' + n * interval '20 minutes'
    FROM generate_series(0, 29) n`;
  const stalled = fenced(ports, await takeFence(ports.sql, 'thin-audit-checkpoints'));
  const newer = fenced(ports, await takeFence(ports.sql, 'thin-audit-checkpoints'));
  await expect(thinCheckpoints(stalled, never)).rejects.toMatchObject({ code: 'run_superseded' });
  expect(await ports.raw`SELECT 1 FROM audit_checkpoints`).toHaveLength(30);
  expect(await thinCheckpoints(newer, AbortSignal.abort())).toBe(0);
  expect(await thinCheckpoints(newer, never, 4)).toBe(20);
  const left = await ports.raw<{ size: number }>`SELECT size FROM audit_checkpoints ORDER BY size`;
  expect(left.map(({ size }) => size)).toEqual(Array.from({ length: 10 }, (_, hour) => 3 * hour + 2));
});

const transport = (send: () => Promise<void> | void): MailTransport => ({
  send: async () => send(),
  close: async () => {},
});
const deliver = async (mailTransport: MailTransport, through: TestPorts = ports) =>
  deliverMails({ ...through, mailTransport }, { fence: await takeFence(ports.sql, 'deliver-mail'), signal: never });
/** As if the worker with the lease were frozen until it expired, and another worker had given the mail up. */
const giveUp = async (): Promise<void> => {
  await ports.raw`UPDATE mail_outbox SET next_attempt_at = clock_timestamp()`;
  await deliver(
    transport(() => {
      throw new MailRefusedError('smtp_550');
    }),
  );
};
const givenUp = { attempts: 2, failure: 'smtp_550', next_attempt_at: null };
const mails = () => ports.raw`SELECT attempts, failure, next_attempt_at FROM mail_outbox`;

test.each([
  ['fails', () => Promise.reject(Object.assign(new Error('450'), { code: 'smtp_450' }))],
  ['succeeds', () => Promise.resolve()],
])(
  'an attempt at a mail that %s after its lease changes nothing: the result of the later attempt stays',
  async (_what, end) => {
    await ports.raw`DELETE FROM mail_outbox`;
    const mailer = { publicUrl: 'https://api.sallyport.test', wake: () => {} };
    const mail = { template: 'password_changed', to: 'user@people.test' } as const;
    await ports.transact((tx) => queueMail(tx, { ...ports, mailer }, mail, testCaller));
    await deliver(
      transport(async () => {
        await giveUp();
        return end();
      }),
    );
    expect(await mails()).toEqual([givenUp]);
  },
);

test('a worker frozen between taking a mail and writing it writes and sends none when it resumes', async () => {
  await ports.raw`DELETE FROM mail_outbox`;
  const mailer = { publicUrl: 'https://api.sallyport.test', wake: () => {} };
  const mail = { template: 'password_changed', to: 'user@people.test' } as const;
  await ports.transact((tx) => queueMail(tx, { ...ports, mailer }, mail, testCaller));
  let transactions = 0;
  const frozen: TestPorts = {
    ...ports,
    transact: async (work) => {
      transactions += 1;
      if (transactions === 2) await giveUp();
      return ports.transact(work);
    },
  };
  let sent = 0;
  await deliver(
    transport(() => {
      sent += 1;
    }),
    frozen,
  );
  expect([sent, await mails()]).toEqual([0, [givenUp]]);
});
