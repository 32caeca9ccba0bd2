// For tests only: rows as the real Better Auth writes them, in memory.
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { twoFactor } from 'better-auth/plugins';

export type BetterAuthRows = {
  readonly tables: Readonly<Record<string, Record<string, unknown>[]>>;
  /** Base32, of the authenticator app of the first user. */
  readonly totp: string;
  readonly codes: readonly string[];
};

/** Signs these users up with one password; the first has an authenticator app. */
export async function betterAuthRows(
  secret: string,
  password: string,
  emails: readonly [string, ...string[]],
): Promise<BetterAuthRows> {
  const tables: Record<string, Record<string, unknown>[]> = {
    user: [],
    account: [],
    session: [],
    verification: [],
    twoFactor: [],
  };
  const auth = betterAuth({
    secret,
    baseURL: 'http://localhost:4000',
    database: memoryAdapter(tables),
    emailAndPassword: { enabled: true },
    plugins: [twoFactor()],
  });
  let cookie = '';
  for (const email of emails) {
    const { headers } = await auth.api.signUpEmail({ body: { email, name: 'Ada', password }, returnHeaders: true });
    if (email !== emails[0]) continue;
    cookie = headers
      .getSetCookie()
      .map((line) => line.split(';', 1)[0])
      .join('; ');
  }
  const enabled = await auth.api.enableTwoFactor({ body: { password }, headers: new Headers({ cookie }) });
  const { backupCodes, totpURI } = enabled as { readonly backupCodes: string[]; readonly totpURI: string };
  for (const row of tables.twoFactor ?? []) row.verified = true;
  return { tables, totp: new URL(totpURI).searchParams.get('secret') ?? '', codes: backupCodes };
}
