import { signOffEvents } from '#observability/metrics/signoff.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import type { HasAccess } from '../access/access-directory.ts';
import type { Json } from '../audit/log/canonical-json.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports } from '../ports.ts';
import { isIncidentOpen } from '../security/open-incident.ts';
import { signOffFinished, signOffRefused, signOffStarted } from './audit-events.ts';
import { bindArguments } from './bind-arguments.ts';
import type { SignOffView } from './contract.ts';
import {
  signOffArgumentsChanged,
  signOffConditionUnmet,
  signOffNotRunnable,
  signOffNotRunning,
  signOffUnknown,
} from './errors.ts';
import { isRequester } from './requester.ts';
import { approvalsOf, factsOf, signOffViewOf } from './signoff-view.ts';
import {
  finishSignOffRow,
  lockSignOff,
  readSignOffRow,
  type SignOffRow,
  startSignOffRow,
  withdrawSignOffRow,
} from './signoffs.store.ts';

/** The share of compliance controls that pass, 0 to 100; null before the first check. */
export type HasSecurityScore = { readonly readSecurityScore: () => Promise<number | null> };

export type RunSignOffPorts = Pick<Ports, 'transact' | 'sql' | 'random'> & HasAccess & HasSecurityScore;

export type StartInput = { readonly signOffId: string; readonly act: string; readonly arguments: unknown };

/** `failure` of a sign-off that its requester took back. */
export const WITHDRAWN = 'withdrawn';

async function assertConditions(ports: RunSignOffPorts, row: SignOffRow): Promise<void> {
  const { minSecurityScore: least, noOpenIncident } = row;
  if (least !== null) {
    const score = await ports.readSecurityScore();
    if (score === null || score < least)
      throw signOffConditionUnmet({ detail: `The security score is ${score ?? 'unknown'}; ${least} is required.` });
  }
  if (noOpenIncident && (await isIncidentOpen(ports)))
    throw signOffConditionUnmet({ detail: 'A security incident of severity high or critical is open.' });
}

/** The agent that calls, by itself or with a token of its owner. */
function agentOf({ access }: HasAccess, caller: Caller): { agent_id?: string } {
  if (caller.kind !== 'client' && caller.kind !== 'user') return {};
  return access.client(caller.clientId)?.agent == null ? {} : { agent_id: caller.clientId };
}

/** The sign-off if the caller requested it, else the 404 of a missing one. */
function ownRow(row: SignOffRow | undefined, caller: Caller): SignOffRow {
  if (row === undefined || !isRequester(row, caller)) throw signOffUnknown();
  return row;
}

function assertRunnable(row: SignOffRow, act: string, argumentsSha256: string): void {
  if (row.act !== act || row.argumentsSha256 !== argumentsSha256) throw signOffArgumentsChanged({ isRecorded: true });
  if (row.state !== 'approved') throw signOffNotRunnable({ detail: `The sign-off is ${row.state}.`, isRecorded: true });
}

/**
 * Starts an approved act: succeeds once for a sign-off, and only for its requester with the approved act and arguments,
 * while its conditions are met. The caller that gets an answer runs the act and reports its end with `finishSignOff`; if
 * it never does, the act is not started again.
 * Throws `signoff_arguments_invalid` (400), `signoff_unknown` (404), `signoff_arguments_changed`,
 * `signoff_not_runnable`, `signoff_condition_unmet` (409).
 */
export async function startSignOff(
  ports: RunSignOffPorts,
  { signOffId, act, arguments: given }: StartInput,
  caller: Caller,
): Promise<SignOffView> {
  const { sha256 } = bindArguments(given);
  const before = ownRow(await readSignOffRow(ports.sql, signOffId), caller);
  try {
    assertRunnable(before, act, sha256);
    await assertConditions(ports, before);
    const row = await ports.transact(async (tx) => {
      const locked = ownRow(await lockSignOff(tx, signOffId), caller);
      assertRunnable(locked, act, sha256);
      if (!(await startSignOffRow(tx, signOffId))) throw signOffNotRunnable({ isRecorded: true });
      await recordEvent(tx, caller, signOffStarted, {
        outcome: 'ok',
        target: { kind: 'signoff', id: signOffId },
        detail: { ...factsOf(locked), approvals: approvalsOf(locked) },
      });
      return (await readSignOffRow(tx, signOffId)) as SignOffRow;
    });
    signOffEvents.add(1, { event: 'started' });
    return signOffViewOf(row);
  } catch (err) {
    if (!isAppError(err) || err.options.isRecorded !== true) throw err;
    await recordEvent(ports.sql, caller, signOffRefused, {
      outcome: 'refused',
      target: { kind: 'signoff', id: signOffId },
      detail: { ...factsOf(before), ...agentOf(ports, caller), code: err.code },
    });
    signOffEvents.add(1, { event: 'refused' });
    throw err;
  }
}

/**
 * Reports the end of an act that runs; its event is what the receipt proves. Throws `signoff_unknown` (404),
 * `signoff_not_running` (409), also if the agent was killed meanwhile.
 */
export async function finishSignOff(
  ports: Pick<Ports, 'transact' | 'random'>,
  input: { readonly signOffId: string; readonly outcome: 'done' | 'failed'; readonly failure?: string | undefined },
  caller: Caller,
): Promise<SignOffView> {
  const { signOffId, outcome } = input;
  const failure = outcome === 'failed' ? (input.failure ?? 'failed') : null;
  const row = await ports.transact(async (tx) => {
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
      detail: { ...factsOf(locked), approvals: approvalsOf(locked), act_failure: WITHDRAWN },
    });
    return true;
  });

/**
 * Starts an approved act, runs it with the approved arguments, and reports its end: at most once for a sign-off, however
 * often and however concurrently it is called. A process that dies meanwhile leaves it `interrupted`, never run twice.
 * @example await runSignedOff(ports, { signOffId, act: 'keys.rotate', arguments: input }, () => rotate(input), caller)
 */
export async function runSignedOff<T>(
  ports: RunSignOffPorts,
  input: StartInput,
  work: (approved: Json) => Promise<T>,
  caller: Caller,
): Promise<{ readonly result: T; readonly signOff: SignOffView }> {
  const { signOffId } = input;
  const started = await startSignOff(ports, input, caller);
  let result: T;
  try {
    result = await work(started.arguments as Json);
  } catch (err) {
    const failure = isAppError(err) ? err.code : errorCodeOf(err);
    await finishSignOff(ports, { signOffId, outcome: 'failed', failure }, caller).catch(() => {});
    throw err;
  }
  return { result, signOff: await finishSignOff(ports, { signOffId, outcome: 'done' }, caller) };
}
