import { revocationCollapses } from '#observability/metrics/revocations.ts';
import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { revocationsCollapsed } from './audit-events.ts';
import type { HasRevocationPush, HasRevocations } from './revocation-set.ts';
import {
  type Collapsed,
  type Crowd,
  collapseInto,
  lockCollapse,
  readCrowdedClients,
  readCrowdedUsers,
  readLiveRevocations,
} from './revocations.store.ts';

/** Users or clients per transaction, which locks the feed's counter until it commits. The next run continues. */
const CROWD_LIMIT = 500;
/** A collapse removes entries until this share of the budget is left. */
const RELIEVED_SHARE = 0.8;
/** Raising the epoch of every client revokes every token, so it happens only beyond this many times the budget. */
const GLOBAL_FACTOR = 2;

export type CollapseResult = Collapsed & { readonly into: 'user' | 'client' | 'global' };

const system: Caller = {
  kind: 'system',
  name: 'collapse-revocations',
  request: { ip: '', userAgent: '', traceId: '', traceparent: '' },
};

/** The users or clients with the most entries, as many as needed to remove `excess` entries. */
function enough(crowds: readonly Crowd[], excess: number): Crowd[] {
  let left = excess;
  return crowds.filter(({ entries }) => {
    const isNeeded = left > 0;
    left -= entries - 1;
    return isNeeded;
  });
}

/**
 * Beyond the budget this raises token epochs in place of single revocations: first of the users with the most
 * revocations, then of clients, and beyond twice the budget of all clients. No revocation is lost: an epoch rejects every
 * token that the rows rejected and more, so the affected users must sign in again. Epochs are stored in the database, so
 * no clocks are compared, and every copy and every external verifier decides alike.
 *
 * Many users with one revocation each cannot be collapsed, because an epoch is an entry too. The set then exceeds its
 * budget; operators were alerted at 80 %.
 */
export async function collapseRevocations(
  ports: Pick<Ports, 'transact' | 'log'> & HasRevocations & HasRevocationPush,
  budget: number,
): Promise<CollapseResult | null> {
  const { entries } = ports.revocations.state();
  if (entries <= budget || ports.revocations.refusal() !== null) return null;
  const result = await ports.transact(async (tx) => {
    if (!(await lockCollapse(tx))) return null;
    await setAuditContext(tx, system, 'revocation_budget');
    const done = await collapse(tx, budget);
    if (!done) return null;
    const { into, raised, collapsed } = done;
    await recordEvent(tx, system, revocationsCollapsed, {
      outcome: into,
      detail: { raised, collapsed, entries, budget },
    });
    tx.afterCommit(ports.announceRevocations);
    return done;
  });
  if (result) {
    revocationCollapses.add(1, { into: result.into });
    ports.log.error(
      { ...result, entries, budget },
      'REVOCATION_BUDGET exceeded: revocations were collapsed into epochs',
    );
  }
  return result;
}

/** Counts rows in the database, because the memory of a copy is some seconds behind. */
async function collapse(tx: Tx, budget: number): Promise<CollapseResult | null> {
  const { live, of_tokens: ofTokens } = await readLiveRevocations(tx);
  if (live <= budget) return null;
  const excess = live - budget * RELIEVED_SHARE;
  const users = enough(await readCrowdedUsers(tx, CROWD_LIMIT), excess);
  if (users.length > 0) return { into: 'user', ...(await collapseInto(tx, 'user', users)) };
  const clients = enough(await readCrowdedClients(tx, CROWD_LIMIT), excess);
  if (clients.length > 0) return { into: 'client', ...(await collapseInto(tx, 'client', clients)) };
  // Raising every client's epoch removes only revocations of tokens and families; those of sessions and epochs stay.
  if (live <= budget * GLOBAL_FACTOR || ofTokens < live / 2) return null;
  return { into: 'global', ...(await collapseInto(tx, 'client', null)) };
}
