import { describeLog, type LogDescription } from '#services/core/audit/seal/describe-log.ts';
import { type Check, fail, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import type { Config } from '#services/platform/config/load.ts';
import { withAuditLog } from '../audit/ports.ts';

/** Sealing runs every second: if an event waits longer than this, sealing does not work. */
const WAIT_BOUND_SECONDS = 60;

const FIX = {
  database_behind: 'restore the newer database, or accept the loss: npx sallyport audit continue --reason …',
  forked: 'find out who wrote the other history, then: npx sallyport audit continue --reason …',
  tiles_damaged: 'run npx sallyport audit verify: it names the damaged place',
  continued_elsewhere: 'if an operator continued the log, accept it here: npx sallyport audit continue --reason …',
  log_forged_continuation: 'treat it as tampering: see docs/runbooks/AuditSealingStopped.md',
} as const;

function logResult(log: LogDescription | null): Result {
  if (log === null) return warn('nothing has been sealed yet', 'npm start runs a worker, which seals');
  const { head, status, stoppedReason, signedSize, waiting, contradictions } = log;
  const evidence = `${head.origin} has ${head.size} events, ${signedSize ?? 0} of them signed, ${waiting.backlog} waiting`;
  const stopped = status === 'current' || status === 'swap' ? stoppedReason : status;
  if (stopped !== null) return fail(`${evidence}; sealing has stopped (${stopped})`, FIX[stopped]);
  if (contradictions.length > 0)
    return fail(
      `${evidence}; ${contradictions.join('; ')}`,
      'run npx sallyport audit verify: it names the missing events',
    );
  if (waiting.oldest_age_seconds > WAIT_BOUND_SECONDS)
    return fail(
      `${evidence}, the oldest for ${Math.round(waiting.oldest_age_seconds)} s`,
      'check that a worker runs and Redis answers: npx sallyport queue list',
    );
  if (waiting.stray > 0)
    return warn(
      `${evidence}, ${waiting.stray} outside every daily partition`,
      'check that the clean-up job runs: npx sallyport queue list',
    );
  return pass(evidence);
}

function sinksResult(log: LogDescription | null, { audit, server }: Config): Result {
  if (audit.sinks.length === 0)
    return warn(
      'none: an attacker with write access to the database could rewrite the log undetected',
      'set AUDIT_CHECKPOINT_SINKS to file, witness or s3',
    );
  const states = log?.sinks ?? [];
  const failing = states.find((row) => row.failing_since !== null);
  if (failing)
    return fail(
      `${failing.sink} has failed since ${failing.failing_since}`,
      'see the worker log for the cause, and fix it',
    );
  const sizes = states.map(({ sink, size }) => `${sink} has ${size}`).join(', ');
  const evidence = `${audit.sinks.join(', ')}${sizes === '' ? '; nothing published yet' : `; ${sizes}`}`;
  if (server.profile === 'production' && audit.sinks.every((sink) => sink === 'file'))
    return warn(
      `${evidence}; on this machine only`,
      'add witness or s3, or carry AUDIT_CHECKPOINT_DIR off the machine',
    );
  return pass(evidence);
}

const described = (resultOf: (log: LogDescription | null, settings: Config) => Result) => (): Promise<Result> =>
  withAuditLog(async (ports) => resultOf(await describeLog(ports), ports.settings));

/** The sealed log and the sinks of its heads. */
export const auditChecks: readonly Check[] = [
  { name: 'audit log', needs: 'databaseUrl', run: described(logResult) },
  { name: 'audit sinks', needs: 'databaseUrl', run: described(sinksResult) },
];
