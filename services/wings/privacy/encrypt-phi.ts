import { phiOperations } from '#observability/metrics/privacy.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller } from '#services/core/ports.ts';
import { requestInvalid, storeUnavailable } from '#services/platform/errors.ts';
import { phiEncrypted } from './audit-events.ts';
import { jsonProblem } from './json-problem.ts';
import { sealPhi } from './phi-envelope.ts';
import { lockDataKey } from './phi-keys.store.ts';
import type { PhiEnvelope, PhiLevel, PhiPurpose } from './phi-shapes.ts';
import { liveSubjectKey, type SubjectKeyPorts } from './subject-keys.ts';
import { NONCE_BYTES } from './xaes-256-gcm.ts';

export type EncryptPhiInput = {
  readonly subject_id: string;
  readonly purpose: PhiPurpose;
  readonly level: PhiLevel;
  /** Any JSON value. */
  readonly data: unknown;
};

const TRIES = 3;

/**
 * Encrypts a JSON value about a subject and records that, never the value. The caller stores the envelope; it opens only
 * for the same purpose. Throws `request_invalid` (400) for what is not a JSON value, `phi_key_unavailable` (503).
 */
export async function encryptPhi(
  ports: SubjectKeyPorts,
  input: EncryptPhiInput,
  caller: Caller,
): Promise<{ readonly encrypted: PhiEnvelope }> {
  const { data, subject_id: subjectId, purpose, level } = input;
  const about = { subjectId, purpose, level };
  const problem = jsonProblem(data);
  if (problem !== undefined) throw requestInvalid({ problems: [{ at: '/data', why: problem }] });
  for (let tries = 0; tries < TRIES; tries += 1) {
    const { id, version, key } = await liveSubjectKey(ports, about, caller);
    const encrypted = sealPhi(key, { ...about, keyVersion: version }, data, ports.random.bytes(NONCE_BYTES));
    key.fill(0);
    const isRecorded = await ports.transact(async (tx) => {
      // An envelope under a key that was shredded meanwhile could never be decrypted.
      if (!(await lockDataKey(tx, id))) return false;
      await recordEvent(tx, caller, phiEncrypted, {
        target: { kind: 'subject', id: about.subjectId },
        detail: { purpose: about.purpose, level: about.level, key_version: version },
      });
      return true;
    });
    if (!isRecorded) continue;
    phiOperations.add(1, { operation: 'encrypt', outcome: 'ok' });
    return { encrypted };
  }
  throw storeUnavailable({ retryAfterSeconds: 1 });
}
