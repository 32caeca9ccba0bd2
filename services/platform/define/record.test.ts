import fc from 'fast-check';
import MailComposer from 'nodemailer/lib/mail-composer';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { emailShape } from '#services/core/identity/contracts/sign-in-contract.ts';
import { isAddress, normaliseEmail } from '#services/platform/define/email.ts';
import { mailOptionsOf } from '#services/platform/mail/encode.ts';
import { defineRecord, selectOf } from './record.ts';

const record = defineRecord({
  name: { shape: z.string().max(9), shows: z.string(), reads: 'coalesce(name, id)' },
  tags: { shape: z.array(z.string().max(3)), initially: [] },
  is_open: {
    shape: z.boolean(),
    initially: false,
    registers: { shape: z.boolean().default(false), help: 'Whether it is open.', answers: z.boolean() },
  },
  home: {
    shape: z.string().nullable(),
    initially: null,
    registers: { shape: z.string().optional(), help: 'Its home.' },
  },
  picture: {
    shape: z.string().nullable(),
    initially: null,
    showsAs: { name: 'has_picture', sql: 'picture IS NOT NULL', shape: z.boolean() },
  },
});

describe('one line for each setting gives', () => {
  test('what creating takes: a setting without an initial value is required', () => {
    const shape = z.strictObject(record.create);
    expect(shape.safeParse({ name: 'x' }).success).toBe(true);
    expect(shape.safeParse({ tags: [] }).success).toBe(false);
    expect(shape.safeParse({ name: 'x', tags: ['long'] }).success).toBe(false);
  });

  test('what a change takes: any of them, within the same bounds', () => {
    const shape = z.strictObject(record.update);
    expect(shape.safeParse({}).success).toBe(true);
    expect(shape.safeParse({ home: null, is_open: true }).success).toBe(true);
    expect(shape.safeParse({ name: 'much too long' }).success).toBe(false);
  });

  test('what answers show: any texts in lists, and in place of a hidden value what is said of it', () => {
    const shown = { name: 'much too long', tags: ['long'], is_open: true, home: null, has_picture: true };
    expect(z.strictObject(record.view).parse(shown)).toEqual(shown);
  });

  test('the SELECT list and the columns, in the order of the lines', () => {
    expect(record.select).toBe('coalesce(name, id) AS name, tags, is_open, home, picture IS NOT NULL AS has_picture');
    expect(record.columns).toBe('name, tags, is_open, home, picture');
  });

  test('client metadata: only of the settings that register', () => {
    const { shapes, answers, documents } = record.registers;
    for (const members of [shapes, answers, documents]) expect(Object.keys(members)).toEqual(['is_open', 'home']);
    expect(z.object(shapes).parse({})).toEqual({ is_open: false });
    expect(z.object(answers).safeParse({ is_open: true }).success).toBe(true);
    expect(z.toJSONSchema(z.object(documents)).properties?.home).toEqual({ description: 'Its home.' });
  });
});

test('values of a new record are those given, else the initial ones; other members are left out', () => {
  const given = { name: 'x', home: 'here', other: 1 };
  expect(record.withInitial(given)).toEqual({ name: 'x', tags: [], is_open: false, home: 'here', picture: null });
});

test('only the settings that are named are changed, also to nothing', () => {
  const given = { home: null, tags: undefined, other: 1, toString: 'x' };
  expect(record.pick(given)).toEqual({ home: null });
});

test('a SELECT list has the members of a shape, by their columns or by the expressions given', () =>
  expect(selectOf({ thing_id: z.uuid(), name: z.string() }, { thing_id: 'id' })).toBe('id AS thing_id, name'));

/** Under Unicode's rules for case or width, each becomes or looks like the ASCII address beside it. */
const LOOKALIKES = [
  ['mar\u212a@example.com', 'mark@example.com'], // KELVIN SIGN
  ['bob@\u212ark.example.com', 'bob@krk.example.com'],
  ['\u0130lker@example.com', 'ilker@example.com'], // capital I with a dot
  ['\u0131lker@example.com', 'ilker@example.com'], // dotless i
  ['\u017fam@example.com', 'sam@example.com'], // long s
  ['\uff4dark@example.com', 'mark@example.com'], // full width
  ['mark\uff20example.com', 'mark@example.com'],
  ['m\u0430rk@example.com', 'mark@example.com'], // Cyrillic
  ['mark@ex\u00adample.com', 'mark@example.com'], // soft hyphen
] as const;

