import { defineStatement } from '../../platform/define/statement.ts';
import type { Sql } from '../ports.ts';
import { fingerprintContext, sealContext } from './key-material.ts';
import { serverSecretContext } from './server-secrets.ts';

/** Every column that holds what the vault sealed. One that is not here does not survive another key-encryption key. */
const places = ['privateKey', 'fingerprint', 'secret'] as const;
type Place = (typeof places)[number];

/** One sealed value, where it stands, and what it was sealed for. */
export type SealedValue = {
  readonly place: Place;
  /** Kid, or purpose of a server secret. */
  readonly id: string;
  /** Of a server secret; 0 for keys. */
  readonly version: number;
  readonly context: string;
  readonly sealed: string;
};

type ValueRow = Omit<SealedValue, 'context'> & { readonly purpose: string };

// Reads both tables whole: a few rows a year. The caller holds the lock of key writers, so nothing is added meanwhile.
const sealedValuesRead = defineStatement(
  'sealedValuesRead',
  `SELECT 'privateKey' AS place, id, 0 AS version, purpose, "privateKey" AS sealed FROM jwks WHERE "privateKey" <> ''
   UNION ALL SELECT 'fingerprint', id, 0, purpose, "publicKey" FROM jwks WHERE alg = 'HS256'
   UNION ALL SELECT 'secret', purpose, version, purpose, secret FROM server_secrets WHERE secret <> ''`,
);
const writes = {
  privateKey: defineStatement(
    'sealedPrivateKeysWrite',
    `UPDATE jwks SET "privateKey" = v.sealed FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed)
     WHERE jwks.id = v.id`,
  ),
  fingerprint: defineStatement(
    'sealedFingerprintsWrite',
    `UPDATE jwks SET "publicKey" = v.sealed FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed)
     WHERE jwks.id = v.id`,
  ),
  secret: defineStatement(
    'sealedSecretsWrite',
    `UPDATE server_secrets s SET secret = v.sealed FROM unnest($1::text[], $2::int[], $3::text[]) AS v(id, version, sealed)
     WHERE s.purpose = v.id AND s.version = v.version`,
  ),
} as const satisfies Record<Place, unknown>;

const contextOf = ({ place, id, version, purpose }: ValueRow): string => {
  if (place === 'privateKey') return sealContext(purpose, id);
  return place === 'fingerprint' ? fingerprintContext(purpose, id) : serverSecretContext(purpose, version);
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
