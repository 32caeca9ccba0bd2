import { isDeepStrictEqual } from 'node:util';
import { type Config, readSettings, sections } from './load.ts';

/**
 * Settings that are facts of the installation: every process that acts for it uses the same, also a command in another shell.
 * The others are of a process (ports, pools, copies), of a machine (folders, files), or secrets.
 */
const FACTS: { readonly [S in keyof Config]?: readonly (keyof Config[S])[] } = {
  server: ['profile', 'publicUrl', 'trustedProxies', 'clientCertHeader', 'clientCertAuthoritiesFile'],
  tokens: ['issuer', 'audience'],
  identity: [
    'sessionSeconds',
    'twoFactorSessionSeconds',
    'twoFactorIdleSeconds',
    'sessionsPerAccount',
    'secondFactorRoles',
    'stepUpSeconds',
    'requireEmailVerification',
    'invitationSeconds',
    'passwordProfile',
    'passwordHash',
  ],
  mcp: ['url'],
  limits: ['profile'],
  audit: ['sinks'],
  marks: ['store', 's3Url', 's3Region'],
  legacy: ['issuer', 'provider', 'bridgeUntil', 'passwordUrl'],
  alerts: ['allowsPrivate'],
  wings: ['leftOut'],
};

type Environment = Readonly<Record<string, string | undefined>>;
/** By the name of the variable; null: not set. */
type Facts = Readonly<Record<string, string | null>>;

const factSettings = Object.entries(FACTS).flatMap(([section, names]) =>
  (names as readonly string[]).map(
    (name) =>
      (sections as unknown as Record<string, Record<string, (typeof sections.server)['host']>>)[section]![name]!,
  ),
);

/** What this environment says. @param effective values of settings that have no fixed default, by variable */
export const factsOf = (env: Environment, effective: Readonly<Record<string, string>>): Facts =>
  Object.fromEntries(factSettings.map(({ env: name }) => [name, effective[name] ?? env[name] ?? null]));

export type Contradiction = { readonly name: string; readonly here: string; readonly there: string };

/** Facts that this environment sets, and to something else. */
export const contradictionsOf = (env: Environment, facts: Facts): Contradiction[] =>
  factSettings.flatMap(({ env: name, schema }) => {
    const [here, there] = [env[name], facts[name]];
    if (here === undefined || there === undefined) return [];
    const [mine, its] = [schema.safeParse(here), schema.safeParse(there ?? undefined)];
    if (isDeepStrictEqual(mine.data, its.data)) return [];
    return [{ name, here, there: there ?? 'not set' }];
  });

/** The settings of this environment, and of the installation where they are facts of it. */
export const settingsWithFacts = (env: Environment, facts: Facts): Config =>
  readSettings({
    ...env,
    ...Object.fromEntries(
      factSettings.flatMap(({ env: name }) => (name in facts ? [[name, facts[name] ?? undefined]] : [])),
    ),
  });
