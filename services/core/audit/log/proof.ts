import { HASH_BYTES } from './merkle.ts';

const HEADER = 'c2sp.org/tlog-proof@v1';

/** Inclusion proof of a leaf that verifies offline (c2sp.org/tlog-proof). */
type TlogProof = {
  readonly index: number;
  readonly hashes: readonly Uint8Array[];
  readonly checkpoint: string;
  /** Data of the application. The proof does not contain the leaf. */
  readonly extra?: Uint8Array;
};

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** The text of a `.tlog-proof` file. */
export function formatProof({ index, hashes, checkpoint, extra }: TlogProof): string {
  const lines = [
    HEADER,
    ...(extra === undefined ? [] : [`extra ${base64(extra)}`]),
    `index ${index}`,
    ...hashes.map(base64),
  ];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** @throws TypeError if the text is not a `.tlog-proof` */
export function parseProof(text: string): TlogProof {
  const end = text.indexOf('\n\n');
  const [header, ...lines] = text.slice(0, end).split('\n');
  const extra = lines[0]?.startsWith('extra ') ? decoded(lines.shift()?.slice('extra '.length) ?? '') : undefined;
  const [, index] = /^index (0|[1-9]\d{0,15})$/.exec(lines.shift() ?? '') ?? [];
  const hashes = lines.map(decoded);
  if (end < 0 || header !== HEADER || index === undefined || hashes.some(({ length }) => length !== HASH_BYTES))
    throw new TypeError('not a tlog-proof');
  return { index: Number(index), hashes, checkpoint: text.slice(end + 2), ...(extra === undefined ? {} : { extra }) };
}

function decoded(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw new TypeError('not a tlog-proof');
  return bytes;
}
