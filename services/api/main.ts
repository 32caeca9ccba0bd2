import './telemetry.ts';
// Telemetry above, everything it measures below.
import { httpMetrics } from '#observability/metrics/http.ts';
import { watchProcess } from '#observability/metrics/process.ts';
import { serveMetrics } from '#observability/metrics/server.ts';
import { version } from '#observability/version.ts';
import { assertMayIssue } from '../domain/tokens/revocations/revocation-set.ts';
import { runProcess } from '../platform/process/lifetime.ts';
import { metricsPlaceOf } from '../platform/process/metrics-place.ts';
import { compose } from './compose.ts';
import { observeGauges } from './gauges.ts';
import { inputsOf } from './inputs.ts';
import { startPeopleThread } from './people/people-thread.ts';
import { createServer } from './server.ts';
import * as instruments from './telemetry.ts';

await runProcess('sallyport-api', instruments, async (config, log) => {
  const inputs = inputsOf(config, log);
  const composed = await compose(inputs);
  const { poll, ports } = composed;
  const people = startPeopleThread({
    log,
    onMail: ports.mailer.wake,
    caughtUp: async (epoch) => {
      if (ports.revocations.state().epoch < epoch) await poll.wake();
    },
    assertIssuing: () => assertMayIssue(ports.revocations),
  });
  const app = createServer(composed, config, { publicUrl: inputs.publicUrl, version }, people);
  httpMetrics.registerRoutes(app.bound.map((endpoint) => endpoint.path));
  observeGauges(composed, config);
  const stopWatching = watchProcess();
  const { host, port, drainSeconds } = config.server;
  const metrics = await serveMetrics({
    ...metricsPlaceOf(config.server, 'api'),
    exemplars: true,
    refresh: people.count,
  });
  poll.start();
  await Promise.all([poll.ready(), people.ready()]);
  // Copies on one machine share the port; Fastify hands every option on to net.Server.listen.
  await app.fastify.listen({ host, port, reusePort: process.env.SALLYPORT_REUSE_PORT === '1' } as object);
  return {
    stopSeconds: drainSeconds + 2,
    stop: async () => {
      app.startDraining();
      ports.revocationStreams.close();
      ports.eventStreams.close();
      await app.drain(drainSeconds * 1_000);
      await people.close();
      await composed.close();
      await metrics.close();
      stopWatching();
    },
  };
});
