import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { whyOf } from '../define/input-problem.ts';
import type { Section, SettingsOf } from '../define/setting.ts';
import { auditProblems, auditSettings } from './audit.ts';
import { backupProblems, backupSettings } from './backups.ts';
import { brandSettings } from './brand.ts';
import { clientProblems, clientSettings, type Registration } from './clients.ts';
import { complianceProblems, complianceSettings } from './compliance.ts';
import { ConfigError, type ConfigProblem, problemsOf } from './config-error.ts';
import { handoffProblems, handoffSettings } from './handoff.ts';
import { identitySettings } from './identity.ts';
import { jobSettings } from './jobs.ts';
import { keySettings } from './keys.ts';
import { legacyProblems, legacySettings } from './legacy.ts';
import { limitSettings } from './limits.ts';
import { mailProblems, mailSettings } from './mail.ts';
import { markProblems, markSettings } from './marks.ts';
import { MCP_PATH, mcpCopiesOf, mcpSettings } from './mcp.ts';
import { alertSettings, signalSettings } from './private-targets.ts';
import { serverSettings } from './server.ts';
import { siemProblems, siemSettings } from './siem.ts';
import { socialProblems, socialSettings } from './social.ts';
import { capacitySettings, storeProblems, storeSettings } from './stores.ts';
import { telemetrySettings } from './telemetry.ts';
import { tokenSettings } from './tokens.ts';
import { unknownNames } from './unknown-names.ts';
import { type Faces, facesOf, type Wing, wingProblems, wingSettings } from './wings.ts';
import { wrappedKeyProblems, wrappedKeySettings } from './wrapped-keys.ts';

export const sections = {
  server: serverSettings,
  brand: brandSettings,
  stores: storeSettings,
  tokens: tokenSettings,
  keys: keySettings,
  wrappedKeys: wrappedKeySettings,
  identity: identitySettings,
  social: socialSettings,
  clients: clientSettings,
  limits: limitSettings,
  mail: mailSettings,
  mcp: mcpSettings,
  jobs: jobSettings,
  audit: auditSettings,
  marks: markSettings,
  backups: backupSettings,
  compliance: complianceSettings,
  capacity: capacitySettings,
  handoff: handoffSettings,
  alerts: alertSettings,
  signals: signalSettings,
  siem: siemSettings,
  legacy: legacySettings,
  telemetry: telemetrySettings,
  wings: wingSettings,
} as const satisfies Record<string, Section>;

export { ConfigError } from './config-error.ts';

type Settings = { readonly [K in keyof typeof sections]: SettingsOf<(typeof sections)[K]> };
export type Config = Settings & { readonly faces: Faces };

type Environment = Readonly<Record<string, string | undefined>>;

const settingNames = Object.values(sections).flatMap((section: Section) =>
  Object.values(section).map((setting) => setting.env),
);

/** Reads the environment once. Throws a `ConfigError` that names every bad variable. */
export const loadConfig = (env: Environment): Config => readConfig(env, []);

/** The same for the environment of a process of the product: also refuses names that resemble settings. */
export const loadProcessConfig = (env: Environment): Config =>
  readConfig(
    env,
    unknownNames(env, settingNames).map(({ name, nearest }) => ({
      env: name,
      problem: 'is not a setting',
      fix: `did you mean ${nearest}? If not, unset it`,
    })),
  );

/** What is wrong with a value of the environment, as in "LOG_LEVEL must be …". */
export const settingProblem = (issue: z.core.$ZodIssue | undefined, given: string | undefined): string => {
  if (issue === undefined) return 'is not readable';
  return issue.code === 'too_big' ? whyOf(issue, given) : issue.message;
};

function readConfig(env: Environment, unknown: readonly ConfigProblem[]): Config {
  const result = readSettings(env, unknown);
  const unsafe = unsafeSettings(result);
  if (unsafe.length > 0) throw new ConfigError(unsafe);
  return result;
}

