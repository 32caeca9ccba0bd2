import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import { compromiseKey } from '#services/core/keys/compromise-key.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { HasKeysChanged } from '#services/core/keys/rotate-signing-keys.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { databaseStatus } from '#services/core/revocations/high-water-marks.ts';
import { feedRestored } from '#services/wings/recovery/audit-events.ts';
import { nothingToAccept } from '#services/wings/recovery/errors.ts';
import { readFeedState } from '../restore.store.ts';
import { feedIncomplete, feedOfAnother } from './backup-errors.ts';
import { applyFeedEntries, type FeedEffects, raiseFeedEpoch } from './feed.store.ts';
import { type FeedProof, type KeptSegment, openSegment, proofOf } from './feed-segments.ts';

type FeedPorts = Pick<Ports, 'sql' | 'transact' | 'vault' | 'random' | 'marks'> & HasKeyRing & HasKeysChanged;

type FeedPlan = FeedProof & {
  /** Epoch of the database. */
  readonly from: number;
  readonly segments: number;
};

type RestoredFeed = Omit<FeedPlan, 'entries'> &
  FeedEffects & { readonly keysCompromised: readonly string[]; readonly incarnation: string };

/**
 * Verifies kept segments of the feed, and what they prove that the database does not have. Changes nothing.
 * @throws feedInvalid (422), feedOfAnother, feedIncomplete, nothingToAccept (409)
 */
export async function planFeedRestore(
  ports: Pick<FeedPorts, 'sql' | 'marks' | 'keyRing'>,
  kept: readonly KeptSegment[],
): Promise<FeedPlan> {
  await ports.keyRing.load();
  const marks = await ports.marks.read();
  const state = await readFeedState(ports.sql);
  const segments = kept.map((each) => openSegment(ports.keyRing, each));
  const proof = proofOf(segments, state.incarnation, state.revocationEpoch);
  const standing = databaseStatus(state, marks);
  if (standing === 'replaced' || (marks !== null && marks.incarnation !== state.incarnation)) throw feedOfAnother();
  if (standing !== 'rewound' && proof.to === state.revocationEpoch) throw nothingToAccept();
  if (marks !== null && proof.to < marks.revocationEpoch)
    throw feedIncomplete({
      detail: `the segments end at epoch ${proof.to}, and the high-water marks know ${marks.revocationEpoch}`,
    });
  return { ...proof, from: state.revocationEpoch, segments: segments.length };
}

/**
 * Writes the revocations that a database has lost and that kept segments of its own signed feed prove, and ends what
 * they are about: then nothing that was revoked is accepted, the incarnation stays, and tokens stay valid. What the feed
 * does not carry stays lost: sessions and families of the missing time, and changes of accounts and roles.
 *
 * The counters go above all that a consumer of the feed may have seen, so each reads the revocations once more. A crash
 * at any point leaves the database behind its marks, or done.
 * @throws like `planFeedRestore`
 */
export async function restoreFromFeed(
  ports: FeedPorts,
  kept: readonly KeptSegment[],
  caller: Caller,
): Promise<RestoredFeed> {
  const { entries, ...plan } = await planFeedRestore(ports, kept);
  // Before the database is trusted again: a key that was stolen must not sign.
  const keysCompromised: string[] = [];
  for (const { kind, value: kid } of entries) {
    const known = kind === 'key' ? ports.keyRing.find(kid) : undefined;
    if (known === undefined || known.compromised) continue;
    await compromiseKey(ports, { kid, reason: 'restored_from_feed' }, caller);
    keysCompromised.push(kid);
  }
  const effects = await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, 'restored_from_feed');
    const applied = await applyFeedEntries(tx, entries);
    await raiseFeedEpoch(tx, plan.to, await ports.marks.read());
    const { users, clients, ...counts } = applied;
    const detail = { ...plan, ...counts, users: users.length, clients: clients.length, keys: keysCompromised.length };
    const { incarnation } = await readFeedState(tx);
    await recordEvent(tx, caller, feedRestored, { target: { kind: 'installation', id: incarnation }, detail });
    return { ...applied, incarnation };
  });
  const { replaced: _replaced, ...begun } = await readFeedState(ports.sql);
  await ports.marks.raise(begun);
  return { ...plan, ...effects, keysCompromised };
}
