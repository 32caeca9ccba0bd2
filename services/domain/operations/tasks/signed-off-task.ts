import type { HasAccess } from '../../access/access-directory.ts';
import { readSecurityScore } from '../../compliance/read-security-score.ts';
import type { AsymmetricAlgorithm } from '../../keys/algorithm-shapes.ts';
import { type HasKeysChanged, rotateSigningKeys } from '../../keys/rotate-signing-keys.ts';
import type { Caller, Ports } from '../../ports.ts';
import { readReceipt, readSignOff } from '../../signoff/read-signoff.ts';
import { requestSignOff } from '../../signoff/request-signoff.ts';
import { runSignedOff } from '../../signoff/run-signoff.ts';
import type { TaskKind } from './task-kind.ts';
import type { TaskChange, TaskRow } from './tasks.store.ts';

const ACT = 'keys.rotate';
const ROLES = ['tech_lead', 'security_reviewer'] as const;
const LOOK_SECONDS = 2;

export type RotateBeginPorts = Pick<Ports, 'transact' | 'random'> & HasAccess;
export type RotatePorts = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'> & HasAccess & HasKeysChanged;

const refused = (code: string, task: TaskRow, detail: object = {}): TaskChange => ({
  state: 'completed',
  message: `The act was not run: ${code}.`,
  result: { code, signoff_id: task.subjectId, ...detail },
  isError: true,
});

/**
 * Rotates the signing keys once people in two roles have approved exactly these arguments. `runSignedOff` starts an
 * approved act at most once, whatever repeats a look, so a worker that dies meanwhile never rotates twice.
 */
export const rotateKeysTask: TaskKind<RotateBeginPorts, RotatePorts> = {
  begin: async (ports, input, caller) => {
    const request = { act: ACT, title: 'Rotate the signing keys', arguments: input, requiredRoles: ROLES };
    const { signoff_id: subjectId } = await requestSignOff(ports, request, caller);
    return { subjectId, state: 'input_required', message: `Waits for approval by ${ROLES.join(' and ')}.` };
  },
  advance: async (ports, task, caller) => {
    const signOff = await readSignOff(ports, task.subjectId, caller);
    switch (signOff.state) {
      case 'pending':
        return {
          state: 'input_required',
          message: `Waits for approval by ${signOff.waiting_for.join(' and ')}.`,
          afterSeconds: LOOK_SECONDS,
        };
      case 'approved':
        return run(ports, task, caller);
      case 'running':
        return { state: 'working', message: 'The act is running.', afterSeconds: LOOK_SECONDS };
      case 'done':
      case 'failed': {
        // A sign-off that failed before it started has no receipt: its agent was killed.
        if (signOff.started_at === null) return refused('signoff_failed', task, { failure: signOff.failure });
        const receipt = await readReceipt(ports, task.subjectId, caller);
        const isError = signOff.state === 'failed';
        const message = isError ? 'The act failed.' : 'The act was run.';
        const failure = isError ? { failure: signOff.failure } : {};
        return { state: 'completed', message, isError, result: { ...task.result, ...failure, receipt } };
      }
      default:
        return refused(`signoff_${signOff.state}`, task, { failure: signOff.failure });
    }
  },
  // The approval may still be given; nothing runs for it, because nothing looks at a task that ended.
  cancel: async () => {},
};

async function run(ports: RotatePorts, task: TaskRow, caller: Caller): Promise<TaskChange> {
  await ports.access.load();
  const client = ports.access.client(task.clientId);
  if (client === undefined || client.disabled) return refused('client_disabled', task);
  const { result } = await runSignedOff(
    { ...ports, readSecurityScore: () => readSecurityScore(ports) },
    { signOffId: task.subjectId, act: ACT, arguments: task.arguments },
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
