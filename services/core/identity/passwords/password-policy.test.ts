import { hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Caller, Log, Sql } from '#services/core/ports.ts';
import { identifierHash, normaliseEmail } from '#services/platform/define/email.ts';
import { HasherBusyError } from '#services/platform/hasher/errors.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { passwordErrors } from '../contracts/password-errors.ts';
import type { BreachRanges } from './breach-lookup.ts';
import { inQueue, isHashable } from './hash-password.ts';
import {
  assertPasswordAllowed,
  assertPasswordForm,
  charactersMin,
  type PasswordContext,
  ROLE_CHARACTERS_MIN,
} from './password-policy.ts';

const caller: Caller = { kind: 'anonymous', request: { ip: '', userAgent: '', traceId: '', traceparent: '' } };
const owner: PasswordContext = { email: 'ada.lovelace@engines.test', name: 'Ada Lovelace', caller };

type Recorded = { readonly rows: unknown[]; readonly lines: unknown[] };

function portsOf(
  recorded: Recorded,
  profile: 'default' | 'nist' = 'default',
  breachRanges: BreachRanges | null = null,
): Parameters<typeof assertPasswordAllowed>[0] {
  const log = { warn: (fields: object) => recorded.lines.push(fields) } as unknown as Log;
  const sql: Sql = {
    query: async (_statement, values) => {
      recorded.rows.push(values?.[1]);
      return [];
    },
  };
  const common = { has: (password: string) => password === 'everybody has it' };
  return { sql, log, passwordPolicy: { profile, common, breachRanges } };
}

const refusal = async (
  password: string,
  context: Partial<PasswordContext> = {},
  profile: 'default' | 'nist' = 'default',
): Promise<string> => {
  const recorded = { rows: [], lines: [] };
  return outcomeOf(assertPasswordAllowed(portsOf(recorded, profile), password, { ...owner, ...context }));
};

describe('length and format', () => {
  test.each([
    ['x'.repeat(11), 'password_too_short'],
    ['', 'password_too_short'],
    // Twelve code units, but six characters.
    ['𝒜'.repeat(6), 'password_too_short'],
    // The normalised form is shorter than what was typed.
    ['e\u0301'.repeat(11), 'password_too_short'],
    ['x'.repeat(257), 'password_too_long'],
    // NFKC expands each to eighteen characters.
    ['\ufdfa'.repeat(15), 'password_too_long'],
    ['valid length \udc00', 'password_ill_formed'],
  ])('rejects the new password %j: %s', (password, code) => {
    expect(() => assertPasswordForm(password, 12)).toThrow(code);
  });

  test('accepts twelve to 256 characters of any kind, including spaces and four-byte characters', () => {
    for (const password of ['x'.repeat(12), 'x'.repeat(256), '\u{20000}'.repeat(256), ' '.repeat(12), 'ǻǻǻǻǻǻǻǻǻǻǻǻ'])
      expect(() => assertPasswordForm(password, 12)).not.toThrow();
  });

  test('detects passwords that cannot be hashed', () => {
    expect(isHashable('short')).toBe(true);
    for (const password of ['', 'x'.repeat(1_025), '\ud800']) expect(isHashable(password)).toBe(false);
  });

  test('the NIST profile rejects fourteen characters with the reason and accepts fifteen', async () => {
    expect(await refusal('fourteen chars', {}, 'nist')).toBe('password_too_short');
    expect(await refusal('fifteen chars !', {}, 'nist')).toBe('ok');
    expect(await refusal('fourteen chars', { hasSecondFactor: true }, 'nist')).toBe('ok');
    expect(await refusal('fourteen chars')).toBe('ok');
    expect(() => assertPasswordForm('fourteen chars', 15)).toThrow(
      expect.objectContaining({ options: { detail: 'At least 15 characters.' } }),
    );
  });

  test.each([...ROLE_CHARACTERS_MIN.keys()])('the role %s requires fifteen characters', async (role) => {
    expect(await refusal('fourteen chars', { roles: ['user', role], hasSecondFactor: true })).toBe(
      'password_too_short',
    );
    expect(await refusal('fifteen chars !', { roles: [role] })).toBe('ok');
  });

  test('a role without a rule does not change the minimum length, whatever its name', () => {
    expect(charactersMin('default', { roles: ['user', 'constructor', '__proto__'] })).toBe(12);
    expect(charactersMin('default', {})).toBe(12);
  });
});

