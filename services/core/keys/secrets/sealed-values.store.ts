import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { fingerprintContext, sealContext } from '../key-material.ts';
import {
  alertTargetContext,
  codeContext,
  importChunkContext,
  importedHashKeyContext,
  mailContext,
  phiKeyContext,
  streamAuthorizationContext,
} from './sealed-contexts.ts';
import { serverSecretContext } from './server-secrets.ts';

/** Every column with sealed values. A column missing here does not survive a change of the key-encryption key. */
const places = [
  'privateKey',
  'fingerprint',
  'secret',
  'code',
  'mail',
  'phiKey',
  'importedHashKey',
  'importChunk',
  'alertTarget',
  'streamAuthorization',
] as const;
type Place = (typeof places)[number];

/** One sealed value, its place, and the context it was sealed for. */
export type SealedValue = {
  readonly place: Place;
  /** Kid, purpose of a server secret, or id of the row. */
  readonly id: string;
  /** Version of a server secret or PHI key, else 0. */
  readonly version: number;
  readonly context: string;
  readonly sealed: string;
};

type ValueRow = Omit<SealedValue, 'context'> & { readonly purpose: string };

// Reads whole tables: few rows, or rows that live for minutes. The caller holds the key writers' lock, so no key is
// added meanwhile.
const sealedValuesRead = defineStatement('sealedValuesRead')`
  SELECT 'privateKey' AS place, id, 0 AS version, purpose, "privateKey" AS sealed FROM jwks WHERE "privateKey" <> ''
  UNION ALL SELECT 'fingerprint', id, 0, purpose, "publicKey" FROM jwks WHERE alg = 'HS256'
  UNION ALL SELECT 'secret', purpose, version, purpose, secret FROM server_secrets WHERE secret <> ''
  UNION ALL SELECT 'code', id::text, 0, purpose, sealed FROM one_time_codes WHERE sealed IS NOT NULL
  UNION ALL SELECT 'mail', id::text, 0, template, sealed FROM mail_outbox
  UNION ALL SELECT 'phiKey', '', version, 'phi', sealed FROM phi_keys WHERE sealed <> ''
  UNION ALL SELECT 'importedHashKey', id, 0, 'imported', sealed FROM imported_hash_keys
  UNION ALL SELECT 'importChunk', import_id::text, chunk, 'import', sealed FROM import_chunks
  UNION ALL SELECT 'alertTarget', id::text, 0, kind, sealed FROM alert_targets
  UNION ALL SELECT 'streamAuthorization', id::text, 0, 'signals', sealed_authorization FROM signal_streams
    WHERE sealed_authorization IS NOT NULL`;
const writes = {
  privateKey: defineStatement('sealedPrivateKeysWrite')`
    UPDATE jwks SET "privateKey" = v.sealed FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed)
    WHERE jwks.id = v.id`,
  fingerprint: defineStatement('sealedFingerprintsWrite')`
    UPDATE jwks SET "publicKey" = v.sealed FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed)
    WHERE jwks.id = v.id`,
  secret: defineStatement('sealedSecretsWrite')`
    UPDATE server_secrets s SET secret = v.sealed FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed)
    WHERE s.purpose = v.id AND s.version = v.version`,
  code: defineStatement('sealedCodesWrite')`
    UPDATE one_time_codes c SET sealed = v.sealed FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed)
    WHERE c.id = v.id::uuid`,
  mail: defineStatement('sealedMailsWrite')`
    UPDATE mail_outbox m SET sealed = v.sealed FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed)
    WHERE m.id = v.id::uuid`,
  phiKey: defineStatement('sealedPhiKeysWrite')`
    UPDATE phi_keys k SET sealed = v.sealed FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed)
    WHERE k.version = v.version`,
  importedHashKey: defineStatement('sealedImportedHashKeysWrite')`
    UPDATE imported_hash_keys k SET sealed = v.sealed FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed)
    WHERE k.id = v.id`,
  importChunk: defineStatement('sealedImportChunksWrite')`
    UPDATE import_chunks c SET sealed = v.sealed FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed)
    WHERE c.import_id = v.id::uuid AND c.chunk = v.version`,
  alertTarget: defineStatement('sealedAlertTargetsWrite')`
    UPDATE alert_targets t SET sealed = v.sealed FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed)
    WHERE t.id = v.id::uuid`,
  streamAuthorization: defineStatement('sealedStreamAuthorizationsWrite')`
    UPDATE signal_streams s SET sealed_authorization = v.sealed
    FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed) WHERE s.id = v.id::uuid`,
} as const satisfies Record<Place, unknown>;

const contextOf = ({ place, id, version, purpose }: ValueRow): string => {
  const contexts: Record<Place, () => string> = {
    privateKey: () => sealContext(purpose, id),
    fingerprint: () => fingerprintContext(purpose, id),
    secret: () => serverSecretContext(purpose, version),
    code: () => codeContext(id),
    mail: () => mailContext(id),
    phiKey: () => phiKeyContext(version),
    importedHashKey: () => importedHashKeyContext(id),
    importChunk: () => importChunkContext(id, version),
    alertTarget: () => alertTargetContext(id),
    streamAuthorization: () => streamAuthorizationContext(id),
  };
  return contexts[place]();
};

export const readSealedValues = async (tx: Sql): Promise<SealedValue[]> =>
  (await tx.query<ValueRow>(sealedValuesRead)).map((row) => ({ ...row, context: contextOf(row) }));

export async function writeSealedValues(tx: Sql, values: readonly SealedValue[]): Promise<void> {
  for (const place of places) {
    const here = values.filter((value) => value.place === place);
    if (here.length === 0) continue;
    await tx.query(writes[place], [
      here.map(({ id }) => id),
      here.map(({ version }) => version),
      here.map(({ sealed }) => sealed),
    ]);
  }
}
