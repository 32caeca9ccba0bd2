import type { ErrorReports } from '#observability/error-report.ts';
import { createLogger, type Logger } from '#observability/logger.ts';
import { profileInUse } from '#observability/metrics/process.ts';
import type { Telemetry } from '#observability/otel.ts';
import { nameSourcesOfCrash } from '#observability/source-frames.ts';
import { type Config, loadProcessConfig } from '../config/load.ts';
import { databaseUrlsOf } from '../config/stores.ts';
import { withUnwrappedKeys } from '../crypto/unwrap-keys.ts';
import { outdatedBundle } from '../local/outdated-bundle.ts';
import { collectWhenIdle } from './collect-when-idle.ts';
import { exitCodeOf, fatalOf, tellSupervisor } from './fatal.ts';
import { refuseMixedSessions, refuseUnfitRedis } from './probe-store.ts';

/** The telemetry that `telemetry.ts` of a process started first. */
type Instruments = {
  readonly telemetry: Pick<Telemetry, 'warnings' | 'shutdown'>;
  readonly errorReports: Pick<ErrorReports, 'warnings' | 'report' | 'close'>;
};

/** How to stop a process that has started. */
export type Running = {
  /** Stops everything that was started, in order. */
  stop(): Promise<void>;
  /** Deadline after which the process exits. */
  readonly stopSeconds: number;
};

/**
 * Runs a process: configures it from its environment, starts it, and stops it once, at a signal, with its
 * supervisor, or at an uncaught error, which is logged without its message; the supervisor then restarts the process.
 */
export async function runProcess(
  service: `sallyport-${string}`,
  { telemetry, errorReports }: Instruments,
  start: (config: Config, log: Logger) => Promise<Running>,
): Promise<void> {
  nameSourcesOfCrash();
  try {
    const config = await withUnwrappedKeys(loadProcessConfig(process.env));
    const log = createLogger({ service, level: config.server.logLevel, onError: errorReports.report });
    for (const warning of [...telemetry.warnings, ...errorReports.warnings])
      log.warn({ warning }, 'telemetry setting ignored');
    const outdated = outdatedBundle();
    if (outdated !== undefined) log.warn({ code: outdated.code, fix: outdated.fix }, outdated.message);
    profileInUse.set(1, { profile: config.server.profile });
    const { databaseUrl, redisUrl } = config.stores;
    if (databaseUrl !== undefined) await refuseMixedSessions(databaseUrlsOf(databaseUrl, config.stores));
    await refuseUnfitRedis(redisUrl);
    const running = await start(config, log);
    tellSupervisor({ type: 'ready' });
    collectWhenIdle();
    stopOnSignals(log, running, () => Promise.all([telemetry.shutdown(), errorReports.close()]));
  } catch (err) {
    const fatal = fatalOf(err);
    tellSupervisor(fatal);
    process.stderr.write(`${service}: ${fatal.message}\n  fix: ${fatal.fix}\n`);
    process.exit(exitCodeOf(fatal));
  }
}

function stopOnSignals(log: Logger, running: Running, flush: () => Promise<unknown>): void {
  let isStopping = false;
  const stop = async (): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    setTimeout(() => process.exit(), running.stopSeconds * 1_000).unref();
    await running.stop();
    await flush();
    process.exit();
  };
  process.on('SIGTERM', stop).on('SIGINT', stop).on('disconnect', stop);
  const onDefect = (err: unknown): void => {
    log.error({ err }, 'unhandled error');
    process.exitCode = 1;
    void stop();
  };
  process.on('unhandledRejection', onDefect).on('uncaughtException', onDefect);
}
