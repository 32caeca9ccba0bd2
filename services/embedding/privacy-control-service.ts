import type { Caller, Ports } from '../core/ports.ts';
import { phiAccessRefused } from '../wings/privacy/access/access-errors.ts';
import type { PhiAction } from '../wings/privacy/access/access-shapes.ts';
import {
  decideAccess,
  type ValidationResult,
  validateDataAccessRequest,
} from '../wings/privacy/access/decide-access.ts';
import { logPhiAccess } from '../wings/privacy/access/log-phi-access.ts';
import { applyMinimumNecessary } from '../wings/privacy/access/minimum-necessary.ts';
import {
  type ConsentView,
  isConsented,
  manageConsentWithdrawal,
  recordUserConsent,
} from '../wings/privacy/consent/user-consent.ts';
import type { PhiRotationView } from '../wings/privacy/contract.ts';
import { type DecryptPhiPorts, decryptPhi } from '../wings/privacy/decrypt-phi.ts';
import { encryptPhi } from '../wings/privacy/encrypt-phi.ts';
import type { PhiEnvelope, PhiLevel, PhiPurpose } from '../wings/privacy/phi-shapes.ts';
import { type HasRetentionWake, requestRetentionRun } from '../wings/privacy/retention/retention.ts';
import type { RetentionRunView } from '../wings/privacy/retention/retention-contract.ts';
import { type HasRotationWake, rotatePhiKeys } from '../wings/privacy/rotate-encryption-keys.ts';
import { assertWing, type HasWings } from './assert-wing.ts';
import { serviceCaller } from './service-caller.ts';

export type PrivacyControlServicePorts = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'> &
  DecryptPhiPorts &
  HasRotationWake &
  HasRetentionWake &
  HasWings;

/** The user on whose behalf the application acts. */
export type Requester = {
  readonly userId: string;
  readonly roles: readonly string[];
  /** Unix seconds of the sign-in; level `high` requires a recent one. */
  readonly authTime: number;
};

/** Whose data, and what for. */
export type DataUse = { readonly subjectId: string; readonly purpose: PhiPurpose };

const asWire = <U extends { readonly subjectId: string }>({ subjectId, ...use }: U) => ({
  ...use,
  subject_id: subjectId,
});

/**
 * Health data for TypeScript code in the same process. Every method does what its endpoint does: it writes the same rows
 * and events, and throws the same errors.
 */
export class PrivacyControlService {
  readonly #ports: PrivacyControlServicePorts;
  readonly #name: string;

  /**
   * Throws `wing_left_out` (404).
   * @param name the actor in audit events of calls without a requester
   */
  constructor(ports: PrivacyControlServicePorts, name = 'privacy-service') {
    assertWing(ports, 'privacy');
    this.#ports = ports;
    this.#name = name;
  }

  protected caller(requester?: Requester): Caller {
    const own = serviceCaller(this.#name);
    if (requester === undefined) return own;
    const none = { sessionId: null, tokenId: null, familyId: null, permissions: new Set<string>() };
    return { kind: 'user', clientId: 'sallyport', by: 'bearer', request: own.request, ...none, ...requester };
  }

  /** Encrypts any JSON value. */
  async encryptPHI(data: unknown, level: PhiLevel, use: DataUse, requester?: Requester): Promise<PhiEnvelope> {
    const { encrypted } = await encryptPhi(this.#ports, { ...asWire(use), level, data }, this.caller(requester));
    return encrypted;
  }

  /** Without a requester the application itself is the caller, and sees the whole value. */
  async decryptPHI(encrypted: PhiEnvelope, purpose: PhiPurpose, requester?: Requester): Promise<unknown> {
    const { data } = await decryptPhi(this.#ports, { encrypted, purpose }, this.caller(requester));
    return data;
  }

  /** Starts a rotation, or returns the one that runs. */
  rotateEncryptionKeys(reason: string): Promise<PhiRotationView> {
    return rotatePhiKeys(this.#ports, { reason }, this.caller());
  }

  /** Records a use by reference. @returns the id of the event */
  async logPHIAccess(
    requester: Requester,
    action: PhiAction,
    data: DataUse & { readonly reference: string },
  ): Promise<string> {
    return (await logPhiAccess(this.#ports, { ...asWire(data), action }, this.caller(requester))).event_id;
  }

  /** The part of data in clear that the requester may see. Throws `phi_access_refused` (403). */
  async applyMinimumNecessaryPrinciple(requester: Requester, use: DataUse, data: unknown): Promise<unknown> {
    const { isAllowed, fields, reason } = await decideAccess(this.#ports, asWire(use), this.caller(requester));
    if (!isAllowed) throw phiAccessRefused({ members: { reason } });
    return applyMinimumNecessary(data, fields);
  }

  validateDataAccessRequest(
    request: DataUse & { readonly requester: Requester; readonly fields?: readonly string[] },
  ): Promise<ValidationResult> {
    const { requester, ...asked } = request;
    return validateDataAccessRequest(this.#ports, asWire(asked), this.caller(requester));
  }

  /** Appends a version. @param consent `terms`: version of the text that the person agreed to */
  recordUserConsent(
    subjectId: string,
    consent: { readonly purpose: PhiPurpose; readonly granted: boolean; readonly terms: string },
  ): Promise<ConsentView> {
    return recordUserConsent(this.#ports, { subject_id: subjectId, ...consent }, this.caller());
  }

  validateUserConsent(subjectId: string, purpose: PhiPurpose): Promise<boolean> {
    return isConsented(this.#ports.sql, subjectId, purpose);
  }

  /** Withdraws every consent, or those for the purposes. */
  async manageConsentWithdrawal(
    subjectId: string,
    reason: string,
    purposes?: readonly PhiPurpose[],
  ): Promise<ConsentView[]> {
    const asked = { subject_id: subjectId, reason, purposes };
    return (await manageConsentWithdrawal(this.#ports, asked, this.caller())).withdrawn;
  }

  /** Queues a run of the retention policies; the worker carries it out. */
  implementDataRetentionPolicies(run: {
    readonly isDryRun: boolean;
    readonly reason: string;
  }): Promise<RetentionRunView> {
    return requestRetentionRun(this.#ports, { dry_run: run.isDryRun, reason: run.reason }, this.caller());
  }
}
