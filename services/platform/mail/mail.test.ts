import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OutgoingMail } from '#services/core/ports.ts';
import { type SmtpServer, startSmtpServer } from '#tools/testing/fakes/smtp-server.ts';
import { readMail } from './decode.ts';
import { encodeMail } from './encode.ts';
import { createFileOutbox, listMailFiles, mailFolderOf, readMailFile } from './file-outbox.ts';
import { createSmtpTransport, trySmtp } from './smtp.ts';

const FROM = 'Sallyport <no-reply@example.com>';
const mail = (changes: Partial<OutgoingMail> = {}): OutgoingMail => ({
  id: '0190b1d4-0000-7000-8000-000000000001',
  to: 'person@people.test',
  subject: 'Grüße',
  text: 'A line.\n',
  html: '<p>A line.</p>',
  ...changes,
});

describe('mails by SMTP', () => {
  let server: SmtpServer;
  beforeAll(async () => {
    const answers: Record<string, string> = { gone: '550 5.1.1 no such user', full: '452 4.2.2 mailbox full' };
    server = await startSmtpServer((to) => answers[to.split('@')[0] ?? '']);
  });
  afterAll(() => server.close());

  test('arrive with their text, a fixed message id and the header that suppresses automatic replies', async () => {
    const transport = createSmtpTransport({ url: server.url, from: FROM, requireTls: false });
    await transport.send(mail());
    await transport.close();
    const [taken] = server.taken;
    expect(taken?.to).toBe('person@people.test');
    expect(taken?.data).toMatch(/^From: Sallyport <no-reply@example\.com>/m);
    expect(taken?.data).toMatch(/^Message-ID: <0190b1d4-0000-7000-8000-000000000001@example\.com>/m);
    expect(taken?.data).toMatch(/^Auto-Submitted: auto-generated/m);
    expect(taken?.data).toContain('multipart/alternative');
  });

  test('header injection: an address that contains a list or a header reaches no other address', async () => {
    const transport = createSmtpTransport({ url: server.url, from: FROM, requireTls: false });
    const before = server.taken.length;
    await transport.send(mail({ to: 'a@people.test,b@people.test' })).catch(() => {});
    await transport.send(mail({ to: 'a@people.test\r\nBcc: b@people.test' })).catch(() => {});
    await transport.close();
    for (const { to, data } of server.taken.slice(before)) {
      expect(to).not.toBe('b@people.test');
      expect(data).not.toMatch(/^bcc:/im);
    }
  });

  test('a permanent refusal is not retried; a temporary one and an unreachable server are', async () => {
    const transport = createSmtpTransport({ url: server.url, from: FROM, requireTls: false });
    await expect(transport.send(mail({ to: 'gone@people.test' }))).rejects.toMatchObject({
      name: 'MailRefusedError',
      code: 'smtp_550',
    });
    const later = await transport.send(mail({ to: 'full@people.test' })).catch((err: Error) => err);
    expect(later).toMatchObject({ responseCode: 452 });
    expect((later as Error).name).not.toBe('MailRefusedError');
    await transport.close();
    const away = createSmtpTransport({ url: 'smtp://127.0.0.1:1', from: FROM, requireTls: false });
    await expect(away.send(mail())).rejects.toMatchObject({ code: 'ESOCKET' });
    await away.close();
  });

  test('a server on a network without STARTTLS gets no mail, since it would be sent unencrypted', async () => {
    const before = server.taken.length;
    const transport = createSmtpTransport({ url: server.url, from: FROM, requireTls: true });
    await expect(transport.send(mail())).rejects.toThrow();
    await transport.close();
    expect(server.taken.length).toBe(before);
  });

  test('trySmtp reports without sending a mail whether a server can be used', async () => {
    const settings = { url: server.url, from: FROM, requireTls: false };
    const before = server.taken.length;
    expect(await trySmtp(settings)).toBeUndefined();
    expect(await trySmtp({ ...settings, requireTls: true })).toBe('ETLS');
    expect(await trySmtp({ ...settings, url: 'smtp://127.0.0.1:1' })).toBe('ESOCKET');
    expect(server.taken.length).toBe(before);
  });
});

describe('mails as files', () => {
  let parent: string;
  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), 'sallyport-outbox-'));
  });
  afterAll(() => rm(parent, { recursive: true, force: true }));

  test('are readable by their owner only, listed oldest first, and opened by name but not by path', async () => {
    const folder = mailFolderOf(parent);
    expect(await listMailFiles(folder)).toEqual([]);
    const outbox = createFileOutbox(folder, FROM);
    await outbox.send(mail({ id: 'b' }));
    await outbox.send(mail({ id: 'a' }));
    expect(await listMailFiles(folder)).toEqual(['a.eml', 'b.eml']);
    expect([(await stat(folder)).mode & 0o777, (await stat(join(folder, 'a.eml'))).mode & 0o777]).toEqual([
      0o700, 0o600,
    ]);
    expect(await readMailFile(folder, 'a.eml')).toMatch(/^To: person@people\.test/m);
    expect(await readMailFile(folder, 'c.eml')).toBeUndefined();
    expect(await readMailFile(folder, '../auth-secret')).toBeUndefined();
  });

  test('the oldest are deleted beyond the maximum, and no partial file remains', async () => {
    const folder = join(parent, 'many');
    const outbox = createFileOutbox(folder, FROM);
    for (let n = 0; n < 203; n += 1) await outbox.send(mail({ id: String(1_000 + n) }));
    await outbox.close();
    const names = await readdir(folder);
    expect([names.length, names.sort()[0]]).toEqual([200, '1003.eml']);
  });
});

const LINK = `https://auth.example.com/account/verify-email#${'x'.repeat(43)}`;

const roundTrip = async (subject: string, text: string) =>
  readMail(
    (
      await encodeMail(
        { id: '1', to: 'zoe@people.test', subject, text, html: '<p>x</p>' },
        'Zoë <no-reply@example.com>',
      )
    ).toString('utf8'),
  );

test.each([
  ['Confirm your address', `Zoë asked for it = confirm.\n\nConfirm this address:\n${LINK}`],
  [`Bestätigen Sie ${'Straße '.repeat(30).trim()}`, 'Straße'],
  ['עולם שלום', 'שלום\n\n.\n.x'],
  ['=?not?encoded', 'a--b\n-- \nsignature'],
])('%s is read as it was written, with its link whole', async (subject, text) => {
  const read = await roundTrip(subject, text);
  expect([read.subject, read.to, read.text]).toEqual([subject, 'zoe@people.test', text]);
  expect(read.from).toBe('Zoë <no-reply@example.com>');
  expect(Date.parse(read.date)).not.toBeNaN();
});

test('a text that is no mail of ours has empty fields', () => {
  expect(readMail('nothing')).toEqual({ from: '', to: '', subject: '', date: '', text: '' });
  expect(readMail('To: a@b.test\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nSGk=')).toMatchObject({
    to: 'a@b.test',
    text: 'Hi',
  });
});
