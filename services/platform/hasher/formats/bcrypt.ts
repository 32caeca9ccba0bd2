import { hash } from 'node:crypto';
import { verifySync } from '@node-rs/bcrypt';
import { type DigestKind, defineKind, hashingMs } from './define-kind.ts';

const BYTES_MAX = 72;
const COST_MIN = 4;
// Costs above 15 would block a child for seconds.
const COST_MAX = 15;
const form = /^\$2[aby]\$(\d{2})\$[./A-Za-z0-9]{53}$/;

// bcrypt repeats its key after a closing NUL, so "a" and "a\0a" are the same key even without truncation.
export const fitsBcrypt = (password: string): boolean =>
  Buffer.byteLength(password) <= BYTES_MAX && !password.includes('\0');

/** A digest of ours is never of a text that plain bcrypt would cut, so a text that it would cut never matches. */
const WHOLE = (password: string, digest: string): boolean => {
  if (fitsBcrypt(password)) return verifySync(password, digest);
  verifySync(hash('sha256', password), digest);
  return false;
};

/** Other systems hash the first 72 bytes of a longer password. None of them hashes what follows a NUL. */
const CUT = (password: string, digest: string): boolean =>
  password.includes('\0') ? WHOLE(password, digest) : verifySync(Buffer.from(password).subarray(0, BYTES_MAX), digest);

const bcryptKind = (verify: typeof WHOLE): DigestKind =>
  defineKind({
    format: 'bcrypt',
    read: (digest) => {
      const found = form.exec(digest);
      return found ? { digest, cost: Number(found[1]) } : undefined;
    },
    isWithinBounds: ({ cost }) => cost >= COST_MIN && cost <= COST_MAX,
    workMs: ({ cost }) => hashingMs('bcrypt', 2 ** cost),
    verify: (password, { digest }) => verify(password, digest),
  });

export const bcrypt = bcryptKind(WHOLE);
export const importedBcrypt = bcryptKind(CUT);
