import { signOffEvents } from '#observability/metrics/signoff.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { signOffFinished } from './audit-events.ts';
import type { SignOffView } from './contract.ts';
import { signOffNotRunning } from './errors.ts';
import { assertLives, assertSignedIn, ownRow, requesterOf } from './requester.ts';
import { approvalsOf, factsOf, requirementsOf, signOffViewOf } from './signoff-view.ts';
import {
  finishSignOffRow,
  lockSignOff,
  readSignOffRow,
  type SignOffRow,
  withdrawSignOffRow,
} from './signoffs.store.ts';

/** `failure` of a sign-off that its requester took back. */
export const WITHDRAWN = 'withdrawn';

/**
 * Reports the end of an act that runs; its event is what the receipt proves. Throws `signoff_sign_in_required`,
 * `signoff_requester_ended` (403), also if the agent was killed meanwhile, `signoff_unknown` (404), `signoff_not_running`
 * (409).
 */
export async function finishSignOff(
  ports: Pick<Ports, 'transact' | 'random'>,
  input: { readonly signoff_id: string; readonly outcome: 'done' | 'failed'; readonly failure?: string | undefined },
  caller: Caller,
): Promise<SignOffView> {
  const { signoff_id: signOffId, outcome } = input;
  const failure = outcome === 'failed' ? (input.failure ?? 'failed') : null;
  const requester = requesterOf(caller);
  const row = await ports.transact(async (tx) => {
    if (requester !== null) await assertLives(tx, requester);
    await assertSignedIn(tx, caller);
    const locked = ownRow(await lockSignOff(tx, signOffId), caller);
    const eventId = ports.random.uuid();
    if (!(await finishSignOffRow(tx, signOffId, { state: outcome, failure, eventId })))
      throw signOffNotRunning({
        detail: `The sign-off is ${locked.state}${locked.failure === null ? '' : ` (${locked.failure})`}.`,
      });
    await recordEvent(tx, caller, signOffFinished, {
      outcome,
      eventId,
      target: { kind: 'signoff', id: signOffId },
      detail: {
        ...factsOf(locked),
        ...requirementsOf(locked),
        approvals: approvalsOf(locked),
        ...(failure === null ? {} : { act_failure: failure }),
      },
    });
    return (await readSignOffRow(tx, signOffId)) as SignOffRow;
  });
  signOffEvents.add(1, { event: outcome });
  return signOffViewOf(row);
}

/**
 * Takes a request back, so that its act never starts, even if a process is about to start it. False if the act has
 * started or the sign-off has ended. Throws `signoff_unknown` (404).
 */
export const withdrawSignOff = (ports: Pick<Ports, 'transact'>, signOffId: string, caller: Caller): Promise<boolean> =>
  ports.transact(async (tx) => {
    const locked = ownRow(await lockSignOff(tx, signOffId), caller);
    if (!(await withdrawSignOffRow(tx, signOffId))) return false;
    await recordEvent(tx, caller, signOffFinished, {
      outcome: 'failed',
      target: { kind: 'signoff', id: signOffId },
      detail: {
        ...factsOf(locked),
        ...requirementsOf(locked),
        approvals: approvalsOf(locked),
        act_failure: WITHDRAWN,
      },
    });
    return true;
  });
