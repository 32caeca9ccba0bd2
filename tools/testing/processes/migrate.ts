// For tests only: migrations of a folder in a process of its own, to be killed.
import { migrate } from '#services/platform/postgres/migrate.ts';

const [databaseUrl, folder] = process.argv.slice(2) as [string, string];
await migrate(databaseUrl, () => {}, [folder]);
