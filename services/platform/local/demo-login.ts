import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type DemoLogin = { readonly email: string; readonly password: string };

/** Where a start in development writes the credentials of the demo users and of their client. */
export const credentialsFileOf = (dataDir: string): string => join(dataDir, 'dev-credentials.json');

/** The demo user; undefined if there is none. */
export function readDemoLogin(credentialsFile: string): DemoLogin | undefined {
  try {
    const { user } = JSON.parse(readFileSync(credentialsFile, 'utf8')) as { user?: Partial<DemoLogin> };
    return typeof user?.email === 'string' && typeof user.password === 'string'
      ? { email: user.email, password: user.password }
      : undefined;
  } catch {
    return undefined;
  }
}
