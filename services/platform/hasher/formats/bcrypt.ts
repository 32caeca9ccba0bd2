import { hash } from 'node:crypto';
import { verifySync } from '@node-rs/bcrypt';
import { defineKind } from './define-kind.ts';

const BYTES_MAX = 72;
const COST_MIN = 4;
// Costs above 15 would block a child for seconds.
const COST_MAX = 15;
const form = /^\$2[aby]\$(\d{2})\$[./A-Za-z0-9]{53}$/;

// bcrypt repeats its key after a closing NUL, so "a" and "a\0a" are the same key even without truncation.
export const fitsBcrypt = (password: string): boolean =>
  Buffer.byteLength(password) <= BYTES_MAX && !password.includes('\0');

export const bcrypt = defineKind({
  format: 'bcrypt',
  read: (digest) => {
    const found = form.exec(digest);
    return found ? { digest, cost: Number(found[1]) } : undefined;
  },
  isWithinBounds: ({ cost }) => cost >= COST_MIN && cost <= COST_MAX,
  // A password that plain bcrypt would truncate never matches, but takes as long as any other.
  verify: (password, { digest }) => {
    if (fitsBcrypt(password)) return verifySync(password, digest);
    verifySync(hash('sha256', password), digest);
    return false;
  },
});
