import { createHash, hash as hashOnce, timingSafeEqual } from 'node:crypto';
import { toCrypt64 } from './crypt64.ts';
import { type DigestKind, defineKind, hashingMs } from './define-kind.ts';

const ROUNDS_DEFAULT = 5_000;
/** The specification raises less to this number. */
const ROUNDS_MIN = 1_000;
const ROUNDS_MAX = 1_000_000;

type Variant = {
  readonly format: string;
  readonly id: '5' | '6';
  readonly algorithm: 'sha256' | 'sha512';
  readonly bytes: number;
  readonly characters: number;
  /** Bytes of the digest in the order in which they are written, three a group, highest first. */
  readonly order: readonly (readonly number[])[];
};

/** Groups that begin at 0, the middle and two thirds, and turn by one place with each group. */
const turning = (groups: number, third: number, turn: (at: number) => readonly number[]): number[][] =>
  Array.from({ length: groups }, (_, at) => turn(at % 3).map((step) => at + third * step));

/** Drepper's SHA crypt ("Unix crypt using SHA-256 and SHA-512"): `$5$`, `$6$`, with `rounds=N$` or 5,000. */
function shaCrypt({ format, id, algorithm, bytes, characters, order }: Variant): DigestKind {
  const form = new RegExp(`^\\$${id}\\$(?:rounds=(\\d{1,9})\\$)?([^$]{0,16})\\$([./0-9A-Za-z]{${characters}})$`);
  return defineKind<{ readonly rounds: number; readonly salt: Buffer; readonly key: string }>({
    format,
    read: (digest) => {
      const found = form.exec(digest);
      if (!found) return undefined;
      const [, rounds, salt = '', key = ''] = found;
      return { rounds: rounds === undefined ? ROUNDS_DEFAULT : Number(rounds), salt: Buffer.from(salt), key };
    },
    isWithinBounds: ({ rounds, salt }) => rounds >= ROUNDS_MIN && rounds <= ROUNDS_MAX && salt.length <= 16,
    workMs: ({ rounds }) => hashingMs('crypt', rounds),
    verify: (password, { rounds, salt, key }) => {
      const text = Buffer.from(password, 'utf8');
      const digest = compute(algorithm, bytes, { text, rounds, salt });
      const written = order.map((group) => {
        const [high, middle, low] = [...Array<number>(3 - group.length).fill(-1), ...group] as [number, number, number];
        return toCrypt64(digest[high] ?? 0, digest[middle] ?? 0, digest[low] as number, group.length + 1);
      });
      return timingSafeEqual(Buffer.from(written.join('')), Buffer.from(key));
    },
  });
}

type Input = { readonly text: Buffer; readonly rounds: number; readonly salt: Buffer };

function compute(algorithm: 'sha256' | 'sha512', bytes: number, { text, rounds, salt }: Input): Buffer {
  const repeat = (block: Buffer, length: number): Buffer => Buffer.alloc(length, block);
  const inner = createHash(algorithm).update(text).update(salt).update(text).digest();
  const first = createHash(algorithm).update(text).update(salt).update(repeat(inner, text.length));
  for (let left = text.length; left > 0; left >>= 1) first.update((left & 1) === 1 ? inner : text);
  let state = first.digest();
  const ofText = createHash(algorithm);
  for (let left = text.length; left > 0; left -= 1) ofText.update(text);
  const p = repeat(ofText.digest(), text.length);
  const ofSalt = createHash(algorithm);
  for (let left = 16 + (state[0] as number); left > 0; left -= 1) ofSalt.update(salt);
  const s = repeat(ofSalt.digest(), salt.length);
  // One buffer for every round: a round is the state, the password and the salt, in an order that its number gives.
  const block = Buffer.alloc(bytes + 2 * p.length + s.length);
  for (let round = 0; round < rounds; round += 1) {
    let length = (round & 1) === 1 ? p.copy(block) : state.copy(block);
    if (round % 3 !== 0) length += s.copy(block, length);
    if (round % 7 !== 0) length += p.copy(block, length);
    length += (round & 1) === 1 ? state.copy(block, length) : p.copy(block, length);
    state = hashOnce(algorithm, block.subarray(0, length), 'buffer');
  }
  return state;
}

export const sha256Crypt = shaCrypt({
  format: 'sha256-crypt',
  id: '5',
  algorithm: 'sha256',
  bytes: 32,
  characters: 43,
  order: [
    ...turning(
      10,
      10,
      (at) =>
        [
          [0, 1, 2],
          [2, 0, 1],
          [1, 2, 0],
        ][at] as number[],
    ),
    [31, 30],
  ],
});

export const sha512Crypt = shaCrypt({
  format: 'sha512-crypt',
  id: '6',
  algorithm: 'sha512',
  bytes: 64,
  characters: 86,
  order: [
    ...turning(
      21,
      21,
      (at) =>
        [
          [0, 1, 2],
          [1, 2, 0],
          [2, 0, 1],
        ][at] as number[],
    ),
    [63],
  ],
});