describe('passwords derived from their owner (ASVS 6.2.11)', () => {
  test.each([
    ['my ada.lovelace password', 'password_has_email'],
    ['MyAdaLovelace-Password', 'password_has_email'],
    ['ＡＤＡＬＯＶＥＬＡＣＥ forever', 'password_has_email'],
    ['Engines-engines-1', 'password_has_email'],
    ['lovelace 1234', 'password_has_name'],
    ['Sallyport-2026', 'password_has_product'],
    ['sally port 123', 'password_has_product'],
    ['everybody has it', 'password_common'],
  ])('rejects %j: %s', async (password, code) => expect(await refusal(password)).toBe(code));

  test.each([
    // Enough characters besides the word.
    'the engines of tomorrow',
    'sallyport has a heavy door',
    'a lovelace of linen thread',
    // Short names occur in any text.
    'a cadaver in the academy',
    'everybody has it, not me',
  ])('accepts %j', async (password) => expect(await refusal(password)).toBe('ok'));

  test('a plus suffix does not hide the name before it; short local parts only need enough characters beside them', async () => {
    expect(await refusal('lovelace of mine', { email: 'lovelace+news@x.test' })).toBe('password_has_email');
    expect(await refusal('test password of mine', { email: 'test@x.test' })).toBe('ok');
    expect(await refusal('test test 1234', { email: 'test@x.test', name: undefined })).toBe('password_has_email');
    expect(await refusal('a b c d e f g h', { email: 'a@b.c', name: ' ' })).toBe('ok');
  });
});

describe('passwords that the breach list contains', () => {
  const password = 'stolen elsewhere';
  const digest = hash('sha1', password).toUpperCase();

  test('sends five digits of the hash, and rejects the password if its suffix is in the answer and is not padding', async () => {
    const asked: string[] = [];
    const answering = (text: string): BreachRanges => ({
      suffixesOf: async (prefix) => {
        asked.push(prefix);
        return text;
      },
    });
    const recorded = { rows: [], lines: [] };
    const check = (text: string) =>
      assertPasswordAllowed(portsOf(recorded, 'default', answering(text)), password, owner);
    const other = '0'.repeat(35);
    await expect(check(`${other}:7\r\n${digest.slice(5)}:3\r\n`)).rejects.toMatchObject({ code: 'password_breached' });
    await expect(check(`${digest.slice(5).toLowerCase()}:1`)).rejects.toMatchObject({ code: 'password_breached' });
    await check(`${other}:7\r\n${digest.slice(5)}:0\r\n`);
    await check('');
    expect([new Set(asked), recorded]).toEqual([new Set([digest.slice(0, 5)]), { rows: [], lines: [] }]);
  });

  test('an unreachable list blocks no user; log and event name the failure, not the password', async () => {
    const recorded: Recorded = { rows: [], lines: [] };
    const down: BreachRanges = { suffixesOf: () => Promise.reject(new Error('out of reach')) };
    await assertPasswordAllowed(portsOf(recorded, 'default', down), password, owner);
    expect(recorded.rows).toEqual(['password.breach_unchecked']);
    expect(recorded.lines).toHaveLength(1);
    expect(JSON.stringify(recorded)).not.toContain(digest.slice(0, 5));
  });

  test('looks up no password that breaks another rule', async () => {
    const never: BreachRanges = { suffixesOf: () => Promise.reject(new Error('asked')) };
    const recorded: Recorded = { rows: [], lines: [] };
    await expect(assertPasswordAllowed(portsOf(recorded, 'default', never), 'short', owner)).rejects.toMatchObject({
      code: 'password_too_short',
    });
    expect(recorded.lines).toEqual([]);
  });
});

test('every rule has its own error code', () => {
  const codes = passwordErrors.map(({ definition }) => definition.code);
  expect(new Set(codes).size).toBe(codes.length);
});

test('a full queue becomes hashing_busy with its Retry-After; other failures pass unchanged', async () => {
  const busy = inQueue(Promise.reject(new HasherBusyError('full', 3)));
  await expect(busy).rejects.toMatchObject({ code: 'hashing_busy', options: { retryAfterSeconds: 3 } });
  await expect(inQueue(Promise.reject(new Error('lost')))).rejects.toThrow('lost');
  await expect(inQueue(Promise.resolve(1))).resolves.toBe(1);
});

test('the identifier of an address ignores case and depends on the key', () => {
  const secret = { version: 4, key: Buffer.alloc(32, 4) };
  const hash = identifierHash(secret, normaliseEmail('Ada@People.Test'));
  expect(hash).toMatch(/^4\.[\w-]{22}$/);
  expect(identifierHash(secret, normaliseEmail('ada@people.test'))).toBe(hash);
  expect(identifierHash({ version: 4, key: Buffer.alloc(32, 5) }, 'ada@people.test')).not.toBe(hash);
});
