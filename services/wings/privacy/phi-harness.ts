// For tests only: encryption of health data on a database of its own.
import type { Caller } from '#services/core/ports.ts';
import { takeFence } from '#services/platform/queue/fences.ts';
import { type TestPorts, testCaller } from '#tools/testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { decryptPhi } from './decrypt-phi.ts';
import { type EncryptPhiInput, encryptPhi } from './encrypt-phi.ts';
import type { PhiEnvelope, PhiPurpose } from './phi-shapes.ts';
import { rotateEncryptionKeys, rotatePhiKeys } from './rotate-encryption-keys.ts';

const system = testCaller as Caller & { readonly kind: 'system' };
const never = new AbortController().signal;

export type PhiHarness = {
  readonly ports: OwnPorts;
  encrypt(data: unknown, changes?: Partial<EncryptPhiInput>, caller?: Caller): Promise<PhiEnvelope>;
  decrypt(encrypted: PhiEnvelope, purpose?: PhiPurpose, caller?: Caller): Promise<unknown>;
  /** Starts a rotation; the id of it, or of the one that runs. */
  startRotation(): Promise<string>;
  /** One run of the job. */
  rotate(run?: {
    readonly signal?: AbortSignal;
    readonly progress?: (percent: number) => Promise<void>;
  }): Promise<void>;
  /** Type, outcome and detail of the events of health data, oldest first. */
  events(): Promise<{ type: string; outcome: string; target_id: string; detail: Record<string, unknown> }[]>;
  close(): Promise<void>;
};

/** Asks users for a sign-in of the last ten minutes. */
export const stepUpOf = ({ clock }: Pick<TestPorts, 'clock'>) => ({
  maxAgeSeconds: 600,
  needsSecondFactor: false,
  clock,
});

/** Another process on the same database. */
export const phiCopyOf = (ports: TestPorts) => {
  const own = {
    ...ports,
    // Opened keys are remembered by the vault of a process.
    vault: { ...ports.vault },
    stepUp: stepUpOf(ports),
  };
  return {
    encrypt: async (data: unknown, changes: Partial<EncryptPhiInput> = {}, caller: Caller = testCaller) => {
      const value = { subject_id: 'p-1', purpose: 'treatment', level: 'standard', data, ...changes } as const;
      return (await encryptPhi(own, value, caller)).encrypted;
    },
    decrypt: async (encrypted: PhiEnvelope, purpose: PhiPurpose = 'treatment', caller: Caller = testCaller) =>
      (await decryptPhi(own, { purpose, encrypted }, caller)).data,
  };
};

/** The harness that the tests of a file share, and its ports. */
export function openedPhi(): Pick<PhiHarness, 'ports'> & { readonly harness: PhiHarness } {
  const harness = opened(openPhiHarness);
  // The harness ends them, once.
  const ports = opened(() => ({ ...harness.ports, end: async () => {} }));
  return { harness, ports };
}

export async function openPhiHarness(): Promise<PhiHarness> {
  const ports = await openTestPorts();
  return {
    ports,
    ...phiCopyOf(ports),
    startRotation: async () =>
      (await rotatePhiKeys({ ...ports, wakePhiRotation: () => {} }, { reason: 'test' }, testCaller)).rotation_id,
    rotate: async ({ signal = never, progress = async () => {} } = {}) => {
      const fence = await takeFence(ports.sql, 'rotate-encryption-keys');
      await rotateEncryptionKeys(ports, { rotationDays: 90 }, { fence, signal, progress, caller: system });
    },
    events: () =>
      ports.raw`SELECT type, outcome, target_id, detail FROM audit_outbox WHERE type LIKE 'phi.%' ORDER BY id`,
    close: () => ports.end(),
  };
}
