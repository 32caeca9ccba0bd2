import { expect, test } from 'vitest';
import { readMail } from './decode.ts';
import { encodeMail } from './encode.ts';

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
