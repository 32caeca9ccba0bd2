// PROCESS: brings the database to where the API and the worker can start, and ends: migrations, first keys, demo users.
import { nameSourcesOfCrash } from '#observability/source-frames.ts';
import { loadProcessConfig } from '../platform/config/load.ts';
import { ensureDataDir } from '../platform/local/data-dir.ts';
import { outdatedBundle } from '../platform/local/outdated-bundle.ts';
import { exitCodeOf, fatalOf } from '../platform/process/fatal.ts';
import { processInputsOf } from '../platform/process/inputs.ts';
import { directVariableOf, reachPostgres } from '../platform/process/probe-store.ts';
import { waitForStore } from '../platform/process/store-wait.ts';
import { prepare } from './prepare.ts';
import { ensureProcessLogins } from './process-logins.ts';

nameSourcesOfCrash();
const say = (text: string): void => void process.stderr.write(`sallyport-migrate: ${text}\n`);

try {
  const config = loadProcessConfig(process.env);
  const { dataDir, databaseUrl, pooledUrl, redisUrl, authSecret } = processInputsOf(config);
  ensureDataDir(dataDir);
  const outdated = outdatedBundle();
  if (outdated !== undefined) say(`${outdated.message}\n  fix: ${outdated.fix}`);
  const wait = { waitSeconds: config.stores.waitSeconds, say };
  await reachPostgres({ databaseUrl, pooledUrl }, wait);
  const { warnings } = await waitForStore(() => prepare({ databaseUrl, redisUrl, dataDir, authSecret, log: say }), {
    ...wait,
    store: 'PostgreSQL',
    url: databaseUrl,
    variable: directVariableOf(pooledUrl),
  });
  const { apiDatabaseUrl: api, mcpDatabaseUrl: mcp, workerDatabaseUrl: worker } = config.stores;
  const refused = await ensureProcessLogins(databaseUrl, { api, mcp, worker }, say);
  for (const warning of [...warnings, ...refused]) say(warning);
  say('the database is ready');
} catch (err) {
  const fatal = fatalOf(err);
  say(`${fatal.message}\n  fix: ${fatal.fix}`);
  process.exitCode = exitCodeOf(fatal);
}
