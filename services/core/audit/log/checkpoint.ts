import { HASH_BYTES } from './merkle.ts';

/** The head of a log (c2sp.org/tlog-checkpoint). */
export type Checkpoint = { readonly origin: string; readonly size: number; readonly root: Buffer };

/** The signed text: origin, size and root, one line each. */
export const checkpointText = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${root.toString('base64')}\n`;

/**
 * Parses the text of a note. Ignores extension lines.
 * @throws TypeError if the text is not a checkpoint
 */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', root = ''] = text.split('\n');
  const bytes = Buffer.from(root, 'base64');
  const isCheckpoint =
    text.endsWith('\n') &&
    origin !== '' &&
    /^(0|[1-9]\d{0,15})$/.test(size) &&
    Number.isSafeInteger(Number(size)) &&
    bytes.length === HASH_BYTES &&
    bytes.toString('base64') === root;
  if (!isCheckpoint) throw new TypeError('not a checkpoint');
  return { origin, size: Number(size), root: bytes };
}