test.each(LOOKALIKES)('rejects the address %j, and never normalises it to %s', (lookalike, address) => {
  expect(normaliseEmail(lookalike)).not.toBe(address);
  expect([isAddress(lookalike), emailShape.safeParse(lookalike).success]).toEqual([false, false]);
  expect([isAddress(address), emailShape.safeParse(address).success]).toEqual([true, true]);
});

test('normalises the case of an address', () => {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';
  expect(normaliseEmail(`${letters}@People.Test`)).toBe('abcdefghijklmnopqrstuvwxyz@people.test');
});

test.each([
  '',
  'mark',
  '@example.com',
  'mark@',
  'mark@a@example.com',
  'mark @example.com',
  'mark@example.com\n',
  'mark\0@example.com',
  `${'m'.repeat(65)}@example.com`,
  `mark@${'e'.repeat(250)}`,
])('rejects %j as an address', (text) => expect(isAddress(text)).toBe(false));

test('an internationalised domain is one address in both of its forms, wherever an address is read', () => {
  const ascii = 'ana@xn--mnchen-3ya.example';
  for (const given of ['ana@münchen.example', 'Ana@MÜNCHEN.Example', ascii]) {
    expect(normaliseEmail(given)).toBe(ascii);
    expect(emailShape.parse(given).toLowerCase()).toBe(ascii);
  }
  // A German sharp s is a letter of its own (IDNA 2008), and not the ss of another domain.
  expect(normaliseEmail('ana@straße.example')).toBe('ana@xn--strae-oqa.example');
});

test.each([
  'ana@ｍünchen.example', // full width
  'ana@mu\u0308nchen.example', // u and a combining diaeresis
  'ana@\u0130stanbul.example', // capital I with a dot
  'ana@m\u00fcnchen .example',
  'münchen',
])('a domain that its ASCII form does not give back is no address: %j', (given) => {
  expect([isAddress(normaliseEmail(given)), emailShape.safeParse(given).success]).toEqual([false, false]);
});

test.each([
  'eve@evil.test\r\nRCPT TO:<mark@example.com>',
  'eve@evil.test\nBcc: mark@example.com',
  'eve\r@evil.test',
  'eve%0d%0a@evil.test\u2028',
  `${'e'.repeat(60)}\r\nDATA@evil.test`,
])(
  'rejects the address %j: no line of it reaches a mail server (CVE-2025-8419, Keycloak: an address of a sign-up held commands for the mail server)',
  (text) => expect([isAddress(text), emailShape.safeParse(text).success]).toEqual([false, false]),
);

test.each(
  String.raw`"mark"@example.com(x)evil.test mark@example.com(x).evil.test eve<mark@example.com eve@evil.test>,<mark
  eve,mark@example.com "eve"@example.com eve;mark@example.com eve@[192.0.2.1] eve@3221225985 eve\@example.com
  list:mark@example.com`.split(/\s+/),
)(
  'rejects %j, which mail programs read as other addresses (CVE-2026-100699, Nodemailer: a comment after a quoted name changed the recipient)',
  (text) => expect([isAddress(text), emailShape.safeParse(text).success]).toEqual([false, false]),
);

test('an address of an account is the one recipient of its mail, in one spelling', () => {
  const part = fc.string({
    unit: fc.constantFrom(...'axn09.-_+\'&!#$%*/=?^`{|}~,;:<>()[]"\\'),
    minLength: 1,
    maxLength: 9,
  });
  fc.assert(
    fc.property(part, part, (name, host) => {
      const to = `${name}@${host}`;
      fc.pre(isAddress(to));
      const mail = { id: 'x', to, subject: '', text: '', html: '' };
      const [first, ...others] = new MailComposer(mailOptionsOf(mail, 'a@b.test')).compile().getEnvelope().to;
      // A name with a dot at its end needs quotes (RFC 5321 §4.1.2), and is the same mailbox with them.
      expect([[to, `"${name}"@${host}`].includes(String(first)), others]).toEqual([true, []]);
    }),
    { numRuns: 500, maxSkipsPerRun: 1_000 },
  );
});
