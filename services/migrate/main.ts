// PROCESS: brings the database to where the API and the worker can start, and ends: migrations, first keys, demo users.
import { loadProcessConfig } from '../platform/config/load.ts';
import { ensureDataDir } from '../platform/local/data-dir.ts';
import { exitCodeOf, fatalOf } from '../platform/process/fatal.ts';
import { processInputsOf } from '../platform/process/inputs.ts';
import { probePostgres } from '../platform/process/probe-store.ts';
import { waitForStore } from '../platform/process/store-wait.ts';
import { prepare } from './prepare.ts';

const say = (text: string): void => void process.stderr.write(`sallyport-migrate: ${text}\n`);

try {
  const config = loadProcessConfig(process.env);
  const { dataDir, databaseUrl, redisUrl, authSecret } = processInputsOf(config);
  ensureDataDir(dataDir);
  const work = async (): ReturnType<typeof prepare> => {
    await probePostgres(databaseUrl);
    return prepare({ databaseUrl, redisUrl, dataDir, authSecret, log: say });
  };
  const { warnings } = await waitForStore(work, {
    store: 'PostgreSQL',
    url: databaseUrl,
    waitSeconds: config.stores.waitSeconds,
    say,
  });
  for (const warning of warnings) say(warning);
  say('the database is ready');
} catch (err) {
  const fatal = fatalOf(err);
  say(`${fatal.message}\n  fix: ${fatal.fix}`);
  process.exitCode = exitCodeOf(fatal);
}
