import './telemetry.ts';
// Telemetry above, everything it measures below.
import { resolve } from 'node:path';
import { createLogger } from '../../observability/logger.ts';
import { httpMetrics } from '../../observability/metrics/http.ts';
import { watchProcess } from '../../observability/metrics/process.ts';
import { serveMetrics } from '../../observability/metrics/server.ts';
import { version } from '../../observability/version.ts';
import { type Config, ConfigError, loadConfig } from '../platform/config/load.ts';
import { ensureAuthSecret } from '../platform/local/data-dir.ts';
import { createFileMarks } from '../platform/marks/file-marks.ts';
import { fatalOf, tellSupervisor } from '../platform/process/fatal.ts';
import { compose } from './compose.ts';
import { observeGauges } from './gauges.ts';
import { createServer } from './server.ts';
import { errorReports, telemetry } from './telemetry.ts';

function required(value: string | undefined, env: string): string {
  if (value) return value;
  throw new ConfigError([
    { env, problem: 'is not set', fix: 'start with `npm start`, which brings its own, or set it' },
  ]);
}

async function start(config: Config): Promise<void> {
  const log = createLogger({
    service: 'sallyport-api',
    level: config.server.logLevel,
    onError: errorReports.report,
  });
  for (const warning of [...telemetry.warnings, ...errorReports.warnings])
    log.warn({ warning }, 'telemetry setting ignored');
  const dataDir = resolve(config.server.dataDir);
  const publicUrl = config.server.publicUrl ?? `http://${config.server.host}:${config.server.port}`;
  const composed = await compose({
    config,
    databaseUrl: required(config.stores.databaseUrl, 'DATABASE_URL'),
    redisUrl: required(config.stores.redisUrl, 'REDIS_URL'),
    authSecret: config.identity.authSecret ?? ensureAuthSecret(dataDir),
    publicUrl,
    marks: createFileMarks(dataDir),
    log,
  });
  const app = createServer(composed, config, { publicUrl, version });
  httpMetrics.registerRoutes(app.bound.map((endpoint) => endpoint.path));
  observeGauges(composed, config);
  const stopWatching = watchProcess();
  const metrics = config.server.metricsSocket
    ? await serveMetrics({ socketPath: config.server.metricsSocket, exemplars: true })
    : undefined;
  composed.poll.start();
  await Promise.all([composed.poll.ready(), composed.ports.hasher.dummyDigest()]);
  // Copies on one machine share the port; Fastify hands every option on to net.Server.listen.
  const address = {
    host: config.server.host,
    port: config.server.port,
    reusePort: process.env.SALLYPORT_REUSE_PORT === '1',
  };
  await app.fastify.listen(address);
  tellSupervisor({ type: 'ready' });

  let isStopping = false;
  const stop = async (): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    app.startDraining();
    composed.ports.revocationStreams.close();
    setTimeout(() => process.exit(0), (config.server.drainSeconds + 2) * 1_000).unref();
    await app.drain(config.server.drainSeconds * 1_000);
    await composed.close();
    await metrics?.close();
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
  process.stderr.write(`sallyport-api: ${fatal.message}\n  fix: ${fatal.fix}\n`);
  process.exit(1);
}
