import { permissionOf } from '#services/platform/define/endpoint.ts';
import { type ErrorFactory, isAppError } from '#services/platform/define/error.ts';
import type { HasAccess } from '#services/core/access/access-directory.ts';
import { readSecurityScore } from '#services/wings/compliance/read-security-score.ts';
import type { AsymmetricAlgorithm } from '#services/core/keys/algorithm-shapes.ts';
import { rotateKeysEndpoint } from '#services/core/keys/contract.ts';
import { type HasKeysChanged, rotateSigningKeys } from '#services/core/keys/rotate-signing-keys.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { ReceiptView, SignOffView } from '#services/wings/signoff/contract.ts';
import { signOffApprovalVoid, signOffRequesterEnded, signOffUnfinished } from '#services/wings/signoff/errors.ts';
import { WITHDRAWN, withdrawSignOff } from '#services/wings/signoff/finish-signoff.ts';
import { readReceipt, readSignOff } from '#services/wings/signoff/read-signoff.ts';
import { type HasSignOffLimit, requestSignOff } from '#services/wings/signoff/request-signoff.ts';
import { runSignedOff } from '#services/wings/signoff/run-signoff.ts';
import type { AdvanceTask, TaskKind } from './task-kind.ts';
import { holdsPermission, type TaskChange, type TaskRow } from './tasks.store.ts';

const ACT = 'keys.rotate';
const PERMISSION = permissionOf(rotateKeysEndpoint);
const ROLES = ['tech_lead', 'security_reviewer'] as const;
const CHECK_SECONDS = 2;
/** Of the progress: approved and started, and run without its receipt. */
const STARTED_PERCENT = 50;
const RUN_PERCENT = 90;

export type RotateBeginPorts = Pick<Ports, 'transact' | 'random'> & HasSignOffLimit;
export type RotatePorts = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'> & HasAccess & HasKeysChanged;

const isOf = (err: unknown, { definition }: ErrorFactory): boolean => isAppError(err) && err.definition === definition;

const refused = (code: string, task: TaskRow, detail: object = {}): TaskChange => ({
  state: 'completed',
  message: `The act was not run: ${code}.`,
  result: { code, signoff_id: task.subjectId, ...detail },
  isError: true,
});

/** Asks people in two roles to approve exactly these arguments. */
export const rotateKeysTask: TaskKind<RotateBeginPorts> = {
  begin: async (ports, input, caller) => {
    const request = { act: ACT, title: 'Rotate the signing keys', arguments: input, required_roles: ROLES };
    const { signoff_id: subjectId } = await requestSignOff(ports, request, caller);
    return { subjectId, state: 'input_required', message: `Waits for approval by ${ROLES.join(' and ')}.` };
  },
  look: (_ports, { state, result, message }) => {
    const percent = state === 'input_required' ? 0 : result === null ? STARTED_PERCENT : RUN_PERCENT;
    return { percent, message };
  },
  // A worker may be about to run it, so the sign-off itself is withdrawn.
  cancel: (ports, { subjectId }, caller) => withdrawSignOff(ports, subjectId, caller),
};

/**
 * Rotates the signing keys once the people have approved. `runSignedOff` starts an
 * approved act at most once, whatever repeats a check, so a worker that dies meanwhile never rotates twice.
 */
export const advanceRotateKeysTask: AdvanceTask<RotatePorts> = async (ports, task, caller) => {
  const signOff = await readSignOff(ports, { signoff_id: task.subjectId }, caller);
  switch (signOff.state) {
    case 'pending':
      return waitingFor(signOff);
    case 'approved':
      try {
        return await run(ports, task, caller);
      } catch (err) {
        if (isOf(err, signOffApprovalVoid))
          return waitingFor(await readSignOff(ports, { signoff_id: task.subjectId }, caller));
        if (isOf(err, signOffRequesterEnded)) return refused(signOffRequesterEnded.definition.code, task);
        throw err;
      }
    case 'running':
      return { state: 'working', message: 'The act is running.', afterSeconds: CHECK_SECONDS };
    case 'done':
    case 'failed': {
      const receipt = await receiptOf(ports, task, caller);
      if (receipt === null)
        return signOff.failure === WITHDRAWN
          ? { state: 'cancelled', message: 'The caller cancelled the task.' }
          : refused('signoff_failed', task, { failure: signOff.failure });
      const isError = signOff.state === 'failed';
      const message = isError ? 'The act failed.' : 'The act was run.';
      const failure = isError ? { failure: signOff.failure } : {};
      return { state: 'completed', message, isError, result: { ...task.result, ...failure, receipt } };
    }
    default:
      return refused(`signoff_${signOff.state}`, task, { failure: signOff.failure });
  }
};

const waitingFor = ({ waiting_for: roles, expires_at: at }: SignOffView): TaskChange => ({
  state: 'input_required',
  message: `Waits for approval by ${roles.join(' and ')}.`,
  // A decision wakes the task in its own transaction; only the expiry changes no row.
  at,
});

/** Null for a sign-off whose end nothing reported: its agent was killed, or its request withdrawn. */
async function receiptOf(ports: RotatePorts, { subjectId }: TaskRow, caller: Caller): Promise<ReceiptView | null> {
  try {
    return await readReceipt(ports, { signoff_id: subjectId }, caller);
  } catch (err) {
    if (isOf(err, signOffUnfinished)) return null;
    throw err;
  }
}

/** Why the act must not run for its caller any more, although people approved it. */
async function whyNot(ports: RotatePorts, { callerKind, callerId, clientId }: TaskRow): Promise<string | null> {
  await ports.access.load();
  const client = ports.access.client(clientId);
  if (client === undefined || client.disabled) return 'client_disabled';
  const isHeld =
    callerKind === 'client'
      ? client.credential_scopes.includes(PERMISSION)
      : client.scopes.includes(PERMISSION) && (await holdsPermission(ports.sql, callerId, PERMISSION));
  return isHeld ? null : 'permission_missing';
}

async function run(ports: RotatePorts, task: TaskRow, caller: Caller): Promise<TaskChange> {
  const reason = await whyNot(ports, task);
  if (reason !== null) return refused(reason, task);
  const { result } = await runSignedOff(
    { ...ports, readSecurityScore: () => readSecurityScore(ports) },
    { signoff_id: task.subjectId, act: ACT, arguments: task.arguments },
    async (approved) => {
      const { algorithm } = approved as { algorithm?: AsymmetricAlgorithm };
      return rotateSigningKeys(ports, { algorithm }, caller);
    },
    caller,
  );
  const { kid, alg, activates_at: activatesAt } = result.key;
  return {
    state: 'working',
    message: 'The act was run; its receipt is being sealed.',
    result: { kid, alg, activates_at: activatesAt, outcome: result.outcome },
    afterSeconds: 1,
  };
}
