import type { Json } from '#services/core/audit/log/canonical-json.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { isAppError } from '#services/platform/define/error.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import type { SignOffView } from './contract.ts';
import { finishSignOff } from './finish-signoff.ts';
import { type StartInput, type StartSignOffPorts, startSignOff } from './start-signoff.ts';

export type RunSignOffPorts = StartSignOffPorts & Pick<Ports, 'random'>;

/**
 * Starts an approved act, runs it with the approved arguments, and reports its end: at most once for a sign-off, however
 * often and however concurrently it is called. A process that dies meanwhile leaves it `interrupted`, never run twice.
 * @example await runSignedOff(ports, { signoff_id, act: 'keys.rotate', arguments: input }, () => rotate(input), caller)
 */
export async function runSignedOff<T>(
  ports: RunSignOffPorts,
  input: StartInput,
  work: (approved: Json) => Promise<T>,
  caller: Caller,
): Promise<{ readonly result: T; readonly signOff: SignOffView }> {
  const chosen = { signoff_id: input.signoff_id };
  const started = await startSignOff(ports, input, caller);
  let result: T;
  try {
    result = await work(started.arguments as Json);
  } catch (err) {
    const failure = isAppError(err) ? err.code : errorCodeOf(err);
    await finishSignOff(ports, { ...chosen, outcome: 'failed', failure }, caller).catch(() => {});
    throw err;
  }
  return { result, signOff: await finishSignOff(ports, { ...chosen, outcome: 'done' }, caller) };
}
