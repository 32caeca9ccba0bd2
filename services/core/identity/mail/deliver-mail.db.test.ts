import { beforeEach, describe, expect, test } from 'vitest';
import { MailRefusedError, type MailTransport, type OutgoingMail } from '#services/core/ports.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { openMailFolder } from '#tools/testing/mail-folder.ts';
import { opened } from '#tools/testing/opened.ts';
import { mailPurge } from './mail.store.ts';
import type { MailRequest } from './mails.ts';
import { queueMail } from './queue-mail.ts';
import { readMailBacklog } from './read-mail-backlog.ts';

const woken: number[] = [];
const logged: object[] = [];

const ports = opened(async () => {
  const real = await openTestPorts();
  const say = (fields: object): void => void logged.push(fields);
  return { ...real, log: { ...real.log, warn: say, error: say } };
});
const mails = opened(() => openMailFolder(ports));
beforeEach(async () => {
  await ports.raw`DELETE FROM mail_outbox`;
  await ports.raw`DELETE FROM one_time_codes`;
  logged.length = 0;
  woken.length = 0;
});

const mailer = { publicUrl: 'https://api.sallyport.test', wake: () => void woken.push(1) };
const ask = (mail: MailRequest): Promise<string> =>
  ports.transact((tx) => queueMail(tx, { ...ports, mailer }, mail, testCaller));
const notice = (to: string): MailRequest => ({ template: 'password_changed', to });
const rows = () =>
  ports.raw<{ attempts: number; failure: string | null; due: number | null }>`SELECT attempts, failure,
    extract(epoch FROM next_attempt_at - clock_timestamp())::float8 AS due FROM mail_outbox`;
const due = () => ports.raw`UPDATE mail_outbox SET next_attempt_at = now()`;

/** Accepts mails or fails as instructed. */
function transport(send: (mail: OutgoingMail) => void): MailTransport {
  return { send: async (mail) => send(mail), close: async () => {} };
}
const away = transport(() => {
  throw Object.assign(new Error('450 greylisted: reader@people.test'), { code: 'EENVELOPE' });
});

