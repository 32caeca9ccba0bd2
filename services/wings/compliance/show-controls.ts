import { lookWhenScraped } from '#observability/metrics/scrape-looks.ts';
import type { Ports } from '#services/core/ports.ts';
import { CONTROL_STATUSES, type ControlStatus, isRed } from './control-shapes.ts';
import { type MachineControlName, machineControlNames } from './controls/all.ts';
import { readControls } from './list-controls.ts';
import { controlCheckAge, controlPasses, controlsByStatus } from './metrics.ts';

/**
 * Shows the state of every control in the metrics of this process. The database is read when metrics are; while it does
 * not answer, the age of the checks keeps growing.
 */
export function showControls(ports: Pick<Ports, 'sql' | 'clock'>, everyMs = 10_000): { close(): void } {
  let statuses = new Map<string, ControlStatus>();
  let oldest: { readonly endedAtMs: number } | undefined;
  const statusOf = (name: MachineControlName): ControlStatus => statuses.get(name) ?? 'unknown';
  for (const control of machineControlNames)
    controlPasses.at({ control }).observe(() => {
      const status = statusOf(control);
      if (isRed(status)) return 0;
      return status === 'pass' ? 1 : undefined;
    });
  for (const status of CONTROL_STATUSES)
    controlsByStatus
      .at({ status })
      .observe(() =>
        statuses.size === 0 ? undefined : machineControlNames.filter((name) => statusOf(name) === status).length,
      );
  controlCheckAge.at().observe(() => oldest && Math.max(0, (ports.clock.now() - oldest.endedAtMs) / 1_000));
  const look = async (): Promise<void> => {
    const checked = (await readControls(ports)).filter(({ kind }) => kind === 'machine');
    statuses = new Map(checked.map(({ control_id, status }) => [control_id, status]));
    const times = checked.flatMap(({ check }) => (check === null ? [] : [Date.parse(check.ended_at)]));
    oldest = times.length === 0 ? undefined : { endedAtMs: Math.min(...times) };
  };
  return lookWhenScraped(look, everyMs);
}