/** The same without what refuses a start: of an environment that no process has whole. */
export function readSettings(env: Environment, unknown: readonly ConfigProblem[] = []): Config {
  const problems = [...unknown];
  const config: Record<string, Record<string, unknown>> = {};
  for (const [name, section] of Object.entries(sections)) {
    const values: Record<string, unknown> = {};
    for (const [key, setting] of Object.entries(section as Section)) {
      const parsed = setting.schema.safeParse(env[setting.env]);
      if (parsed.success) values[key] = parsed.data;
      else
        problems.push({
          env: setting.env,
          problem: settingProblem(parsed.error.issues[0], env[setting.env]),
          fix: `correct or unset it: ${setting.use}`,
        });
    }
    config[name] = values;
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const settings = config as unknown as Settings;
  return { ...settings, faces: facesOf(settings.wings) };
}

/**
 * The warning of a start when NODE_ENV is production: it does not select the profile, and the operator probably does
 * not want a demo administrator.
 */
export function profileWarning(env: Environment): string | undefined {
  if (env.NODE_ENV !== 'production' || env.SALLYPORT_PROFILE) return undefined;
  return (
    'WARNING: NODE_ENV is production, but the profile is development, with public demo users and generated secrets. ' +
    'Set SALLYPORT_PROFILE=production (or =development to confirm)'
  );
}

/** The settings of wings that turn something on. */
function givenOfWings({ handoff, siem, legacy, compliance }: Config) {
  const given = (wing: Wing, settings: Readonly<Record<string, boolean>>) => ({
    wing,
    names: Object.keys(settings).filter((name) => settings[name]),
  });
  return [
    given('recovery', { RESTORE_DRILL_URL: compliance.restoreDrillUrl !== undefined }),
    given('handoff', { HANDOFF_ENDPOINTS: handoff.endpoints.length > 0, SIEM_TARGETS: siem.targets.length > 0 }),
    given('import', {
      LEGACY_ISSUER: legacy.issuer !== undefined,
      LEGACY_WEBHOOK_SECRET: legacy.webhookSecret !== undefined,
      LEGACY_PASSWORD_URL: legacy.passwordUrl !== undefined,
    }),
  ];
}

/** Combinations that prevent a start. `development` allows some of them. */
const unsafeSettings = (config: Config): ConfigProblem[] => [
  ...storeProblems(config.stores),
  ...auditProblems(config.audit, config.server.profile === 'production'),
  ...mailProblems(config.mail),
  ...handoffProblems(config.handoff),
  ...complianceProblems(config.compliance),
  ...backupProblems(config.backups, config.server.profile === 'production'),
  ...siemProblems(config.siem),
  ...wingProblems(config.wings, givenOfWings(config)),
  ...markProblems(config.marks, config.server.profile === 'production'),
  ...socialProblems(config.social, config.server.profile === 'development'),
  ...clientProblems(config.clients, config.server.profile === 'development'),
  ...legacyProblems(config.legacy, {
    isDevelopment: config.server.profile === 'development',
    ownIssuers: [config.tokens.issuer, config.server.publicUrl],
    ownSecrets: [config.identity.authSecret, config.keys.jwtSecret, config.keys.keyEncryptionKey],
  }),
  ...wrappedKeyProblems(config.wrappedKeys, {
    clearKeyIsSet: (config.keys.keyEncryptionKey ?? config.keys.keyEncryptionKeyFile) !== undefined,
    isProduction: config.server.profile === 'production',
  }),
  ...copyProblems(config),
  ...secretProblems(config),
  ...(config.server.profile === 'development' ? [] : sharedSecrets(config)),
  ...signingProblems(config),
  ...lifetimeProblems(config),
  ...certificateProblems(config),
  ...exposureProblems(config),
];

const copyProblems = (config: Config): ConfigProblem[] =>
  problemsOf((refuse) => {
    const { server, jobs } = config;
    if (server.apiCopies === 0 && jobs.workerCopies === 0 && mcpCopiesOf(config) === 0)
      refuse(
        'API_COPIES',
        'is 0, and so are WORKER_COPIES and MCP_COPIES: nothing would start',
        'set one of them above 0',
      );
  });

const secretProblems = ({ server, keys, identity, wrappedKeys }: Config): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (server.profile !== 'development' && identity.authSecret === undefined)
      refuse('BETTER_AUTH_SECRET', `is not set under ${server.profile}`, 'generate one: openssl rand -base64 32');
    if (
      server.profile !== 'development' &&
      keys.keyEncryptionKey === undefined &&
      keys.keyEncryptionKeyFile === undefined &&
      wrappedKeys.wrappedKey === undefined
    )
      refuse('KEY_ENCRYPTION_KEY', `is not set under ${server.profile}`, 'generate one: openssl rand -base64 32');
    for (const [env, secret, leastBytes] of [
      ['BETTER_AUTH_SECRET', identity.authSecret, 32],
      // The length is checked after decoding, or after reading the file.
      ['KEY_ENCRYPTION_KEY', keys.keyEncryptionKey, 0],
      ['JWT_SECRET', keys.jwtSecret, 32],
    ] as const) {
      const isShort = secret !== undefined && Buffer.byteLength(secret) < leastBytes;
      const isGuessable = secret !== undefined && server.profile === 'production' && new Set(secret).size < 10;
      const problem = isShort ? `is shorter than ${leastBytes} bytes` : 'is a default or guessable value';
      if (isShort || isGuessable) refuse(env, problem, 'generate one: openssl rand -base64 32');
    }
  });

