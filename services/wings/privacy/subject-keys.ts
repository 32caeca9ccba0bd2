import type { Caller, Ports } from '#services/core/ports.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import type { Clearance } from './clearance.ts';
import { type DataKeyPlace, unwrapDataKey, wrapDataKey } from './phi-envelope.ts';
import { type DataKeyRow, insertDataKey, readLiveDataKey, readNewestDataKeyVersion } from './phi-keys.store.ts';
import { currentPhiKey, phiKeysOf } from './phi-keys.ts';
import type { PhiLevel } from './phi-shapes.ts';
import { KEY_BYTES, NONCE_BYTES } from './xaes-256-gcm.ts';

export type SubjectKeyPorts = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random'>;
type Subject = { readonly subjectId: string; readonly level: PhiLevel };

/** An unwrapped data key; the caller overwrites `key` after use. */
type SubjectKey = { readonly id: string; readonly version: number; readonly key: Buffer };

const TRIES = 5;

/** Unwraps a data key that is not shredded, to answer a caller who has this clearance. @throws PhiOpenError, phiKeyUnavailable (503) */
export const openDataKey = (
  ports: Pick<Ports, 'vault'>,
  row: DataKeyRow,
  subjectId: string,
  { level }: Clearance,
): SubjectKey => unwrapped(ports, row, { subjectId, level });

function unwrapped(ports: Pick<Ports, 'vault'>, row: DataKeyRow, { subjectId, level }: Subject): SubjectKey {
  const kek = phiKeysOf(ports).open({ version: row.kek_version as number, sealed: row.sealed_kek as string });
  const place: DataKeyPlace = { subjectId, level, version: row.version };
  return { id: row.id, version: row.version, key: unwrapDataKey(kek, row.wrapped, place) };
}

/** The data key that encrypts for a subject now; creates the first one. */
export async function liveSubjectKey(ports: SubjectKeyPorts, subject: Subject, caller: Caller): Promise<SubjectKey> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const row = await readLiveDataKey(ports.sql, subject);
    if (row) return unwrapped(ports, row, subject);
    // Adds nothing if a concurrent request was faster, or if the wrapping key was destroyed meanwhile: read again.
    await addDataKey(ports, subject, caller);
  }
  throw storeUnavailable({ retryAfterSeconds: 1 });
}

async function addDataKey(ports: SubjectKeyPorts, subject: Subject, caller: Caller): Promise<void> {
  const phiKey = await currentPhiKey(ports, caller);
  const version = (await readNewestDataKeyVersion(ports.sql, subject)) + 1;
  const key = ports.random.bytes(KEY_BYTES);
  const kek = phiKeysOf(ports).open(phiKey);
  const wrapped = wrapDataKey(kek, key, { ...subject, version }, ports.random.bytes(NONCE_BYTES));
  key.fill(0);
  await insertDataKey(ports.sql, { ...subject, id: ports.random.uuid(), version, kekVersion: phiKey.version, wrapped });
}
