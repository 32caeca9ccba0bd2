import { createHash } from 'node:crypto';
import { argon2i, argon2id } from './argon2.ts';
import { bcrypt, importedBcrypt } from './bcrypt.ts';
import { type DigestKind, wrapKind } from './define-kind.ts';

const after =
  (prefix: string) =>
  (digest: string): string | undefined =>
    digest.startsWith(prefix) ? digest.slice(prefix.length) : undefined;

/** Django's names before digests of other kinds. */
export const djangoKinds: readonly DigestKind[] = [
  wrapKind('django-bcrypt-sha256', bcrypt, after('bcrypt_sha256$'), (password) =>
    createHash('sha256').update(password, 'utf8').digest('hex'),
  ),
  wrapKind('django-bcrypt', importedBcrypt, after('bcrypt$')),
  wrapKind('django-argon2id', argon2id, after('argon2')),
  wrapKind('django-argon2i', argon2i, after('argon2')),
];
