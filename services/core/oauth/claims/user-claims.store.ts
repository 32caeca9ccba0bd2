import type { Sql } from '#services/core/ports.ts';
import { defineStatement } from '#services/platform/define/statement.ts';

const userProfileRead = defineStatement(
  'oauthUserProfileRead',
  `SELECT email, "emailVerified" IS NOT NULL AS "isEmailVerified", name, image,
     floor(extract(epoch FROM "updatedAt"))::int8 AS "updatedAt"
   FROM users WHERE id = $1 AND "disabledAt" IS NULL`,
);

/** The user data that OpenID Connect claims can contain. */
export type UserProfile = {
  readonly email: string;
  readonly isEmailVerified: boolean;
  readonly name: string | null;
  readonly image: string | null;
  /** Unix seconds. */
  readonly updatedAt: number;
};

export async function readUserProfile(sql: Sql, userId: string): Promise<UserProfile | undefined> {
  return (await sql.query<UserProfile>(userProfileRead, [userId]))[0];
}
