import type { Json } from '#services/core/audit/log/canonical-json.ts';
import type { HasAuditLogKeys } from '#services/core/audit/read/read-log.ts';
import type { HasLogMark } from '#services/core/audit/seal/settle-log.ts';
import type { Ports } from '#services/core/ports.ts';
import type { Purge } from '#services/core/shared/purge.ts';
import type { Config } from '#services/platform/config/load.ts';
import type { ATTESTATION, MACHINE, PROFILES, REQUIREMENTS } from './control-shapes.ts';
import type { Finding } from './findings.store.ts';

/** How a process reaches a store: over the network or not, and whether its URL asks for TLS. */
type StoreLink = { readonly isLocal: boolean; readonly asksForTls: boolean };

/** What checks know of the installation besides its stores. */
type HasInstallation = {
  readonly installation: {
    readonly database: StoreLink;
    readonly redis: StoreLink;
    /** The newest file of the backup folder; null: the folder is empty; undefined: no folder is configured. */
    newestBackup(): Promise<
      { readonly name: string; readonly writtenAtMs: number; readonly bytes: number } | null | undefined
    >;
    /** The redaction that every line of the log of this process passes. */
    redactLine(line: string): string;
    /** Addresses of the installation itself: its public URL, issuer, audience and MCP server. */
    readonly ownAddresses: readonly string[];
    /** Rows that are removed after they expire. */
    readonly purges: readonly Purge[];
  };
};

/** Ports of the checks. They write only in transactions that are rolled back. */
export type CheckPorts = Pick<Ports, 'sql' | 'transact' | 'clock' | 'random' | 'vault' | 'marks'> &
  HasLogMark &
  HasAuditLogKeys &
  HasInstallation & { readonly config: Config };

/** One resource that breaks a control, by its id; never a name, an address or a secret. */
export type ControlException = { readonly resource: string; readonly why: string };

/** What a check saw. Without exceptions it passes, unless its population is empty. */
export type Observation = {
  /** How many resources the control is about. */
  readonly population: number;
  /** How many of them were looked at; all by default. */
  readonly sampled?: number;
  /** Resources that break the control; at most twenty are kept. */
  readonly exceptions: readonly ControlException[];
  /** Number of resources that break the control, if more than are listed. */
  readonly exceptionCount?: number;
  /** Raw facts behind the result: counts, codes, times, ids. */
  readonly observed: { readonly [fact: string]: Json };
  /** Of a control that reads the sealed log: how far it has read by now, and what it found on the way. */
  readonly readOn?: { readonly readTo: number; readonly found: readonly Finding[] };
  /** Why the control does not apply to this installation. */
  readonly notApplicable?: string;
};

type ControlBase = {
  /** What the control asks for, one sentence. */
  readonly title: string;
  /** The clause of 45 CFR. */
  readonly clause: string;
  /** `current`: the rule in force asks for it. `proposed`: only the proposed rule of 2025 does (90 FR 898). */
  readonly profile: (typeof PROFILES)[number];
  /** Of the rule in force; the proposed rule has no addressable specifications. */
  readonly requirement: (typeof REQUIREMENTS)[number];
  /** What remains the duty of people. */
  readonly humanDuty: string;
};

export type MachineControl<Name extends string = string> = ControlBase & {
  readonly name: Name;
  readonly kind: typeof MACHINE;
  readonly population: string;
  /** What the check does to the running system. */
  readonly probe: string;
  /** Raised when the probe changes, so that results are compared with results of the same probe. */
  readonly probeVersion: number;
  readonly evidence: string;
  /** `thorough` checks read whole tables: hourly. The others run several times a minute. */
  readonly pace: 'frequent' | 'thorough';
  /**
   * The check inserts rows of its own and rolls back, so its result depends on events, the schema, the settings and the
   * release alone: while none of them changed, its last pass stands.
   */
  readonly isProbe?: true;
  /** An attacker’s action or failure that the control answers, for the page of threats. */
  readonly threat: string;
  readonly check: (
    ports: CheckPorts,
    signal: AbortSignal,
    control: Pick<MachineControl, 'name' | 'probeVersion'>,
  ) => Promise<Observation>;
};

export type AttestationControl<Name extends string = string> = ControlBase & {
  readonly name: Name;
  readonly kind: typeof ATTESTATION;
  /** What the attester states. */
  readonly statement: string;
  /** How long an attestation is accepted, days. */
  readonly validDays: number;
};

export type Control = MachineControl | AttestationControl;

/** Clauses whose specification an organisation may meet in another way (appendix A of 45 CFR 164, subpart C). */
const ADDRESSABLE: ReadonlySet<string> = new Set([
  '164.308(a)(3)(ii)(C)',
  '164.308(a)(4)(ii)(B)',
  '164.308(a)(4)(ii)(C)',
  '164.308(a)(5)(ii)(C)',
  '164.308(a)(5)(ii)(D)',
  '164.308(a)(7)(ii)(D)',
  '164.312(a)(2)(iii)',
  '164.312(a)(2)(iv)',
  '164.312(c)(2)',
  '164.312(e)(2)(ii)',
]);

/** What a row is that does not say otherwise. */
const usualOf = (clause: string) =>
  ({ profile: 'current', requirement: ADDRESSABLE.has(clause) ? 'addressable' : 'required' }) as const;
const CHECKED = { kind: 'machine', probeVersion: 1, pace: 'frequent' } as const;
const ATTESTED = { kind: 'attestation', validDays: 365 } as const;

type Usual<Of> = keyof (Of & ReturnType<typeof usualOf>);
type Row<C extends Control, Of> = Omit<C, Usual<Of>> & Partial<Pick<C, keyof C & Usual<Of>>>;

/** A row of a table: a control that a check of the running system decides. */
export const checked = <const Name extends string>(
  control: Row<MachineControl<Name>, typeof CHECKED>,
): MachineControl<Name> => ({ ...usualOf(control.clause), ...CHECKED, ...control });

/** A row of a table: a control that only a person can confirm. */
export const attested = <const Name extends string>(
  control: Row<AttestationControl<Name>, typeof ATTESTED>,
): AttestationControl<Name> => ({ ...usualOf(control.clause), ...ATTESTED, ...control });

export const isMachine = (control: Control): control is MachineControl => control.kind === 'machine';