describe('a queued mail', () => {
  test('exists only if its transaction commits, and then wakes the workers', async () => {
    const mail = notice('reader@people.test');
    const failed = ports.transact(async (tx) => {
      await queueMail(tx, { ...ports, mailer }, mail, testCaller);
      throw new Error('the cause did not come about');
    });
    await expect(failed).rejects.toThrow();
    expect([await rows(), woken]).toEqual([[], []]);
    await ask(mail);
    expect([(await rows()).length, woken]).toEqual([1, [1]]);
  });

  test('is sent once by concurrent runs, and is then deleted', async () => {
    for (let n = 0; n < 20; n += 1) await ask(notice(`p${n}@people.test`));
    const taken: string[] = [];
    // Of two concurrent runs, the older one is superseded between two batches.
    await Promise.allSettled([1, 2].map(() => mails.deliver(transport(({ to }) => void taken.push(to)))));
    await mails.deliver(transport(({ to }) => void taken.push(to)));
    expect([[...new Set(taken)].length, taken.length]).toEqual([20, 20]);
    expect(await rows()).toEqual([]);
  });

  test('is retried with growing pauses; no log line contains the server’s message or the address', async () => {
    await ask(notice('reader@people.test'));
    await mails.deliver(away);
    const [first] = await rows();
    expect(first).toMatchObject({ attempts: 1, failure: 'EENVELOPE' });
    await due();
    await mails.deliver(away);
    const [second] = await rows();
    expect(second?.due).toBeGreaterThan(first?.due ?? 0);
    expect(JSON.stringify(logged)).not.toContain('reader');
    expect(logged).toEqual([1, 2].map((attempt) => ({ failure: 'EENVELOPE', template: 'password_changed', attempt })));
    await due();
    expect((await mails.to('reader@people.test')).length).toBe(1);
    expect(await rows()).toEqual([]);
  });

  test('is given up after a permanent rejection or a day, and kept for operators for a while', async () => {
    await ask(notice('refused@people.test'));
    await mails.deliver(
      transport(() => {
        throw new MailRefusedError('smtp_550');
      }),
    );
    expect(await rows()).toEqual([{ attempts: 1, failure: 'smtp_550', due: null }]);
    await ask(notice('late@people.test'));
    await ports.raw`UPDATE mail_outbox SET created_at = now() - interval '25 hours' WHERE next_attempt_at IS NOT NULL`;
    await mails.deliver(away);
    expect((await rows()).map(({ due: at }) => at)).toEqual([null, null]);
    expect(await readMailBacklog(ports)).toEqual({ waiting: 0, given_up: 2, oldest_seconds: 0 });
    await ports.raw`UPDATE mail_outbox SET created_at = now() - interval '8 days'`;
    expect(await ports.transact((tx) => mailPurge.removeBatch(tx, 10, '-infinity'))).toMatchObject({ removed: 2 });
  });

  test('does not block others if it cannot be unsealed', async () => {
    await ask(notice('first@people.test'));
    await ports.raw`UPDATE mail_outbox SET sealed = 'v1.AAAA'`;
    await ask(notice('second@people.test'));
    expect((await mails.to('second@people.test')).length).toBe(1);
    expect((await rows()).map(({ attempts }) => attempts)).toEqual([1]);
  });

  test('has one valid code however often it is retried, and counts once towards the limit of codes', async () => {
    await ports.raw`INSERT INTO users (id, email) VALUES ('u1', 'tried@people.test') ON CONFLICT DO NOTHING`;
    await ask({ template: 'reset_password', to: 'tried@people.test' });
    for (let n = 0; n < 5; n += 1) {
      await mails.deliver(away);
      await due();
    }
    const [mail] = await mails.to('tried@people.test');
    expect(mail?.code).toHaveLength(43);
    expect(await ports.raw`SELECT purpose FROM one_time_codes`).toEqual([{ purpose: 'reset_password' }]);
  });

  test.each<[string, MailRequest, string]>([
    [
      'a change of address',
      { template: 'change_email', to: 'next@people.test', userId: 'u2', userEpoch: 0 },
      `UPDATE users SET "tokenEpoch" = 1 WHERE id = 'u2'`,
    ],
    [
      'a reset',
      { template: 'reset_password', to: 'owner@people.test' },
      `UPDATE users SET "passwordChangedAt" = clock_timestamp() + interval '1 second' WHERE id = 'u2'`,
    ],
  ])('%s that is retried restores no code that the owner has voided', async (_, request, recover) => {
    await ports.raw`DELETE FROM users WHERE id = 'u2'`;
    await ports.raw`INSERT INTO users (id, email) VALUES ('u2', 'owner@people.test')`;
    await ask(request);
    await mails.deliver(away);
    expect((await ports.raw`SELECT 1 FROM one_time_codes`).length).toBe(1);
    await ports.raw`DELETE FROM one_time_codes`;
    await ports.raw(recover);
    await due();
    expect(await mails.to(request.to)).toEqual([]);
    expect([await ports.raw`SELECT 1 FROM one_time_codes`, await rows()]).toEqual([[], []]);
  });

  test('is not sent for a change to the address that the account already has', async () => {
    await ports.raw`INSERT INTO users (id, email) VALUES ('u3', 'same@people.test')`;
    await ask({ template: 'change_email', to: 'same@people.test', userId: 'u3', userEpoch: 0 });
    expect(await mails.to('same@people.test')).toEqual([]);
    expect([await ports.raw`SELECT 1 FROM one_time_codes`, await rows()]).toEqual([[], []]);
  });

  test('contains only its own fields: markup and line breaks in a name change nothing', async () => {
    const to = 'plain@people.test';
    await ask({ template: 'sign_up', to, name: '<img src=x>\r\nBcc: other@people.test' });
    const [mail] = await mails.to(to);
    expect(mail?.raw).not.toMatch(/^bcc:/im);
    expect(mail?.raw).not.toContain('<img');
    expect(mail?.raw).toMatch(/^Auto-Submitted: auto-generated/m);
  });
});
