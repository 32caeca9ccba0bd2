import { createHash } from 'node:crypto';
import { canonicalJson } from '#services/core/audit/log/canonical-json.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import type { CheckPorts, ControlException, MachineControl, Observation } from './control.ts';
import type { ControlStatus } from './control-shapes.ts';

export type CheckResult = {
  readonly status: ControlStatus;
  /** Why the status is not `pass`; null if it is. */
  readonly reason: string | null;
  readonly population: number;
  readonly sampled: number;
  readonly exceptions: readonly ControlException[];
  readonly exception_count: number;
  /** Canonical JSON (RFC 8785) of the observed facts, and the SHA-256 of its bytes, in hex. */
  readonly observed: string;
  readonly observed_sha256: string;
  readonly readOn: Observation['readOn'];
  readonly startedAtMs: number;
  readonly endedAtMs: number;
};

const EXCEPTIONS_KEPT = 20;

class CheckTimedOut extends Error {
  readonly code = 'check_timed_out';
}

/** Runs a check once. Never throws: a check that fails or exceeds its time limit is `unknown`, never `pass`. */
export async function runCheck(
  ports: CheckPorts,
  control: MachineControl,
  { signal, limitMs }: { readonly signal?: AbortSignal; readonly limitMs: number },
): Promise<CheckResult> {
  const startedAtMs = ports.clock.now();
  const settle = (observation: Observation, status: ControlStatus, reason: string | null): CheckResult => {
    const observed = canonicalJson(observation.observed);
    return {
      status,
      reason,
      population: observation.population,
      sampled: observation.sampled ?? observation.population,
      exceptions: observation.exceptions.slice(0, EXCEPTIONS_KEPT),
      exception_count: observation.exceptionCount ?? observation.exceptions.length,
      observed,
      observed_sha256: createHash('sha256').update(observed).digest('hex'),
      readOn: observation.readOn,
      startedAtMs,
      endedAtMs: ports.clock.now(),
    };
  };
  try {
    const observation = await withinLimit((stop) => control.check(ports, stop, control), limitMs, signal);
    return settle(observation, ...statusOf(observation));
  } catch (err) {
    // Only the code: the message of an error may quote a value.
    return settle(
      { population: 0, exceptions: [], observed: {} },
      'unknown',
      `the check did not run: ${errorCodeOf(err)}`,
    );
  }
}

function statusOf(seen: Observation): readonly [ControlStatus, string | null] {
  const broken = seen.exceptionCount ?? seen.exceptions.length;
  const sampled = seen.sampled ?? seen.population;
  if (sampled > seen.population || broken > Math.max(seen.population, 1) || broken < seen.exceptions.length)
    return ['error', 'the check reported more resources than there are'];
  if (broken > 0) return ['fail', seen.exceptions[0]?.why ?? `${broken} exceptions`];
  if (seen.notApplicable !== undefined) return ['not_applicable', seen.notApplicable];
  if (sampled === 0) return ['not_applicable', 'there is nothing yet that the control is about'];
  return ['pass', null];
}

async function withinLimit<T>(
  work: (signal: AbortSignal) => Promise<T>,
  limitMs: number,
  outer: AbortSignal | undefined,
): Promise<T> {
  const limit = new AbortController();
  const signal = outer === undefined ? limit.signal : AbortSignal.any([limit.signal, outer]);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new CheckTimedOut()), limitMs);
  });
  try {
    return await Promise.race([work(signal), late]);
  } finally {
    clearTimeout(timer);
    limit.abort();
  }
}