/** How tokens are signed, and when verifiers get the next key. */
const signingProblems = ({ server, keys }: Config): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (server.profile !== 'development' && keys.algorithm === 'HS256' && keys.jwtSecret === undefined)
      refuse(
        'JWT_SECRET',
        `is not set under ${server.profile} although JWT_ALGORITHM is HS256`,
        'generate one: openssl rand -base64 32',
      );
    if (server.profile === 'production' && keys.algorithm === 'HS256' && !keys.allowSharedSecret)
      refuse(
        'JWT_ALGORITHM',
        'is HS256 under production',
        'use RS256, ES256 or EdDSA, or set ALLOW_HS256_IN_PRODUCTION=true',
      );
    if (keys.prepublishSeconds < keys.jwksMaxAgeSeconds)
      refuse(
        'KEY_PREPUBLISH_SECONDS',
        'is shorter than JWKS_MAX_AGE_SECONDS: verifiers would receive tokens signed with a key they have not fetched',
        'raise it, or lower JWKS_MAX_AGE_SECONDS',
      );
  });

const lifetimeProblems = ({ tokens }: Config): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (tokens.refreshAbsoluteSeconds < tokens.refreshTokenSeconds)
      refuse('JWT_REFRESH_ABSOLUTE_EXPIRY', 'is shorter than JWT_REFRESH_EXPIRY', 'raise it');
    // Without a grace period a lost response revokes the token family of an honest client.
    for (const [env, value] of [
      ['REFRESH_GRACE_SECONDS', tokens.graceSeconds],
      ['REFRESH_GRACE_USES', tokens.graceUses],
    ] as const)
      if (value === 0)
        refuse(env, 'is 0: a lost response would revoke the token family of an honest client', 'set it above 0');
  });

const certificateProblems = ({ server }: Config): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (server.clientCertHeader !== undefined && server.trustedProxies.length === 0)
      refuse(
        'CLIENT_CERT_HEADER',
        'is set without TRUSTED_PROXIES: no proxy may send it',
        'set TRUSTED_PROXIES to the proxies that terminate TLS, or unset it',
      );
    if (server.clientCertAuthoritiesFile !== undefined && server.clientCertHeader === undefined)
      refuse(
        'CLIENT_CERT_CA_FILE',
        'is set without CLIENT_CERT_HEADER: no certificate is read',
        'set CLIENT_CERT_HEADER to the header in which the proxy forwards certificates, or unset it',
      );
  });

