import { signOffEvents } from '#observability/metrics/signoff.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { unauthenticated } from '#services/platform/errors.ts';
import { signOffRequested } from './audit-events.ts';
import { bindArguments } from './bind-arguments.ts';
import type { SignOffView } from './contract.ts';
import { signOffTooMany } from './errors.ts';
import { assertLives, assertNoAgentBehind, assertSignedIn, barredUsersOf, requesterOf } from './requester.ts';
import { factsOf, requirementsOf, signOffViewOf } from './signoff-view.ts';
import { countOpenSignOffs, insertSignOff, lockPolicyOf, readSignOffRow, type SignOffRow } from './signoffs.store.ts';
import { type AskedTerms, termsUnder } from './under-policy.ts';

export type SignOffRequest = AskedTerms & {
  /** Name of the act, such as `keys.rotate`. */
  readonly act: string;
  /** What the people who decide read first. */
  readonly title: string;
  /** Any JSON value: the exact arguments with which the act will run. */
  readonly arguments: unknown;
};

/** How many open sign-offs a requester can have (SIGNOFFS_OPEN_PER_REQUESTER). */
export type HasSignOffLimit = { readonly openSignOffsMax: number };

/**
 * Requests the approval of one act with exactly these arguments. Throws `request_invalid`, `signoff_arguments_invalid`,
 * `signoff_quorum_invalid`, `signoff_below_policy` (400), `signoff_owner_required`, `signoff_sign_in_required`,
 * `signoff_requester_ended` (403), `signoff_too_many` (409).
 */
export async function requestSignOff(
  ports: Pick<Ports, 'transact' | 'random'> & HasSignOffLimit,
  request: SignOffRequest,
  caller: Caller,
): Promise<SignOffView> {
  const requester = requesterOf(caller);
  if (requester === null) throw unauthenticated();
  assertNoAgentBehind(requester, caller);
  const bound = bindArguments(request.arguments);
  const id = ports.random.uuid();
  const row = await ports.transact(async (tx) => {
    await assertLives(tx, requester);
    await assertSignedIn(tx, caller);
    const barredUsers = await barredUsersOf(tx, requester);
    if ((await countOpenSignOffs(tx, requester)) >= ports.openSignOffsMax) throw signOffTooMany();
    // After the wait for other requests: the policy that counts is the one at the insert.
    const terms = termsUnder(await lockPolicyOf(tx, request.act), request);
    await insertSignOff(tx, {
      ...requester,
      id,
      act: request.act,
      title: request.title,
      arguments: bound.text,
      arguments_sha256: bound.sha256,
      barredUsers,
      ...terms,
    });
    const made = (await readSignOffRow(tx, id)) as SignOffRow;
    await recordEvent(tx, caller, signOffRequested, {
      outcome: 'ok',
      target: { kind: 'signoff', id },
      detail: { ...factsOf(made), ...requirementsOf(made) },
    });
    return made;
  });
  signOffEvents.add(1, { event: 'requested' });
  return signOffViewOf(row);
}
