import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Tx } from '../ports.ts';
import { keyStopped } from './audit-events.ts';
import { type KeyPolicy, leavesAt } from './key-timeline.ts';
import { type KeyRow, setKeyRange } from './keys.store.ts';

export type StopWork = { readonly policy: KeyPolicy; readonly nowMs: number; readonly caller: Caller };

/** Ends the range of a key that the configuration no longer uses. It verifies until its last token has expired. */
export async function stopSigning(tx: Tx, key: KeyRow, { policy, nowMs, caller }: StopWork): Promise<void> {
  const signsUntil = Math.max(nowMs, key.signs_from + 1);
  const longest = Math.max(key.longest_token_seconds, policy.longest_token_seconds);
  const range = {
    signs_from: key.signs_from,
    signs_until: signsUntil,
    leaves_at: leavesAt(signsUntil, longest, policy),
  };
  await setKeyRange(tx, key.kid, range, longest);
  await recordEvent(tx, caller, keyStopped, { target: { kind: 'key', id: key.kid } });
}
