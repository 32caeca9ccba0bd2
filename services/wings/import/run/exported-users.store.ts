import type { Sql } from '#services/core/ports.ts';
import type { ExternalId } from '#services/core/shared/external-id.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { LegacyAccount, LegacyPasskey } from '../adapters/adapter.ts';

export type ExportedRow = {
  /** A user of ours has the same id at another system. */
  readonly id: ExternalId;
  readonly legacy_id: ExternalId | null;
  readonly email: string;
  readonly email_verified: boolean;
  readonly name: string | null;
  readonly image: string | null;
  readonly created_at: Date;
  readonly disabled: boolean;
  /** Whether the user enrols a second factor before the next session. */
  readonly owes_factor: boolean;
  readonly roles: readonly string[];
  readonly digest: string | null;
  readonly metadata: Readonly<Record<string, unknown>> | null;
  readonly accounts: readonly LegacyAccount[];
  readonly secret: string | null;
  readonly codes: string | null;
  readonly passkeys: readonly (Omit<LegacyPasskey, 'transports' | 'rp_id'> & { readonly transports: string | null })[];
};

/** A page of users by id. Indexes: the primary keys, and those of the user in the other tables. */
const exportPage = defineStatement('exportUsersPage')`
  SELECT u.id, l.legacy_id, u.email, u."emailVerified" IS NOT NULL AS email_verified, u.name, u.image,
    u."createdAt" AS created_at, u."disabledAt" IS NOT NULL AS disabled, u."owesFactor" AS owes_factor, u.roles, m.metadata,
    (SELECT a.password FROM accounts a WHERE a."userId" = u.id AND a."providerId" = 'credential' LIMIT 1) AS digest,
    coalesce((SELECT jsonb_agg(jsonb_build_object('provider', a."providerId", 'subject', a."accountId")
        ORDER BY a."providerId" COLLATE "C", a."accountId" COLLATE "C")
      FROM accounts a WHERE a."userId" = u.id AND a."providerId" <> 'credential'), '[]') AS accounts,
    t.secret, t."backupCodes" AS codes,
    coalesce((SELECT jsonb_agg(jsonb_build_object('credential_id', p."credentialID", 'public_key', p."publicKey",
        'counter', p.counter, 'transports', p.transports, 'device_type', p."deviceType", 'backed_up', p."backedUp",
        'aaguid', p.aaguid, 'name', p.name) ORDER BY p."credentialID" COLLATE "C")
      FROM passkeys p WHERE p."userId" = u.id), '[]') AS passkeys
  FROM users u LEFT JOIN legacy_users l ON l.user_id = u.id AND l.provider = $1 AND NOT l.joined
    LEFT JOIN user_metadata m ON m.user_id = u.id
    LEFT JOIN two_factors t ON t."userId" = u.id AND t.verified
  WHERE u.id > $2 ORDER BY u.id LIMIT $3`;

export const readExportPage = (sql: Sql, provider: string, after: string, limit: number): Promise<ExportedRow[]> =>
  sql.query<ExportedRow>(exportPage, [provider, after, limit]);
