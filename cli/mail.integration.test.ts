import { expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { createFileOutbox, mailFolderOf } from '../services/platform/mail/file-outbox.ts';
import { openCliHarness } from './cli-harness.ts';

const harness = opened(openCliHarness);

const sallyport = (...args: string[]) => harness.sallyport(['mail', ...args]);

test('mail lists the unsent mails, shows one by name, and shows the newest without a name', async () => {
  const none = await sallyport('show');
  expect([none.code, none.err]).toEqual([1, expect.stringContaining('no mail')]);
  const outbox = createFileOutbox(mailFolderOf(harness.dataDir), 'no-reply@example.com');
  for (const id of ['1', '2'])
    await outbox.send({ id, to: `p${id}@people.test`, subject: `Mail ${id}`, text: 'Hello.', html: '<p>Hello.</p>' });
  const listed = await harness.json(['mail', 'list']);
  expect(listed).toMatchObject({ folder: mailFolderOf(harness.dataDir), waiting: 0, givenUp: 0 });
  expect(listed.mails.map(({ name, to }: { name: string; to: string }) => [name, to])).toEqual([
    ['1.eml', 'p1@people.test'],
    ['2.eml', 'p2@people.test'],
  ]);
  expect((await sallyport('show')).out).toContain('Subject: Mail 2');
  expect((await sallyport('show', '1.eml')).out).toContain('Subject: Mail 1');
});

test('a link is shown whole, as a reader of the mail sees it, and the message itself as JSON', async () => {
  const link = `https://auth.example.com/account/verify-email#${'x'.repeat(43)}`;
  const text = `Zoë asked for it = confirm within ten minutes.\n\nConfirm this address:\n${link}`;
  const outbox = createFileOutbox(mailFolderOf(harness.dataDir), 'no-reply@example.com');
  await outbox.send({ id: '3', to: 'zoe@people.test', subject: 'Confirm', text, html: `<p>${link}</p>` });
  const { out } = await sallyport('show', '3.eml');
  expect(out.split('\n')).toEqual(expect.arrayContaining(['Subject: Confirm', 'To: zoe@people.test', link]));
  expect(out).toContain('Zoë asked for it = confirm');
  const { mail, ...read } = await harness.json(['mail', 'show', '3.eml']);
  expect(mail).toContain('Content-Transfer-Encoding: quoted-printable');
  expect(read).toMatchObject({ name: '3.eml', to: 'zoe@people.test', subject: 'Confirm', text });
  expect((await sallyport('show', '3.eml', '--raw')).out.trim()).toBe(mail.trim());
});
