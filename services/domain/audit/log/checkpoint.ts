import { HASH_BYTES } from './merkle.ts';

/** The head of a log (c2sp.org/tlog-checkpoint). */
export type Checkpoint = { readonly origin: string; readonly size: number; readonly root: Buffer };

/** The text that is signed: origin, size and root, each on its line. */
export const checkpointText = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${root.toString('base64')}\n`;

/**
 * The head in the text of a note; extension lines are passed over.
 * @throws TypeError for a text that is not a checkpoint's
 */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', root = ''] = text.split('\n');
  const bytes = Buffer.from(root, 'base64');
  const isWell =
    text.endsWith('\n') &&
    origin !== '' &&
    /^(0|[1-9]\d{0,15})$/.test(size) &&
    Number.isSafeInteger(Number(size)) &&
    bytes.length === HASH_BYTES &&
    bytes.toString('base64') === root;
  if (!isWell) throw new TypeError('not a checkpoint');
  return { origin, size: Number(size), root: bytes };
}
