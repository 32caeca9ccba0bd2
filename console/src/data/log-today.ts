import { type ReadTile, tilePath, verifyConsistency } from './consistency.ts';
import { type Head, openHead } from './inclusion.ts';
import { ProofError } from './notes.ts';
import { numberOfLog } from './trusted-key.ts';

/** Whether the log of today continues an earlier head of it. `unknown`: it is a log of another installation. */
export type Continues =
  | { readonly state: 'holds'; readonly size: number }
  | { readonly state: 'fails' | 'unknown' }
  | { readonly state: 'unread'; readonly error: unknown };

/** The published log needs no sign-in. */
async function published(path: string): Promise<Response> {
  const answer = await fetch(`/v1/audit/log/origins/${path}`, { credentials: 'omit' });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer;
}

/** @param vkeys the keys that the caller trusts; none: it is of another installation */
export async function continuesToday(earlier: Head | undefined, vkeys: readonly string[]): Promise<Continues> {
  if (earlier === undefined) return { state: 'unknown' };
  try {
    const number = await numberOfLog(earlier.origin);
    if (number === undefined) return { state: 'unknown' };
    const later = await openHead(await (await published(`${number}/checkpoint`)).text(), vkeys);
    const tiles = new Map<string, ReturnType<ReadTile>>();
    const readTile: ReadTile = (tile) => {
      const path = tilePath(tile);
      const found =
        tiles.get(path) ??
        published(`${number}/${path}`)
          .then((answer) => answer.arrayBuffer())
          .then((bytes) => new Uint8Array(bytes));
      tiles.set(path, found);
      return found;
    };
    await verifyConsistency(earlier, later, readTile);
    return { state: 'holds', size: later.size };
  } catch (error) {
    return error instanceof ProofError ? { state: 'fails' } : { state: 'unread', error };
  }
}
