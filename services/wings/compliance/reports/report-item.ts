import { version } from '#observability/version.ts';
import type { AttestationRow } from '../attestations.store.ts';
import { LIMIT_MS } from '../check-controls.ts';
import { type CheckPorts, type Control, isMachine, type MachineControl } from '../control.ts';
import type { ControlStatus } from '../control-shapes.ts';
import { runCheck } from '../run-check.ts';
import type { ReportItem } from './report-shapes.ts';

/** The status that an attestation gives a control: without one it is unknown, and an expired one fails. */
export function attestedStatus(row: AttestationRow | undefined): readonly [ControlStatus, string | null] {
  if (row === undefined) return ['unknown', 'only a person can confirm the control, and no person has'];
  if (row.is_expired) return ['fail', `the attestation expired at ${row.expires_at}`];
  return ['pass', null];
}

/** What a control is, whatever its status. */
export const definitionOf = ({ name, title, clause, profile, requirement, humanDuty }: Control) => ({
  control_id: name,
  title,
  clause,
  profile,
  requirement,
  human_duty: humanDuty,
});

const evidenceOf = ({ control_id: _, is_expired: __, ...attestation }: AttestationRow) => attestation;

type Collecting = { readonly signal: AbortSignal; readonly collector: string };

/** The evidence of one control now: runs its check, or reads its newest attestation. */
export async function itemOf(
  ports: CheckPorts,
  control: Control,
  attested: AttestationRow | undefined,
  collecting: Collecting,
): Promise<ReportItem> {
  if (isMachine(control)) return machineItem(ports, control, collecting);
  const [status, reason] = attestedStatus(attested);
  return {
    ...definitionOf(control),
    kind: 'attestation',
    status,
    reason,
    check: null,
    attestation: attested === undefined ? null : evidenceOf(attested),
  };
}

async function machineItem(
  ports: CheckPorts,
  control: MachineControl,
  { signal, collector }: Collecting,
): Promise<ReportItem> {
  const result = await runCheck(ports, control, { signal, limitMs: LIMIT_MS[control.pace] });
  return {
    ...definitionOf(control),
    kind: 'machine',
    status: result.status,
    reason: result.reason,
    attestation: null,
    check: {
      probe: control.probe,
      probe_version: control.probeVersion,
      evidence: control.evidence,
      population_of: control.population,
      population: result.population,
      sampled: result.sampled,
      exceptions: [...result.exceptions],
      exception_count: result.exception_count,
      observed: JSON.parse(result.observed) as Record<string, unknown>,
      observed_sha256: result.observed_sha256,
      release: version,
      collector,
      started_at: new Date(result.startedAtMs).toISOString(),
      ended_at: new Date(result.endedAtMs).toISOString(),
    },
  };
}
