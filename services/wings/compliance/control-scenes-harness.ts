// For tests only: breaks what a control checks, and expects that its check turns red.
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { type Changes, type ComplianceHarness, openComplianceHarness } from './compliance-harness.ts';
import { isMachine, type MachineControl } from './control.ts';
import { controls, type MachineControlName } from './controls/all.ts';
import { readProbeGround } from './probes/probe-ground.store.ts';

type Scene = {
  /** What the check sees before it is broken. */
  readonly healthy?: () => Promise<Changes | undefined> | Promise<void> | Changes;
  readonly before?: 'pass' | 'not_applicable';
  /** Breaks the control; what it returns is what the check then sees. */
  readonly breakIt: () => Promise<Changes | undefined> | Promise<void> | Changes;
  /** The resource that the exception names. */
  readonly names: string | RegExp;
  readonly repair?: () => Promise<unknown>;
};

export const AUDIT_CONTROLS = [
  'forbidden-sql-refused',
  'audit-append-only',
  'audit-log-recomputed',
  'audit-sealing-current',
  'audit-checkpoints-published',
  'audit-head-signed',
  'audit-log-not-rewound',
  'events-have-actors',
  'events-without-personal-data',
  'log-lines-redacted',
  'records-kept-six-years',
  'incidents-reviewed',
  'events-reviewed',
] as const satisfies readonly MachineControlName[];
export const PRIVACY_CONTROLS = [
  'minimum-necessary-applied',
  'field-policies-limited',
  'restrictions-enforced',
  'access-requests-answered',
  'disclosures-recorded',
  'emergency-access-works',
  'emergency-access-reviewed',
  'research-consented',
  'privacy-records-kept',
  'retention-applied',
] as const satisfies readonly MachineControlName[];

/** One scene for each control: a control without one does not compile. */
export type AuditScenes = Readonly<Record<(typeof AUDIT_CONTROLS)[number], Scene>>;
export type PrivacyScenes = Readonly<Record<(typeof PRIVACY_CONTROLS)[number], Scene>>;
export type OtherScenes = Readonly<
  Record<Exclude<MachineControlName, (typeof AUDIT_CONTROLS)[number] | (typeof PRIVACY_CONTROLS)[number]>, Scene>
>;

export const machineControls: readonly MachineControl[] = controls.filter(isMachine);
export const controlOf = (name: string): MachineControl =>
  machineControls.find((control) => control.name === name) as MachineControl;

type ControlHarness = ComplianceHarness & {
  run(...statements: readonly string[]): Promise<void>;
  /** Expects that a control is green on a healthy system, red on a broken one, and green after the repair. */
  expectRed(name: string, scene: Scene): Promise<void>;
};

/** A sealed log of three events, and a user with a session. */
async function openControlHarness(): Promise<ControlHarness> {
  const harness = await openComplianceHarness();
  const run = async (...statements: readonly string[]): Promise<void> => {
    for (const statement of statements) await harness.raw(statement);
  };
  await harness.emit(3);
  await harness.seal();
  await run(
    `INSERT INTO users (id, email, name, "emailVerified") VALUES ('ada', 'ada@people.test', 'Ada', now())`,
    `INSERT INTO sessions (id, "userId", token, "expiresAt") VALUES ('s1', 'ada', 't1', now() + interval '1 hour')`,
  );
  const expectRed = async (name: string, scene: Scene): Promise<void> => {
    const control = controlOf(name);
    const healthy = await scene.healthy?.();
    const before = await harness.check(control, healthy ?? {});
    expect(before).toMatchObject({ status: scene.before ?? 'pass', exception_count: 0 });
    const ground = await readProbeGround(harness.sql);
    try {
      const changes = await scene.breakIt();
      // Otherwise the pass from before would stand.
      if (control.isProbe && changes === undefined) expect(await readProbeGround(harness.sql)).not.toBe(ground);
      const after = await harness.check(control, changes ?? healthy ?? {});
      expect(after.status).toBe('fail');
      expect(after.exceptions.map(({ resource }) => resource)).toEqual(
        expect.arrayContaining([typeof scene.names === 'string' ? scene.names : expect.stringMatching(scene.names)]),
      );
      expect(after.observed_sha256).not.toBe(before.observed_sha256);
    } finally {
      await scene.repair?.();
    }
    if (scene.repair) expect((await harness.check(control, healthy ?? {})).status).toBe(scene.before ?? 'pass');
  };
  return Object.assign(harness, { run, expectRed });
}

/** The harness of a test file, filled before its tests and closed after them, and SQL as its owner and past its triggers. */
export function controlHarness() {
  vi.setConfig({ testTimeout: 60_000 });
  const harness = {} as ControlHarness;
  beforeAll(async () => void Object.assign(harness, await openControlHarness()));
  afterAll(() => harness.end?.());
  const run = (...statements: readonly string[]): Promise<void> => harness.run(...statements);
  const past = (...statements: readonly string[]): Promise<void> => harness.pastTriggers(...statements);
  return { harness, run, past };
}
