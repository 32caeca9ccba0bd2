import type { VerifierOptions } from './sallyport.ts';

export type Settings = {
  readonly host: string;
  readonly port: number;
  readonly databaseUrl: string;
  /** Origins whose pages may call this service. */
  readonly corsOrigins: readonly string[];
  readonly publicUrl: string | undefined;
  readonly verifier: VerifierOptions;
};

/** Reads the environment. @throws an error that names what is missing */
export function settingsOf(env: NodeJS.ProcessEnv): Settings {
  const required = (name: string): string => {
    const value = env[name];
    if (!value) throw new Error(`${name} is not set`);
    return value;
  };
  const url = env.BETTER_AUTH_URL || 'http://localhost:3000';
  const issuer = env.JWT_ISSUER || url;
  return {
    host: env.HOST || '127.0.0.1',
    port: Number(env.TASKS_PORT || 8000),
    databaseUrl: required('DATABASE_URL'),
    corsOrigins: (env.CORS_ORIGINS || '').split(',').filter(Boolean),
    publicUrl: env.PUBLIC_URL || undefined,
    verifier: {
      issuer,
      audience: env.JWT_AUDIENCE || issuer,
      url,
      allowHttp: env.ALLOW_HTTP === 'true',
      clientId: required('CLIENT_ID'),
      clientSecret: required('CLIENT_SECRET'),
      maxStale: Number(env.MAX_STALE || 60),
      ...(env.LEGACY_ISSUER
        ? {
            legacy: {
              issuer: env.LEGACY_ISSUER,
              jwksUri: required('LEGACY_JWKS_URI'),
              audience: required('LEGACY_AUDIENCE'),
              until: required('LEGACY_BRIDGE_UNTIL'),
            },
          }
        : {}),
      ...(env.JWT_SECRET ? { algorithms: ['HS256'], secret: env.JWT_SECRET } : {}),
    },
  };
}
