import { version } from '#observability/version.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports } from '../ports.ts';
import { controlChanged } from './audit-events.ts';
import type { CheckPorts, MachineControl } from './control.ts';
import { isMachine } from './control.ts';
import { type ControlStatus, isRed } from './control-shapes.ts';
import { controls } from './controls/all.ts';
import { lockControl, storeControl } from './controls.store.ts';
import { storeFindings } from './findings.store.ts';
import { followViolation } from './manage-violations.ts';
import { controlChecks } from './metrics.ts';
import { type CheckResult, runCheck } from './run-check.ts';

export { checksAreDue } from './controls.store.ts';

/** Longest time of one check. A thorough check reads every audit event. */
export const LIMIT_MS = { frequent: 10_000, thorough: 1_200_000 } as const;

export type CheckedControl = { readonly control: MachineControl; readonly result: CheckResult };

type ChecksInput = {
  readonly pace: MachineControl['pace'];
  readonly signal: AbortSignal;
  /** Other controls than the product's. */
  readonly controls?: readonly MachineControl[];
  readonly limitMs?: number;
};

/**
 * Runs the checks of one pace, one after another, and stores each result. A change of status is an audit event of the
 * same transaction. A control that turns red is a warning; those that are red at their first check are one line, as
 * several are on every new installation: a warning, and in development, which may lack them, a message. Safe to run twice; ends between two checks when `signal` aborts.
 */
export async function checkControls(
  ports: CheckPorts & Pick<Ports, 'log'>,
  { pace, signal, controls: given, limitMs = LIMIT_MS[pace] }: ChecksInput,
  caller: Caller & { readonly kind: 'system' },
): Promise<CheckedControl[]> {
  const due = (given ?? controls.filter(isMachine)).filter((control) => control.pace === pace);
  const checked: CheckedControl[] = [];
  const redAtFirst: string[] = [];
  try {
    for (const control of due) {
      if (signal.aborted) break;
      const result = await runCheck(ports, control, { signal, limitMs });
      // A check that was cut by the end of its worker says nothing about the control.
      if (signal.aborted && result.status === 'unknown') break;
      controlChecks.add(1, { status: result.status });
      const before = await store(ports, control, result, caller);
      if (before !== result.status && isRed(result.status)) {
        if (before === undefined) redAtFirst.push(control.name);
        else
          ports.log.warn(
            { control: control.name, status: result.status, exceptions: result.exceptionCount },
            'a compliance control turned red',
          );
      }
      checked.push({ control, result });
    }
  } finally {
    if (redAtFirst.length > 0)
      ports.log[ports.config.server.profile === 'development' ? 'info' : 'warn'](
        { controls: redAtFirst },
        'compliance controls are red at their first check; GET /v1/compliance/controls shows why',
      );
  }
  return checked;
}

async function store(
  { transact, random }: Pick<Ports, 'transact' | 'random'>,
  control: MachineControl,
  result: CheckResult,
  caller: Caller & { readonly kind: 'system' },
): Promise<ControlStatus | undefined> {
  const { startedAtMs, endedAtMs, readOn, ...seen } = result;
  return transact(async (tx) => {
    const before = await lockControl(tx, control.name);
    await storeControl(tx, {
      ...seen,
      control: control.name,
      probeVersion: control.probeVersion,
      release: version,
      collector: caller.name,
      startedAt: new Date(startedAtMs),
      endedAt: new Date(endedAtMs),
    });
    await followViolation(tx, { random }, { control, result }, caller);
    if (readOn !== undefined) await storeFindings(tx, control, readOn);
    if (before !== result.status)
      await recordEvent(tx, caller, controlChanged, {
        outcome: result.status,
        target: { kind: 'control', id: control.name },
        detail: {
          ...(before === undefined ? {} : { before }),
          clause: control.clause,
          population: result.population,
          exceptions: result.exceptionCount,
          observed_sha256: result.observedSha256,
          probe_version: control.probeVersion,
        },
      });
    return before;
  });
}
