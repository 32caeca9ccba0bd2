/** The addresses and paths that a start uses. */
export type Surroundings = {
  readonly host: string;
  readonly port: number;
  readonly apiUrl: string;
  /** Undefined where no MCP server is started. */
  readonly mcp: { readonly port: number; readonly url: string } | undefined;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly dataDir: string;
  /** Generated under the development profile only. */
  readonly authSecret: string | undefined;
};

/**
 * The environment of every child: generated values, overridden by the given ones, overridden by the actual addresses.
 */
export function childEnv(given: NodeJS.ProcessEnv, at: Surroundings): NodeJS.ProcessEnv {
  const generated = {
    ...(at.authSecret ? { BETTER_AUTH_SECRET: at.authSecret } : {}),
    BETTER_AUTH_URL: at.apiUrl,
    ...(at.mcp ? { MCP_URL: `${at.mcp.url}/mcp` } : {}),
  };
  return {
    ...generated,
    ...withoutEmpty(given),
    SALLYPORT_GENERATED: Object.keys(generated)
      .filter((name) => !given[name])
      .join(','),
    HOST: at.host,
    PORT: String(at.port),
    ...(at.mcp ? { MCP_PORT: String(at.mcp.port) } : {}),
    DATABASE_URL: at.databaseUrl,
    REDIS_URL: at.redisUrl,
    SALLYPORT_DATA_DIR: at.dataDir,
  };
}

/** An empty variable means "not set" and must not hide a generated value. */
const withoutEmpty = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
