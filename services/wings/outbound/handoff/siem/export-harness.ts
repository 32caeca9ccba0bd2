// For tests only: the SIEM export to one target, from the log of the harness of hand-offs.
import { takeFence } from '#services/platform/queue/fences.ts';
import { createSiemTransport } from '#services/worker/siem.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import type { HandoffHarness } from '../handoff-harness.ts';
import { type ExportEventsPorts, exportEvents, type SiemTarget } from './export-events.ts';
import { readTargets, type TargetRow } from './siem.store.ts';

const TRANSPORT = {
  allowsPrivate: true,
  authorization: new Map<string, string>(),
  caFile: undefined,
  certificateFile: undefined,
  keyFile: undefined,
};

export type ExportHarness = {
  /** One run of the job. */
  run(changes?: Partial<ExportEventsPorts>): Promise<{ readonly sent: number }>;
  readonly ports: ExportEventsPorts;
  rows(): Promise<TargetRow[]>;
  /** Ends the pauses. */
  pass(): Promise<void>;
};

export function exportHarnessOf(
  harness: HandoffHarness,
  targets: readonly SiemTarget[],
  transport: Partial<Parameters<typeof createSiemTransport>[0]> = {},
): ExportHarness {
  const ports: ExportEventsPorts = {
    ...harness.ports,
    siem: { targets, version: '0.2.0', transport: createSiemTransport({ ...TRANSPORT, ...transport }) },
  };
  return {
    ports,
    run: async (changes = {}) => {
      const fence = await takeFence(harness.log.sql, 'export-events');
      return exportEvents({ ...ports, ...changes }, { fence, signal: new AbortController().signal }, testCaller);
    },
    rows: () => readTargets(harness.log.sql),
    pass: async () => void (await harness.log.raw`UPDATE siem_targets SET retry_at = NULL`),
  };
}
