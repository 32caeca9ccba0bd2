import { hashSync, verifySync } from '@node-rs/argon2';
import { type DigestKind, defineKind, hashingMs, KIBIBYTES_MAX } from './define-kind.ts';

// Memory × passes in KiB is the cost of a computation; one GiB takes about a second.
const WORK_MAX = 1_048_576;
/** Below a MiB and one pass a guess costs next to nothing. */
const WORK_STRONG = 1_024;

/** RFC 9106 §4, the memory-constrained choice with parallelism 1: 64 MiB, three passes. */
const CURRENT = { memoryCost: 65_536, timeCost: 3, parallelism: 1 } as const;
export const ARGON2ID_CURRENT_PREFIX = '$argon2id$v=19$m=65536,t=3,p=1$';

/** A new Argon2id digest in the PHC form. */
export const argon2idHash = (password: string): string => hashSync(password, { ...CURRENT });

const isCanonical = (text = ''): boolean => Buffer.from(text, 'base64').toString('base64').replaceAll('=', '') === text;

function argon2(variant: 'argon2id' | 'argon2i'): DigestKind {
  // The number of digits is bounded, so that no parameter exceeds a safe integer.
  const form = new RegExp(
    `^\\$${variant}\\$v=19\\$m=(\\d{1,11}),t=(\\d{1,3}),p=(\\d{1,2})\\$([A-Za-z0-9+/]{11,86})\\$([A-Za-z0-9+/]{16,86})$`,
  );
  return defineKind({
    format: variant,
    read: (digest) => {
      const found = form.exec(digest);
      // The library throws for bits that belong to no byte.
      return found && isCanonical(found[4]) && isCanonical(found[5])
        ? { digest, memory: Number(found[1]), passes: Number(found[2]), lanes: Number(found[3]) }
        : undefined;
    },
    isWithinBounds: ({ memory, passes, lanes }) => {
      const isMemorySane = memory >= 8 * lanes && memory <= KIBIBYTES_MAX;
      return passes >= 1 && lanes >= 1 && isMemorySane && memory * passes <= WORK_MAX;
    },
    isWeak: ({ memory, passes }) => memory * passes < WORK_STRONG,
    workMs: ({ memory, passes }) => hashingMs('argon2', memory * passes),
    verify: (password, { digest }) => verifySync(digest, password),
  });
}

export const argon2id = argon2('argon2id');
/** The form of older Django and passlib; new digests are Argon2id. */
export const argon2i = argon2('argon2i');
