import { hash } from 'node:crypto';

const WORDS = 8;
/** Sums of so many 32-bit words stay below 2^53. */
const CARRY_EVERY = 1_000_000;
const NEWLINE = 0x0a;

/** Number of rows of a table, and a digest that does not depend on their order. */
type TableSum = { readonly rows: number; readonly digest: string };

type TableDigest = {
  /** Takes one row of COPY's text format, with its newline. */
  addRow(row: Buffer): void;
  /** Takes the next bytes of COPY's text format; rows may be cut anywhere. */
  addBytes(bytes: Buffer): void;
  sum(): TableSum;
};

/**
 * Adds the SHA-256 of each row modulo 2^256, so that a table has the same digest in whatever order it is read. It shows
 * accidents (a row lost, doubled or changed on the way); against forgery the backup itself is authenticated.
 */
export function createTableDigest({ carryEvery = CARRY_EVERY } = {}): TableDigest {
  const words = new Float64Array(WORDS);
  let rows = 0;
  let rest = Buffer.alloc(0);

  function carry(): void {
    let over = 0;
    for (let at = 0; at < WORDS; at += 1) {
      const word = (words[at] as number) + over;
      over = Math.floor(word / 2 ** 32);
      words[at] = word % 2 ** 32;
    }
  }

  function addRow(row: Buffer): void {
    const digest = hash('sha256', row, 'buffer');
    for (let at = 0; at < WORDS; at += 1) words[at] = (words[at] as number) + digest.readUInt32LE(at * 4);
    rows += 1;
    if (rows % carryEvery === 0) carry();
  }

  return {
    addRow,
    addBytes(bytes) {
      // Newlines inside values are escaped, so each one ends a row.
      let all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      for (let end = all.indexOf(NEWLINE); end !== -1; end = all.indexOf(NEWLINE)) {
        addRow(all.subarray(0, end + 1));
        all = all.subarray(end + 1);
      }
      rest = Buffer.from(all);
    },
    sum() {
      carry();
      const bytes = Buffer.alloc(WORDS * 4);
      for (let at = 0; at < WORDS; at += 1) bytes.writeUInt32LE(words[at] as number, at * 4);
      return { rows, digest: bytes.toString('hex') };
    },
  };
}
