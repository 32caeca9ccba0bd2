import { auditProofPending } from '#services/core/audit/errors.ts';
import type { AsymmetricAlgorithm } from '#services/core/keys/algorithm-shapes.ts';
import { type HasKeysChanged, rotateSigningKeys } from '#services/core/keys/rotate-signing-keys.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import type { TaskAdvance, TaskChange, TaskRow, WhyNot } from '#services/core/shared/task-kind.ts';
import { type ErrorFactory, isAppError } from '#services/platform/define/error.ts';
import type { SignOffView } from './contract.ts';
import {
  agentAmountUnreadable,
  agentLimitReached,
  signOffApprovalVoid,
  signOffRequesterEnded,
  signOffUnfinished,
} from './errors.ts';
import { WITHDRAWN } from './finish-signoff.ts';
import { readReceipt, readSignOff } from './read-signoff.ts';
import { ROTATE_KEYS_ACT, ROTATE_KEYS_PERMISSION, ROTATE_KEYS_TASK } from './rotate-keys-task.ts';
import { type RunSignOffPorts, runSignedOff } from './run-signoff.ts';
import { signOffHint } from './signoff-view.ts';

const CHECK_SECONDS = 2;
const SEALING = {
  state: 'working',
  message: 'The act was run; its receipt is being sealed.',
  afterSeconds: 1,
} as const;

type RotatePorts = RunSignOffPorts & Pick<Ports, 'vault'> & HasKeysChanged;

const isOf = (err: unknown, { definition }: ErrorFactory): boolean => isAppError(err) && err.definition === definition;

const refused = (code: string, task: TaskRow, detail: object = {}): TaskChange => ({
  state: 'completed',
  message: `The act was not run: ${code}.`,
  result: { code, signoff_id: task.subject_id, ...detail },
  isError: true,
});

/**
 * Rotates the signing keys once the people have approved. `runSignedOff` starts an approved act at most once, whatever
 * repeats a check, so a worker that dies meanwhile never rotates twice.
 */
export const advanceRotateKeysTask: TaskAdvance<RotatePorts> = {
  name: ROTATE_KEYS_TASK,
  advance: async (ports, task, caller, whyNot) => {
    const signOff = await readSignOff(ports, { signoff_id: task.subject_id }, caller);
    switch (signOff.state) {
      case 'pending':
        return waitingFor(signOff);
      case 'approved':
        try {
          return await run(ports, task, caller, whyNot);
        } catch (err) {
          if (isOf(err, signOffApprovalVoid))
            return waitingFor(await readSignOff(ports, { signoff_id: task.subject_id }, caller));
          for (const ended of [signOffRequesterEnded, agentLimitReached, agentAmountUnreadable])
            if (isOf(err, ended)) return refused(ended.definition.code, task);
          throw err;
        }
      case 'running':
        return { state: 'working', message: 'The act is running.', afterSeconds: CHECK_SECONDS };
      case 'done':
      case 'failed':
        return await endOf(ports, task, signOff, caller);
      default:
        return refused(`signoff_${signOff.state}`, task, {
          failure: signOff.failure,
          ...signOffHint(signOff, signOff.act, signOff.arguments_sha256),
          next: `Call ${ROTATE_KEYS_TASK} to request another sign-off.`,
        });
    }
  },
};

const waitingFor = ({ waiting_for: roles, expires_at: at }: SignOffView): TaskChange => ({
  state: 'input_required',
  message: `Waits for approval by ${roles.join(' and ')}.`,
  // A decision wakes the task in its own transaction; only the expiry changes no row.
  at,
});

/** Has no receipt if nothing reported the end: the agent was killed, or the request withdrawn. */
async function endOf(ports: RotatePorts, task: TaskRow, signOff: SignOffView, caller: Caller): Promise<TaskChange> {
  const { state, failure } = signOff;
  try {
    const receipt = await readReceipt(ports, { signoff_id: task.subject_id }, caller);
    const isError = state === 'failed';
    const result = { ...task.result, ...(isError && { failure }), receipt };
    return { state: 'completed', message: isError ? 'The act failed.' : 'The act was run.', isError, result };
  } catch (err) {
    if (isOf(err, auditProofPending)) return SEALING;
    if (!isOf(err, signOffUnfinished)) throw err;
    if (failure !== WITHDRAWN) return refused('signoff_failed', task, { failure });
    return { state: 'cancelled', message: 'The caller cancelled the task.' };
  }
}

async function run(ports: RotatePorts, task: TaskRow, caller: Caller, whyNot: WhyNot): Promise<TaskChange> {
  const reason = await whyNot(ROTATE_KEYS_PERMISSION);
  if (reason !== null) return refused(reason, task);
  const { result } = await runSignedOff(
    ports,
    { signoff_id: task.subject_id, act: ROTATE_KEYS_ACT, arguments: task.arguments },
    async (approved) => {
      const { algorithm } = approved as { algorithm?: AsymmetricAlgorithm };
      return rotateSigningKeys(ports, { algorithm }, caller);
    },
    caller,
  );
  const { kid, alg, activates_at: activatesAt } = result.key;
  return { ...SEALING, result: { kid, alg, activates_at: activatesAt, outcome: result.outcome } };
}
