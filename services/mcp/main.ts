import './telemetry.ts';
// Telemetry first, so that it measures everything imported after it.
import { httpMetrics } from '#observability/metrics/http.ts';
import { watchProcess } from '#observability/metrics/process.ts';
import { serveMetrics } from '#observability/metrics/server.ts';
import { version } from '#observability/version.ts';
import { listen } from '../api/listen.ts';
import { publicUrlOf } from '../platform/config/load.ts';
import { loopbackOf } from '../platform/local/loopback.ts';
import { processInputsOf } from '../platform/process/inputs.ts';
import { runProcess } from '../platform/process/lifetime.ts';
import { metricsPlaceOf } from '../platform/process/metrics-place.ts';
import { compose } from './compose.ts';
import { createServer } from './server.ts';
import * as instruments from './telemetry.ts';

await runProcess('sallyport-mcp', instruments, async (config, log) => {
  const composed = await compose({ ...processInputsOf(config), config, publicUrl: publicUrlOf(config), log });
  const app = createServer(composed, config, { version });
  httpMetrics.registerRoutes(app.bound.map((endpoint) => endpoint.path));
  const stopWatching = watchProcess();
  const metrics = await serveMetrics({ ...metricsPlaceOf(config.server, 'mcp'), exemplars: true });
  const { host, drainSeconds } = config.server;
  composed.poll.start();
  await composed.poll.ready();
  await listen(app.fastify, { addresses: loopbackOf(host), port: config.mcp.port });
  return {
    stopSeconds: drainSeconds + 2,
    stop: async () => {
      app.startDraining();
      await app.drain(drainSeconds * 1_000);
      await composed.close();
      await metrics.close();
      stopWatching();
    },
  };
});
