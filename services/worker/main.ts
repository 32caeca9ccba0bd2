import './telemetry.ts';
// Telemetry above, everything it measures below.
import { createLogger } from '../../observability/logger.ts';
import { watchProcess } from '../../observability/metrics/process.ts';
import { serveMetrics } from '../../observability/metrics/server.ts';
import { type Config, loadConfig } from '../platform/config/load.ts';
import { fatalOf, tellSupervisor } from '../platform/process/fatal.ts';
import { processInputsOf } from '../platform/process/inputs.ts';
import { compose } from './compose.ts';
import { errorReports, telemetry } from './telemetry.ts';

/** Of the drain time, what remains for work that was told to stop. */
const STOP_MS = 2_500;

async function start(config: Config): Promise<void> {
  const log = createLogger({
    service: 'sallyport-worker',
    level: config.server.logLevel,
    onError: errorReports.report,
  });
  for (const warning of [...telemetry.warnings, ...errorReports.warnings])
    log.warn({ warning }, 'telemetry setting ignored');
  const worker = compose({ ...processInputsOf(config), config, log });
  const stopWatching = watchProcess();
  const { metricsSocket } = config.server;
  const { workerPort, workerDrainSeconds } = config.jobs;
  const health = (): { ok: boolean; body: object } => {
    const state = worker.health.read();
    return { ok: state.status === 'ok', body: state };
  };
  const servers = await Promise.all([
    ...(metricsSocket ? [serveMetrics({ socketPath: metricsSocket, exemplars: true, health })] : []),
    ...(workerPort ? [serveMetrics({ port: workerPort, host: config.server.host, exemplars: true, health })] : []),
  ]);
  await worker.start();
  tellSupervisor({ type: 'ready' });

  let isStopping = false;
  const stop = async (): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    // What still runs then is given to another worker once its lock is over.
    setTimeout(() => process.exit(), workerDrainSeconds * 1_000).unref();
    await worker.drain(Math.max(0, workerDrainSeconds * 1_000 - STOP_MS));
    await Promise.all(servers.map((server) => server.close()));
    stopWatching();
    await Promise.all([telemetry.shutdown(), errorReports.close()]);
    process.exit();
  };
  process.on('SIGTERM', stop).on('SIGINT', stop).on('disconnect', stop);
  // A defect: logged without its words, drained, started again by the supervisor.
  const onDefect = (err: unknown): void => {
    log.error({ err }, 'unhandled error');
    process.exitCode = 1;
    void stop();
  };
  process.on('unhandledRejection', onDefect).on('uncaughtException', onDefect);
}

try {
  await start(loadConfig(process.env));
} catch (err) {
  const fatal = fatalOf(err);
  tellSupervisor(fatal);
  process.stderr.write(`sallyport-worker: ${fatal.message}\n  fix: ${fatal.fix}\n`);
  process.exit(1);
}
