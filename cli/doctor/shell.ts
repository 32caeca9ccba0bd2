import { type Check, pass, warn } from '#services/core/health/doctor-check.ts';
import { contradictionsOf, settingsWithFacts } from '#services/platform/config/facts.ts';
import { type Config, loadConfig } from '#services/platform/config/load.ts';
import { createPool, createSql } from '#services/platform/postgres/pool.ts';
import { openContext } from '../context.ts';
import { contradictionText, factsIn } from '../installation.ts';

async function factsOfInstallation(): ReturnType<typeof factsIn> {
  const { databaseUrl: url } = await openContext(['databaseUrl']);
  const limits = { connections: 1, statementTimeoutMs: 3_000, lockTimeoutMs: 3_000 };
  const pool = createPool({ url, applicationName: 'sallyport-cli', ...limits });
  try {
    return await factsIn({ sql: createSql(pool) });
  } finally {
    await pool.end();
  }
}

/** The doctor does not use what this shell says against the installation: a check names it. */
async function judge() {
  const facts = await factsOfInstallation();
  const contradictions = facts === undefined ? [] : contradictionsOf(process.env, facts);
  for (const { name } of contradictions) delete process.env[name];
  return { facts, contradictions };
}

type Judged = {
  /** Of the installation; of this shell, if its database does not answer. */
  readonly settings: () => Promise<Config>;
  readonly shellCheck: Check;
  /** Throws if the database did not answer. */
  readonly reached: () => Promise<void>;
};

/** What the checks judge: the database is asked when the first of them needs it, and once. */
export function judgeInstallation(): Judged {
  let asked: ReturnType<typeof judge> | undefined;
  const judged = (): ReturnType<typeof judge> => {
    asked ??= judge();
    return asked;
  };
  return {
    settings: async () => {
      const facts = await judged().then(
        (known) => known.facts,
        () => undefined,
      );
      return facts === undefined ? loadConfig(process.env) : settingsWithFacts(process.env, facts);
    },
    shellCheck: {
      name: 'shell',
      needs: 'databaseUrl',
      run: async () => {
        const { facts, contradictions } = await judged();
        if (facts === undefined)
          return pass('no API of this version has started: its settings are those of this shell');
        if (contradictions.length === 0)
          return pass(`profile ${facts.SALLYPORT_PROFILE ?? 'development'}: this shell says nothing else`);
        return warn(contradictions.map(contradictionText).join('; '), 'unset it here, or restart the API with it');
      },
    },
    reached: async () => void (await judged()),
  };
}
