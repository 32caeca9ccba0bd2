import type { Ports } from '../core/ports.ts';
import { type TrackedSignOff, type TrackedState, trackSignOff } from '../wings/signoff/track-signoff.ts';
import { assertWing, type HasWings } from './assert-wing.ts';
import { serviceCaller } from './service-caller.ts';

/** A record of a sign-off that the application collects from several roles. */
export type EnhancedSignOffRecord = TrackedSignOff;

/** Sign-offs for TypeScript code in the same process. */
export class SignOffService {
  readonly #ports: Pick<Ports, 'transact' | 'random'>;

  /** Throws `wing_left_out` (404). */
  constructor(ports: Pick<Ports, 'transact' | 'random'> & HasWings) {
    assertWing(ports, 'signoff');
    this.#ports = ports;
  }

  /**
   * Stores the record and the approvals that are new in it. Its state is `approved` once every required role has
   * approved, each by another person who has the role. Pass the returned `signOffId` with the next approvals.
   */
  trackMultiRoleSignOff(record: EnhancedSignOffRecord): Promise<TrackedState> {
    return trackSignOff(this.#ports, record, serviceCaller('signoff-service'));
  }
}
