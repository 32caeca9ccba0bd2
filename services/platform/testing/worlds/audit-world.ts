// For tests only: a copy of the API that serves a sealed log, and the closed one before it.
import type { NoteSigner } from '../../../domain/audit/log/note.ts';
import { createLogSigner } from '../../../domain/keys/log-keys.ts';
import type { ApiCopy } from '../api-copy.ts';
import type { ClientCredentials } from '../http-client.ts';
import { type Received, send } from '../http-client.ts';
import { continueInBulk, sealInBulk } from '../made/sealed-log.ts';
import { type ApiWorld, openApiWorld } from './api-world.ts';

/** The closed log. */
export const FIRST = 'audit.example/1';
/** The current one. */
export const SECOND = 'audit.example/2';
export const FIRST_SIZE = 600;
export const SECOND_SIZE = 300;

export type AuditWorld = ApiWorld & {
  readonly api: ApiCopy;
  /** May read events. */
  readonly auditor: ClientCredentials;
  /** By the auditor unless said otherwise; null: by nobody. */
  get(path: string, as?: ClientCredentials | null): Promise<Received>;
  logSigner(origin: string): Promise<NoteSigner>;
};

/** One copy that keeps no tiles, so that what a superuser does shows at once: one world per test file. */
export async function openAuditWorld(): Promise<AuditWorld> {
  const world = await openApiWorld();
  const api = await world.startCopy({ env: { AUDIT_TILE_MEMORY_MB: '0' }, hashes: false });
  const auditor = await world.newClient(['audit:read']);
  const logSigner = async (origin: string): Promise<NoteSigner> => {
    const [signer] = await createLogSigner(api.ports).signers(origin);
    return signer as NoteSigner;
  };
  const signer = await logSigner(FIRST);
  const first = await sealInBulk(world.owner.sql, { signer, batches: [1, 255, 300, FIRST_SIZE - 556] });
  await continueInBulk(world.owner.sql, first, { signer: await logSigner(SECOND), batches: [SECOND_SIZE] });
  return {
    ...world,
    api,
    auditor,
    logSigner,
    get: (path, as = auditor) => send(api.url, 'GET', path, as ? { basic: as } : {}),
  };
}
