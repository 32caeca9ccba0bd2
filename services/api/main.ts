import './telemetry.ts';
// Telemetry above, everything it measures below.
import { createLogger } from '../../observability/logger.ts';
import { httpMetrics } from '../../observability/metrics/http.ts';
import { watchProcess } from '../../observability/metrics/process.ts';
import { serveMetrics } from '../../observability/metrics/server.ts';
import { version } from '../../observability/version.ts';
import { type Config, loadConfig } from '../platform/config/load.ts';
import { fatalOf, tellSupervisor } from '../platform/process/fatal.ts';
import { compose } from './compose.ts';
import { observeGauges } from './gauges.ts';
import { inputsOf } from './inputs.ts';
import { startPeopleThread } from './people/people-thread.ts';
import { createServer } from './server.ts';
import { errorReports, telemetry } from './telemetry.ts';

async function start(config: Config): Promise<void> {
  const log = createLogger({
    service: 'sallyport-api',
    level: config.server.logLevel,
    onError: errorReports.report,
  });
  for (const warning of [...telemetry.warnings, ...errorReports.warnings])
    log.warn({ warning }, 'telemetry setting ignored');
  const inputs = inputsOf(config, log);
  const composed = await compose(inputs);
  const { poll, ports } = composed;
  const people = startPeopleThread({
    log,
    caughtUp: async (epoch) => {
      if (ports.revocations.state().epoch < epoch) await poll.wake();
    },
  });
  const app = createServer(composed, config, { publicUrl: inputs.publicUrl, version }, people);
  httpMetrics.registerRoutes(app.bound.map((endpoint) => endpoint.path));
  observeGauges(composed, config);
  const stopWatching = watchProcess();
  const metrics = config.server.metricsSocket
    ? await serveMetrics({ socketPath: config.server.metricsSocket, exemplars: true, refresh: people.count })
    : undefined;
  poll.start();
  await Promise.all([poll.ready(), people.ready()]);
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
    ports.revocationStreams.close();
    setTimeout(() => process.exit(0), (config.server.drainSeconds + 2) * 1_000).unref();
    await app.drain(config.server.drainSeconds * 1_000);
    await people.close();
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
