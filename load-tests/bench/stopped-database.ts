import pg from 'pg';
import { startPostgres } from '#services/platform/local/postgres.ts';

/**
 * Runs work on the database of a stopped product.
 * @param work gets a connection to the server's own database, and the address of the product's
 */
export async function onStoppedDatabase<T>(
  { dataDir, say }: { readonly dataDir: string; readonly say: (text: string) => void },
  work: (admin: pg.Client, url: string) => Promise<T>,
): Promise<T> {
  const postgres = await startPostgres({ dataDir, say });
  const adminUrl = new URL(postgres.url);
  adminUrl.pathname = '/postgres';
  const admin = new pg.Client({ connectionString: adminUrl.href });
  try {
    await admin.connect();
    return await work(admin, postgres.url);
  } finally {
    await admin.end();
    await postgres.stop();
  }
}