/** What production must not show to the internet. */
const exposureProblems = ({ server, limits: { profile: limits = 'default' }, mcp }: Config): ConfigProblem[] =>
  problemsOf((refuse) => {
    if (server.profile !== 'production') return;
    if (limits !== 'default')
      refuse('RATE_LIMIT_PROFILE', `is ${limits} under production: guessing would hardly be limited`, 'unset it');
    if (server.publicUrl === undefined)
      refuse('BETTER_AUTH_URL', 'is not set under production', 'set the public URL of the API');
    if (server.publicUrl?.startsWith('http:'))
      refuse('BETTER_AUTH_URL', 'is not https under production', 'serve the API over TLS');
    if (mcp.url?.startsWith('http:'))
      refuse('MCP_URL', 'is not https under production', 'serve the MCP server over TLS');
  });

/**
 * Refuses two settings with the same secret: a leak of one is a leak of the other. The previous key-encryption key is not
 * compared, so that an installation can move away from a shared secret.
 */
function sharedSecrets({ identity, keys }: Config): ConfigProblem[] {
  const secrets = [
    ['BETTER_AUTH_SECRET', identity.authSecret],
    keys.keyEncryptionKey === undefined
      ? ['KEY_ENCRYPTION_KEY_FILE', contentOf(keys.keyEncryptionKeyFile)]
      : ['KEY_ENCRYPTION_KEY', keys.keyEncryptionKey],
    ['JWT_SECRET', keys.jwtSecret],
  ] as const;
  return secrets.flatMap(([env, secret], at) => {
    const same = secrets.slice(0, at).find(([, other]) => secret !== undefined && other === secret);
    if (same === undefined) return [];
    const problem = `is the same secret as ${same[0]}: a leak of one is a leak of the other`;
    return [{ env: env as string, problem, fix: `generate another for ${env}: openssl rand -base64 32` }];
  });
}

/** Content of a secret's file; undefined if it cannot be read, which the start reports separately. */
function contentOf(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Public origin of the API: BETTER_AUTH_URL, else the address it listens on. */
export const publicUrlOf = ({ server }: Config): string => server.publicUrl ?? `http://${server.host}:${server.port}`;

/** URLs of the MCP server, the resources of its tokens: `/mcp` of the API's origin, and MCP_URL where it is another. */
export const mcpUrlsOf = ({ mcp, faces }: Config, publicUrl: string): readonly string[] => {
  if (!faces.mcp) return [];
  const own = `${publicUrl}${MCP_PATH}`;
  return mcp.url === undefined || mcp.url === own ? [own] : [own, mcp.url];
};

/** Who may register a client: CLIENT_REGISTRATION, else every caller in development, and none elsewhere. */
export const registrationOf = ({ server, clients }: Config): Registration =>
  clients.registration ?? (server.profile === 'development' ? 'open' : 'off');

/**
 * The key-encryption key: from its variable, its file, or (in development) derived from the auth secret.
 * @returns at least 32 bytes
 */
export function keyEncryptionKeyOf(config: Config, authSecret: string): Buffer {
  const { keyEncryptionKey, keyEncryptionKeyFile } = config.keys;
  return givenKey('KEY_ENCRYPTION_KEY', keyEncryptionKey, keyEncryptionKeyFile) ?? derivedKeyEncryptionKey(authSecret);
}

/** The previous key-encryption key, if set; values sealed with it are re-encrypted under the current one. */
export function previousKeyEncryptionKeyOf(config: Config): Buffer | undefined {
  const { previousKeyEncryptionKey, previousKeyEncryptionKeyFile } = config.keys;
  return givenKey('KEY_ENCRYPTION_KEY_PREVIOUS', previousKeyEncryptionKey, previousKeyEncryptionKeyFile);
}

/** Derives the key-encryption key of a start without KEY_ENCRYPTION_KEY. */
export const derivedKeyEncryptionKey = (authSecret: string): Buffer =>
  createHash('sha256').update('sallyport development key-encryption key\0').update(authSecret).digest();

function givenKey(env: string, value: string | undefined, file: string | undefined): Buffer | undefined {
  const given = value ?? (file && readFileSync(file, 'utf8').trim());
  if (!given) return undefined;
  const key = Buffer.from(given, 'base64');
  if (key.length < 32)
    throw new ConfigError([{ env, problem: 'is shorter than 32 bytes', fix: 'generate one: openssl rand -base64 32' }]);
  return key;
}
