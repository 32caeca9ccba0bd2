import type { z } from 'zod';
import type { Ports } from '#services/core/ports.ts';
import { attestationViewOf } from './attest-control.ts';
import { type AttestationRow, readNewestAttestations } from './attestations.store.ts';
import type { controlView } from './contract.ts';
import type { Control, MachineControl } from './control.ts';
import type { ControlStatus } from './control-shapes.ts';
import { controls } from './controls/all.ts';
import { type ControlRow, readControlRows } from './controls.store.ts';
import { attestedStatus, definitionOf } from './reports/report-item.ts';

export type ControlView = z.output<typeof controlView>;

/** Beyond this age the result of a check says nothing about the present. */
const STALE_SECONDS = { frequent: 300, thorough: 10_800 } as const;

/** The status of a control now: a result that is too old is unknown. */
function statusOf(control: MachineControl, row: ControlRow | undefined): readonly [ControlStatus, string | null] {
  if (row === undefined) return ['unknown', 'the control has not been checked yet'];
  if (row.seconds_ago > STALE_SECONDS[control.pace]) return ['unknown', `the last check ran at ${row.ended_at}`];
  return [row.status, row.reason];
}

function viewOf(control: Control, row: ControlRow | undefined, attested: AttestationRow | undefined): ControlView {
  if (control.kind === 'attestation') {
    const [status, reason] = attestedStatus(attested);
    return {
      ...definitionOf(control),
      kind: 'attestation',
      status,
      reason,
      statement: control.statement,
      attestation: attested === undefined ? null : attestationViewOf(attested),
      check: null,
    };
  }
  const [status, reason] = statusOf(control, row);
  return {
    ...definitionOf(control),
    kind: 'machine',
    status,
    reason,
    statement: null,
    attestation: null,
    check: row
      ? {
          probe: control.probe,
          probe_version: row.probe_version,
          population: row.population,
          sampled: row.sampled,
          exceptions: [...row.exceptions],
          exception_count: row.exception_count,
          observed: JSON.parse(row.observed) as Record<string, unknown>,
          observed_sha256: row.observed_sha256,
          release: row.release,
          collector: row.collector,
          started_at: row.started_at,
          ended_at: row.ended_at,
          changed_at: row.changed_at,
        }
      : null,
  };
}

/**
 * The rows by control. Quick checks run together and write the rows that change, and one in any case: all were checked as
 * recently as the newest.
 */
function rowsByControl(rows: readonly ControlRow[]): ReadonlyMap<string, ControlRow> {
  const quick = controls.flatMap((control) =>
    control.kind === 'machine' && control.pace === 'frequent' ? [control.name] : [],
  );
  const newest = rows
    .filter(({ control }) => quick.includes(control))
    .reduce<ControlRow | undefined>(
      (best, row) => (best && best.seconds_ago <= row.seconds_ago ? best : row),
      undefined,
    );
  return new Map(
    rows.map((row) => {
      if (newest === undefined || !quick.includes(row.control)) return [row.control, row];
      const { started_at: startedAt, ended_at: endedAt, seconds_ago: secondsAgo } = newest;
      return [row.control, { ...row, started_at: startedAt, ended_at: endedAt, seconds_ago: secondsAgo }];
    }),
  );
}

/** Every control with its state, in the order of the clauses. */
export async function readControls({ sql }: Pick<Ports, 'sql'>): Promise<ControlView[]> {
  const rows = rowsByControl(await readControlRows(sql));
  const attested = await readNewestAttestations(sql);
  return controls.map((control) => viewOf(control, rows.get(control.name), attested.get(control.name)));
}

export async function listControls(
  ports: Pick<Ports, 'sql'>,
  {
    status,
    profile,
  }: { readonly status?: ControlStatus | undefined; readonly profile?: ControlView['profile'] | undefined },
): Promise<{ readonly controls: ControlView[] }> {
  const controls = (await readControls(ports)).filter(
    (control) =>
      (status === undefined || control.status === status) && (profile === undefined || control.profile === profile),
  );
  return { controls };
}
