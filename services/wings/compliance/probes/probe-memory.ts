import type { CheckPorts, MachineControl } from '../control.ts';
import type { CheckResult } from '../run-check.ts';
import { readProbeGround } from './probe-ground.store.ts';

/** How long the last pass of a probe may stand. */
const LONGEST_MS = 3_600_000;

/** What a result depends on besides the release: the state of the database, and the settings of the process. */
type Ground = { readonly database: string; readonly config: CheckPorts['config'] };

/** Passes of probes in this process, which stand while nothing changed that their results depend on. */
export type ProbeMemory = {
  /** Call it before a run of checks: what changes during the run is a change. */
  begin(ports: Pick<CheckPorts, 'sql' | 'clock' | 'config'>): Promise<{
    /** The last pass, with the times of now; undefined if the check must run. */
    standing(control: MachineControl): CheckResult | undefined;
    keep(control: MachineControl, result: CheckResult): void;
  }>;
};

export function createProbeMemory(): ProbeMemory {
  const passes = new Map<string, Ground & { readonly result: CheckResult; readonly atMs: number }>();
  return {
    async begin({ sql, clock, config }) {
      // If the database does not answer, each check runs and says so.
      const database = await readProbeGround(sql).catch(() => undefined);
      return {
        standing({ name }) {
          const pass = passes.get(name);
          if (pass === undefined || pass.database !== database || pass.config !== config) return undefined;
          if (clock.monotonic() - pass.atMs > LONGEST_MS) return undefined;
          return { ...pass.result, startedAtMs: clock.now(), endedAtMs: clock.now() };
        },
        keep({ name, isProbe }, result) {
          passes.delete(name);
          if (isProbe && result.status === 'pass' && database !== undefined)
            passes.set(name, { database, config, result, atMs: clock.monotonic() });
        },
      };
    },
  };
}
