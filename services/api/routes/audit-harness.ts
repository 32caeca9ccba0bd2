// For tests only: a copy of the API that serves a sealed log and the closed log before it.
import type { NoteSigner } from '#services/core/audit/log/note.ts';
import { createLogSigner } from '#services/core/keys/log/log-keys.ts';
import { continueInBulk, sealInBulk } from '#tools/testing/fixtures/sealed-log.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { type ClientCredentials, send } from '#tools/testing/http-client.ts';

/** The closed log. */
export const FIRST = 'audit.example/1';
/** The current one. */
export const SECOND = 'audit.example/2';
export const FIRST_SIZE = 600;
export const SECOND_SIZE = 300;

/** One copy that caches no tiles, so that a superuser's change shows at once: one harness per test file. */
export async function openAuditHarness() {
  const harness = await openApiHarness();
  const api = await harness.startCopy({ env: { AUDIT_TILE_MEMORY_MB: '0' }, hashes: false });
  /** May read events. */
  const auditor = await harness.newClient(['audit:read']);
  const logSigner = async (origin: string): Promise<NoteSigner> => {
    const [signer] = await createLogSigner(api.ports).signers(origin);
    return signer as NoteSigner;
  };
  const signer = await logSigner(FIRST);
  const first = await sealInBulk(harness.owner.sql, { signer, batches: [1, 255, 300, FIRST_SIZE - 556] });
  await continueInBulk(harness.owner.sql, first, { signer: await logSigner(SECOND), batches: [SECOND_SIZE] });
  return {
    ...harness,
    api,
    auditor,
    logSigner,
    /** By the auditor unless given; null: without a credential. */
    get: (path: string, as: ClientCredentials | null = auditor) => send(api.url, 'GET', path, as ? { basic: as } : {}),
  };
}
