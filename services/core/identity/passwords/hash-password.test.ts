import { expect, test } from 'vitest';
import { identifierHash, normaliseEmail } from '#services/platform/define/email.ts';
import { HasherBusyError } from '#services/platform/hasher/errors.ts';
import { inQueue } from './hash-password.ts';

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
