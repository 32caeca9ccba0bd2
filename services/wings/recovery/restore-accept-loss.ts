import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import { makeReplacements, replaceAllKeys } from '#services/core/keys/replace-all-keys.ts';
import type { Caller, Marks, Ports } from '#services/core/ports.ts';
import { type DatabaseStatus, databaseStatus } from '#services/core/revocations/high-water-marks.ts';
import { restoreAccepted } from '#services/wings/recovery/audit-events.ts';
import { nothingToAccept } from '#services/wings/recovery/errors.ts';
import { beginIncarnation, endEverything, type LiveCounts, readFeedState, readLiveCounts } from './restore.store.ts';

const REASON = 'restore_accepted';

export type RestorePlan = {
  readonly standing: DatabaseStatus;
  readonly database: Marks;
  readonly marks: Marks | null;
  /** What would end. */
  readonly live: LiveCounts;
};

export type AcceptedLoss = {
  readonly incarnation: string;
  readonly replaced: string;
  readonly ended: LiveCounts;
  readonly keysCompromised: readonly string[];
  readonly keysCreated: readonly string[];
};

/** Compares the database with its high-water marks and counts what accepting a loss would end. Changes nothing. */
export async function planRestore(ports: Pick<Ports, 'sql' | 'marks'>): Promise<RestorePlan> {
  const marks = await ports.marks.read();
  const { replaced, ...database } = await readFeedState(ports.sql);
  const standing = databaseStatus({ ...database, replaced }, marks);
  return { standing, database, marks, live: await readLiveCounts(ports.sql) };
}

/** @throws nothingToAccept (409) */
export function assertLoss({ standing }: RestorePlan, isForced: boolean): void {
  if ((standing === 'current' || standing === 'replaced') && !isForced) throw nothingToAccept();
}

/**
 * Makes a rewound database usable again by ending everything that could be out of date. One transaction ends every
 * family and session, raises the epochs of all users and clients, marks every key as compromised and replaces it, begins
 * a new incarnation, and audits each change. The high-water marks are raised after the commit. Until then the new
 * incarnation names the one it replaces, so a crash in between does no harm, and copies on other hosts update their marks.
 *
 * @throws nothingToAccept (409) if the database matches its marks, unless forced; KeyMaterialError; storeUnavailable
 */
export async function restoreAcceptLoss(
  ports: Pick<Ports, 'transact' | 'sql' | 'vault' | 'random' | 'marks'>,
  input: { readonly isForced: boolean },
  caller: Caller,
): Promise<AcceptedLoss> {
  const plan = await planRestore(ports);
  assertLoss(plan, input.isForced);
  const { marks, database } = plan;
  const replacements = await makeReplacements(ports);
  const done = await ports.transact(async (tx) => {
    await setAuditContext(tx, caller, REASON);
    const ended = await endEverything(tx, REASON);
    const { compromised, created } = await replaceAllKeys(ports, tx, replacements, REASON, caller);
    await beginIncarnation(tx, marks);
    const { incarnation } = await readFeedState(tx);
    await recordEvent(tx, caller, restoreAccepted, {
      target: { kind: 'installation', id: incarnation },
      detail: { replaced: database.incarnation, marks, ended, keys: compromised.length },
    });
    return { incarnation, replaced: database.incarnation, ended, keysCompromised: compromised, keysCreated: created };
  });
  const { replaced, ...begun } = await readFeedState(ports.sql);
  await ports.marks.raise(begun, replaced);
  return done;
}
