import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type DemoLogin = { readonly email: string; readonly password: string };

/** Where a start in development writes the credentials of the demo users and of their client. */
export const credentialsFileOf = (dataDir: string): string => join(dataDir, 'dev-credentials.json');

/** The demo user, or the demo administrator; undefined if there is none. */
export function readDemoLogin(credentialsFile: string, of: 'user' | 'admin' = 'user'): DemoLogin | undefined {
  try {
    const { [of]: login } = JSON.parse(readFileSync(credentialsFile, 'utf8')) as Record<string, Partial<DemoLogin>>;
    return typeof login?.email === 'string' && typeof login.password === 'string'
      ? { email: login.email, password: login.password }
      : undefined;
  } catch {
    return undefined;
  }
}
