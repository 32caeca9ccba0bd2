import { statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { Command } from 'commander';
import { readUnsignedAlgorithms } from '#services/core/access/signed-algorithms.ts';
import { type Check, fail, type ModuleCheck, pass, skip, warn } from '#services/core/health/doctor-check.ts';
import { readProductionGaps } from '#services/core/health/production-gaps.ts';
import { readKeyWarnings } from '#services/core/keys/key-warnings.ts';
import { assertVaultFits } from '#services/core/keys/publish-key.ts';
import { loadList, modulesOf } from '#services/modules.ts';
import { ConfigError, loadProcessConfig } from '#services/platform/config/load.ts';
import { missingForProduction } from '#services/platform/config/production.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import { resolveDataDir } from '#services/platform/local/data-dir.ts';
import { outdatedBundle, runningBundle } from '#services/platform/local/outdated-bundle.ts';
import { migrationRefusal, migrationStates } from '#services/platform/postgres/migrate.ts';
import {
  assertPostgresVersion,
  POSTGRES_VERSION_FIX,
  postgresVersionWarning,
} from '#services/platform/postgres/server-version.ts';
import { findApi } from '../api-client.ts';
import { openContext } from '../context.ts';
import { inspectDatabase, withDatabase } from '../database-ports.ts';
import { exitCodes } from '../exit-codes.ts';
import { createOutput, type GlobalOptions, type Output } from '../output.ts';
import { addressCheck } from './address.ts';
import { advisoriesCheck } from './advisories.ts';
import { auditChecks } from './audit.ts';
import { clientCertificatesCheck, clientsCheck } from './clients.ts';
import { jobChecks } from './jobs.ts';
import { limitsCheck } from './limits.ts';
import { mailCheck } from './mail.ts';
import { marksCheck } from './marks.ts';
import { poolerCheck } from './pooler.ts';
import { redisCheck } from './redis.ts';
import { replicaCheck } from './replica.ts';
import { rolesCheck } from './roles.ts';
import { roomResult, writeRefusal } from './room.ts';
import { runChecks } from './run-checks.ts';
import { judgeInstallation } from './shell.ts';
import { wingsCheck } from './wings.ts';

/** In development, lists all that is missing for production, as the start page does. */
const productionCheck: Check = {
  name: 'production',
  needs: 'databaseUrl',
  run: async (settings) => {
    const { server, wings } = await settings();
    if (server.profile !== 'development') return pass(`profile ${server.profile}: the controls page what is missing`);
    const gaps = await withDatabase((ports) =>
      readProductionGaps(ports, missingForProduction(process.env), modulesOf(wings)),
    );
    if (gaps.length === 0) return pass('nothing is missing but SALLYPORT_PROFILE=production');
    return {
      ...warn(`${gaps.length} things are missing for production`, 'docs/how-to/run-in-production.md'),
      items: gaps.map(({ name, why, fix }) => `${name}: ${why}. ${fix}`),
    };
  },
};

/** Checks that the code that runs here is that of the sources beside it. */
const bundleCheck: Check = {
  name: 'code',
  run: async () => {
    const outdated = outdatedBundle();
    if (outdated !== undefined) return warn(`bundle ${runningBundle}: ${outdated.message}`, outdated.fix);
    return pass(runningBundle === undefined ? 'the sources' : `bundle ${runningBundle}`);
  },
};

const CLOCK_BOUND_MS = 5_000;

const serverFacts = defineStatement('doctorServerFacts')`
  SELECT current_setting('server_version_num')::int AS version, current_setting('fsync') AS fsync,
    current_setting('synchronous_commit') AS synchronous_commit, current_setting('synchronous_standby_names') AS standbys,
    (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now_ms, current_setting('transaction_read_only') AS read_only`;
const keyFacts = defineStatement('doctorKeyFacts')`
  SELECT count(*) FILTER (WHERE is_signer AND purpose = 'access') AS signing,
    count(*) FILTER (WHERE purpose = 'access') AS keys,
    coalesce(string_agg(alg, ', ' ORDER BY alg) FILTER (WHERE is_signer AND purpose <> 'access'), '') AS others
  FROM (SELECT purpose, alg, signs @> now() AND compromised_at IS NULL AS is_signer FROM jwks) keys
  WHERE purpose = 'access' OR starts_with(purpose, 'access:')`;

type ServerFacts = {
  version: number;
  fsync: string;
  synchronous_commit: string;
  standbys: string;
  now_ms: number;
  read_only: string;
};

/** @param reached waits for the database, and throws if it did not answer */
const checksOf = (
  shellCheck: Check,
  reached: () => Promise<void>,
  ofModules: readonly ModuleCheck[],
): readonly Check[] => [
  {
    name: 'configuration',
    run: async () => {
      try {
        loadProcessConfig(process.env);
        return pass('every variable of this shell readable and safe');
      } catch (err) {
        if (!(err instanceof ConfigError)) throw err;
        const [first] = err.problems;
        return fail(
          err.problems.map(({ env, problem }) => `${env} ${problem}`).join('; '),
          `${first?.env}: ${first?.fix}`,
        );
      }
    },
  },
  {
    name: 'data directory',
    run: async () => {
      const dataDir = resolveDataDir(process.env);
      const mode = statSync(dataDir, { throwIfNoEntry: false })?.mode;
      if (mode === undefined) return warn(`${dataDir} does not exist yet`, 'npm start creates it');
      if (mode & 0o022) return fail(`${dataDir} can be written by others`, `chmod go-w ${dataDir}`);
      const { bavail, bsize } = await statfs(dataDir);
      return roomResult(dataDir, bavail * bsize);
    },
  },
  bundleCheck,
  limitsCheck,
  redisCheck,
  {
    name: 'postgres',
    needs: 'databaseUrl',
    run: async () => {
      await reached();
      return withDatabase(async ({ sql }) => {
        const [facts] = await sql.query<ServerFacts>(serverFacts);
        if (!facts) return fail('PostgreSQL does not answer', 'check DATABASE_URL');
        const evidence = `version ${Math.floor(facts.version / 10_000)}, fsync ${facts.fsync}, synchronous_commit ${facts.synchronous_commit}`;
        const refusal = await writeRefusal(sql, facts.read_only === 'on');
        if (refusal) return fail(`${evidence}; ${refusal.what}`, refusal.fix);
        assertPostgresVersion(facts.version);
        if (facts.fsync !== 'on' || facts.synchronous_commit === 'off')
          return fail(evidence, 'set fsync = on and synchronous_commit = on');
        const oldness = postgresVersionWarning(facts.version);
        if (oldness) return warn(`${evidence}; ${oldness}`, POSTGRES_VERSION_FIX);
        if (facts.standbys === '')
          return warn(
            `${evidence}, no synchronous standby`,
            'set synchronous_standby_names to lose no commit when a server is lost',
          );
        return pass(evidence);
      });
    },
  },
  shellCheck,
  poolerCheck,
  replicaCheck,
  {
    name: 'clock',
    needs: 'databaseUrl',
    run: () =>
      withDatabase(async ({ sql }) => {
        const before = Date.now();
        const [facts] = await sql.query<ServerFacts>(serverFacts);
        const offsetMs = Math.round((facts?.now_ms ?? 0) - (before + Date.now()) / 2);
        const evidence = `${offsetMs} ms from the database's`;
        return Math.abs(offsetMs) > CLOCK_BOUND_MS ? fail(evidence, 'synchronise the clocks (NTP)') : pass(evidence);
      }),
  },
  {
    name: 'migrations',
    needs: 'databaseUrl',
    run: async () => {
      const { databaseUrl } = await openContext(['databaseUrl']);
      const states = await migrationStates(databaseUrl);
      const namesOf = (wanted: string) => states.filter(({ state }) => state === wanted).map(({ name }) => name);
      const refusal = migrationRefusal(states);
      if (refusal) return fail(refusal.message, refusal.fix);
      const [pending, later] = [namesOf('pending'), namesOf('unknown')];
      if (pending.length > 0) return fail(`pending: ${pending.join(', ')}`, 'npx sallyport migrate up');
      if (later.length > 0)
        return warn(`applied by a later version: ${later.join(', ')}`, 'upgrade this copy to that version');
      return pass('all applied');
    },
  },
  {
    name: 'signing keys',
    needs: 'databaseUrl',
    run: () =>
      inspectDatabase(async ({ sql, transact, vault }) => {
        const [facts] = await sql.query<{ signing: number; keys: number; others: string }>(keyFacts);
        await transact((tx) => assertVaultFits(tx, vault));
        const others = facts?.others ? `; for clients registered for it: ${facts.others}` : '';
        const evidence = `${facts?.signing ?? 0} signing of ${facts?.keys ?? 0}${others}`;
        if (facts?.signing !== 1) return fail(evidence, 'npx sallyport keys rotate');
        const [unsigned] = await readUnsignedAlgorithms({ sql });
        if (unsigned)
          return fail(
            `${unsigned.clients} clients are registered for ${unsigned.algorithm}, with which no key signs: they get no tokens`,
            `add ${unsigned.algorithm} to JWT_ADDITIONAL_ALGORITHMS and restart, or change the clients: npx sallyport clients update`,
          );
        const [warning] = await readKeyWarnings({ sql });
        return warning === undefined ? pass(evidence) : warn(warning, 'npx sallyport keys rotate');
      }),
  },
  rolesCheck,
  clientsCheck,
  clientCertificatesCheck,
  marksCheck,
  ...auditChecks,
  ...ofModules.map(
    (check): Check => ({
      name: check.name,
      needs: 'databaseUrl',
      run: async (settings) =>
        (await loadList('checks', (await settings()).wings)).some(({ name }) => name === check.name)
          ? withDatabase(check.run)
          : skip('its wing is left out'),
    }),
  ),
  ...jobChecks,
  mailCheck,
  {
    name: 'api',
    run: async () => {
      const api = findApi(undefined);
      const answer = await fetch(`${api}/readyz`, { signal: AbortSignal.timeout(3_000) });
      const { components } = (await answer.json()) as { components: Record<string, string> };
      const evidence = Object.entries(components)
        .map(([name, state]) => `${name} ${state}`)
        .join(', ');
      return answer.ok ? pass(evidence) : fail(evidence, 'see the API log for the component that is not ok');
    },
  },
  addressCheck,
  wingsCheck,
  productionCheck,
  advisoriesCheck,
];

const line = (output: Output, word: string, name: string, evidence: string): string =>
  `${output.bold(word.padEnd(4))}  ${name.padEnd(14)}  ${evidence}`;

async function doctor(output: Output): Promise<void> {
  const { settings, shellCheck, reached } = judgeInstallation();
  // Results are printed one by one: a check of a store that does not answer takes until its timeout.
  const results = await runChecks(
    checksOf(shellCheck, reached, await loadList('checks')),
    settings,
    ({ name, result, evidence, fix, items = [] }) => {
      if (result === 'skip') return;
      const below = [...items.map((item) => `- ${item}`), ...(fix ? [`fix: ${fix}`] : [])];
      output.lines([line(output, result, name, evidence), ...below.map((text) => `      ${' '.repeat(14)}  ${text}`)]);
    },
  );
  const skipped = results.filter(({ result }) => result === 'skip').map(({ name }) => name);
  if (skipped.length > 0) output.lines([line(output, 'skip', `not checked (${skipped.length})`, skipped.join(', '))]);
  output.json({ checks: results });
  if (results.some(({ result }) => result === 'fail')) process.exitCode = exitCodes.checkFailed;
}

/**
 * `sallyport doctor`: prints pass, warn or fail for each check, with evidence and one exact fix, and which were not
 * checked because of an earlier failure or a left-out wing; exit code 1 on a fail.
 */
export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .action((_own, command: Command) => doctor(createOutput(command.optsWithGlobals<GlobalOptions>())));
}
