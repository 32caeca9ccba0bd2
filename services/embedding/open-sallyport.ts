import { createLogger } from '#observability/logger.ts';
import { watchProcess } from '#observability/metrics/process.ts';
import { type TokenSecurityConfig, tokenSecurityConfigOf } from '#services/core/tokens/token-types.ts';
import { type Composed, compose } from '../api/compose.ts';
import { observeGauges } from '../api/gauges.ts';
import { type CallerResolver, createCallerResolver } from '../api/requests/caller.ts';
import { useProofsOnce } from '../api/requests/use-proofs-once.ts';
import { loadList } from '../modules.ts';
import { loadConfig, publicUrlOf } from '../platform/config/load.ts';
import { withUnwrappedKeys } from '../platform/crypto/unwrap-keys.ts';
import { processInputsOf } from '../platform/process/inputs.ts';

export { isAppError } from '../platform/define/error.ts';

export type Sallyport = Pick<Composed, 'ports' | 'authenticators'> & {
  readonly callers: CallerResolver;
  /** How tokens are issued and checked here, for applications that set cookies or show how long a sign-in lasts. */
  readonly tokenSecurity: TokenSecurityConfig;
  /** Writes what is still in memory, and closes the connections to Postgres and Redis. */
  close(): Promise<void>;
};

/**
 * Opens what an API copy serves from, without its HTTP server: `ports` for the services of this folder,
 * `authenticators` and `callers` for the middleware, and the settings of tokens. Open one for each process. It reads the same settings as the API
 * (docs/reference/configuration.md) and needs DATABASE_URL, migrated, and REDIS_URL.
 * Throws `ConfigError` for a wrong or missing setting.
 * @param env settings by name, as in `process.env`
 */
export async function openSallyport(env: Readonly<Record<string, string | undefined>>): Promise<Sallyport> {
  const config = await withUnwrappedKeys(loadConfig(env));
  const log = createLogger({ service: 'sallyport-embedded', level: config.server.logLevel });
  const publicUrl = publicUrlOf(config);
  const composed = await compose({ ...processInputsOf(config), config, publicUrl, log, databaseRole: 'sallyport_app' });
  const { ports, authenticators, poll, close } = composed;
  observeGauges(composed, config);
  const stopWatching = watchProcess();
  // The dashboard shows this process as a copy of the API.
  const copy = { kind: 'api', config } as const;
  const watches = (await loadList('copyWatches', config.wings)).map((watch) => watch({ ...ports, copy }));
  poll.start();
  const isDevelopment = config.server.profile === 'development';
  await Promise.all([poll.ready(), ports.auth.ready(), isDevelopment || ports.hasher.warm()]);
  return {
    ports,
    authenticators,
    callers: useProofsOnce(ports, createCallerResolver(authenticators)),
    tokenSecurity: tokenSecurityConfigOf(config, publicUrl),
    close: async () => {
      await Promise.all(watches.map((watch) => watch?.close()));
      await close();
      stopWatching();
    },
  };
}
