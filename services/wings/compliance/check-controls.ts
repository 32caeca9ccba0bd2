import { version } from '#observability/version.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { controlChanged } from './audit-events.ts';
import type { CheckPorts, MachineControl } from './control.ts';
import { isMachine } from './control.ts';
import { type ControlStatus, isRed } from './control-shapes.ts';
import { controls } from './controls/all.ts';
import { type ControlRow, lockControl, readControlRows, storeControl } from './controls.store.ts';
import { storeFindings } from './findings.store.ts';
import { followViolation } from './manage-violations.ts';
import { controlChecks } from './metrics.ts';
import type { ProbeMemory } from './probes/probe-memory.ts';
import { type CheckResult, runCheck } from './run-check.ts';

export { checksAreDue } from './controls.store.ts';

/** Longest time of one check. A thorough check reads every audit event. */
export const LIMIT_MS = { frequent: 10_000, thorough: 1_200_000 } as const;

type CheckedControl = { readonly control: MachineControl; readonly result: CheckResult };

type ChecksInput = {
  readonly pace: MachineControl['pace'];
  readonly signal: AbortSignal;
  /** Passes of probes that may stand; without it, every probe runs. */
  readonly memory?: ProbeMemory;
  /** Other controls than the product's. */
  readonly controls?: readonly MachineControl[];
  readonly limitMs?: number;
};

/**
 * Runs the checks of one pace, one after another. Each thorough result is stored at once; those of quick checks at the end,
 * in one transaction that writes what changed, and the first row, which says when all of them were checked. A change of
 * status is an audit event of the same transaction. A control that turns red is a warning; those that are red at their
 * first check are one line, as several are on every new installation: a warning, and in development, which may lack them,
 * a message. Safe to run twice; ends between two checks when `signal` aborts.
 */
export async function checkControls(
  ports: CheckPorts & Pick<Ports, 'log'>,
  { pace, signal, memory, controls: given, limitMs = LIMIT_MS[pace] }: ChecksInput,
  caller: Caller & { readonly kind: 'system' },
): Promise<CheckedControl[]> {
  const due = (given ?? controls.filter(isMachine)).filter((control) => control.pace === pace);
  const checked: CheckedControl[] = [];
  const redAtFirst: string[] = [];
  const keep = async (results: readonly CheckedControl[], isComplete: boolean): Promise<void> => {
    const before = await store(ports, results, isComplete, caller);
    for (const [at, { control, result }] of results.entries()) {
      if (before[at] === result.status || !isRed(result.status)) continue;
      if (before[at] === undefined) redAtFirst.push(control.name);
      else
        ports.log.warn(
          { control: control.name, status: result.status, exceptions: result.exception_count },
          'a compliance control turned red',
        );
    }
  };
  try {
    const known = await memory?.begin(ports);
    for (const control of due) {
      if (signal.aborted) break;
      const standing = known?.standing(control);
      const result = standing ?? (await runCheck(ports, control, { signal, limitMs }));
      // A check that was cut by the end of its worker says nothing about the control.
      if (signal.aborted && result.status === 'unknown') break;
      controlChecks.add(1, { status: result.status });
      checked.push({ control, result });
      if (standing === undefined) known?.keep(control, result);
      if (pace === 'thorough') await keep([{ control, result }], true);
    }
    if (pace === 'frequent' && checked.length > 0) await keep(checked, checked.length === due.length);
  } finally {
    if (redAtFirst.length > 0)
      ports.log[ports.config.server.profile === 'development' ? 'info' : 'warn'](
        { controls: redAtFirst },
        'compliance controls are red at their first check; GET /v1/compliance/controls shows why',
      );
  }
  return checked;
}

/**
 * Stores results that differ from the stored ones.
 * @param isComplete these are all results of their pace: the first is stored in any case
 * @returns the statuses before
 */
const store = (
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  results: readonly CheckedControl[],
  isComplete: boolean,
  caller: Caller & { readonly kind: 'system' },
): Promise<(ControlStatus | undefined)[]> =>
  transact(async (tx) => {
    const rows = new Map((await readControlRows(tx)).map((row) => [row.control, row]));
    const before: (ControlStatus | undefined)[] = [];
    for (const [at, checked] of results.entries()) {
      const row = rows.get(checked.control.name);
      const isNew = (isComplete && at === 0) || row === undefined || differs(row, checked);
      before.push(isNew ? await replace(tx, checked, caller) : row.status);
      await followViolation(tx, { random }, checked, caller);
      if (checked.result.readOn !== undefined) await storeFindings(tx, checked.control, checked.result.readOn);
    }
    return before;
  });

/** The observed facts are compared by their hash, the exceptions by what they say. */
const differs = (row: ControlRow, { control, result }: CheckedControl): boolean =>
  row.status !== result.status ||
  row.reason !== result.reason ||
  row.population !== result.population ||
  row.sampled !== result.sampled ||
  row.exception_count !== result.exception_count ||
  row.observed_sha256 !== result.observed_sha256 ||
  row.probe_version !== control.probeVersion ||
  row.release !== version ||
  row.exceptions.length !== result.exceptions.length ||
  row.exceptions.some(
    ({ resource, why }, at) => resource !== result.exceptions[at]?.resource || why !== result.exceptions[at]?.why,
  );

/** Returns the status before. */
async function replace(
  tx: Tx,
  { control, result }: CheckedControl,
  caller: Caller & { readonly kind: 'system' },
): Promise<ControlStatus | undefined> {
  const { startedAtMs, endedAtMs, readOn: _, ...seen } = result;
  const before = await lockControl(tx, control.name);
  await storeControl(tx, {
    ...seen,
    control: control.name,
    probe_version: control.probeVersion,
    release: version,
    collector: caller.name,
    startedAt: new Date(startedAtMs),
    endedAt: new Date(endedAtMs),
  });
  if (before !== result.status)
    await recordEvent(tx, caller, controlChanged, {
      outcome: result.status,
      target: { kind: 'control', id: control.name },
      detail: {
        ...(before === undefined ? {} : { before }),
        clause: control.clause,
        population: result.population,
        exceptions: result.exception_count,
        observed_sha256: result.observed_sha256,
        probe_version: control.probeVersion,
      },
    });
  return before;
}
