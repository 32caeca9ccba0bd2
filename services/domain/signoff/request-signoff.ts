import { signOffEvents } from '#observability/metrics/signoff.ts';
import { unauthenticated } from '#services/platform/errors.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports } from '../ports.ts';
import { signOffRequested } from './audit-events.ts';
import { bindArguments } from './bind-arguments.ts';
import type { SignOffView } from './contract.ts';
import { signOffQuorumInvalid, signOffTooMany } from './errors.ts';
import { barredUsersOf, requesterOf } from './requester.ts';
import { LIFE_MINUTES_MAX, type SignOffRole } from './signoff-shapes.ts';
import { factsOf, signOffViewOf } from './signoff-view.ts';
import { countOpenSignOffs, insertSignOff, readSignOffRow, type SignOffRow } from './signoffs.store.ts';

export type SignOffRequest = {
  /** Name of the act, such as `keys.rotate`. */
  readonly act: string;
  /** What the people who decide read first. */
  readonly title: string;
  /** Any JSON value: the exact arguments with which the act will run. */
  readonly arguments: unknown;
  readonly requiredRoles: readonly SignOffRole[];
  /** How many of the roles must approve; all by default. */
  readonly quorum?: number | undefined;
  /** Required when the act starts. */
  readonly minSecurityScore?: number | null | undefined;
  readonly noOpenIncident?: boolean | undefined;
  /** Approval and start must be within this time; a day by default, and at most. */
  readonly lifeMinutes?: number | undefined;
};

/** How many open sign-offs a requester can have (SIGNOFFS_OPEN_PER_REQUESTER). */
export type HasSignOffLimit = { readonly openSignOffsMax: number };

/**
 * Requests the approval of one act with exactly these arguments. Throws `signoff_arguments_invalid`,
 * `signoff_quorum_invalid` (400), `signoff_owner_required` (403), `signoff_too_many` (409).
 */
export async function requestSignOff(
  ports: Pick<Ports, 'transact' | 'random'> & HasSignOffLimit,
  request: SignOffRequest,
  caller: Caller,
): Promise<SignOffView> {
  const requester = requesterOf(caller);
  if (requester === null) throw unauthenticated();
  const bound = bindArguments(request.arguments);
  const requiredRoles = [...new Set(request.requiredRoles)];
  const { quorum = requiredRoles.length } = request;
  if (quorum > requiredRoles.length) throw signOffQuorumInvalid();
  const id = ports.random.uuid();
  const requestedBy = { requestedByKind: requester.kind, requestedBy: requester.id };
  const row = await ports.transact(async (tx) => {
    const barredUsers = await barredUsersOf(tx, requester);
    if ((await countOpenSignOffs(tx, requestedBy)) >= ports.openSignOffsMax) throw signOffTooMany();
    await insertSignOff(tx, {
      ...requestedBy,
      id,
      act: request.act,
      title: request.title,
      arguments: bound.text,
      argumentsSha256: bound.sha256,
      clientId: requester.clientId,
      barredUsers,
      requiredRoles,
      quorum,
      minSecurityScore: request.minSecurityScore ?? null,
      noOpenIncident: request.noOpenIncident ?? false,
      lifeMinutes: request.lifeMinutes ?? LIFE_MINUTES_MAX,
    });
    const made = (await readSignOffRow(tx, id)) as SignOffRow;
    await recordEvent(tx, caller, signOffRequested, {
      outcome: 'ok',
      target: { kind: 'signoff', id },
      detail: { ...factsOf(made), required_roles: requiredRoles, quorum },
    });
    return made;
  });
  signOffEvents.add(1, { event: 'requested' });
  return signOffViewOf(row);
}
