import './telemetry.ts';
// Telemetry first, so that it measures everything imported after it.
import { setTimeout as sleep } from 'node:timers/promises';
import { httpMetrics } from '#observability/metrics/http.ts';
import { watchProcess } from '#observability/metrics/process.ts';
import { serveMetrics } from '#observability/metrics/server.ts';
import { version } from '#observability/version.ts';
import { mountFace } from '../mcp/mount.ts';
import { loadList } from '../modules.ts';
import { publicUrlOf } from '../platform/config/load.ts';
import { isMcpInApi, MCP_PATH } from '../platform/config/mcp.ts';
import { missingForProduction } from '../platform/config/production.ts';
import { loopbackOf } from '../platform/local/loopback.ts';
import { processInputsOf } from '../platform/process/inputs.ts';
import { runProcess } from '../platform/process/lifetime.ts';
import { metricsPlaceOf } from '../platform/process/metrics-place.ts';
import { compose } from './compose.ts';
import { observeGauges } from './gauges.ts';
import { listen } from './listen.ts';
import { recordFacts } from './record-facts.ts';
import { createServer } from './server.ts';
import * as instruments from './telemetry.ts';

await runProcess('sallyport-api', instruments, async (config, log) => {
  const publicUrl = publicUrlOf(config);
  const inputs = processInputsOf(config);
  const composed = await compose({ ...inputs, config, publicUrl, log });
  const { poll, ports } = composed;
  const stopping = new AbortController();
  void recordFacts(ports, { publicUrl, tokens: ports.tokenSettings, log, signal: stopping.signal });
  const missingSettings = missingForProduction(process.env);
  const app = createServer(composed, config, { publicUrl, version, missingSettings });
  const { databaseUrl, pooledUrl } = inputs;
  const mcp = isMcpInApi(config)
    ? mountFace(app, composed, { config, urls: { databaseUrl, pooledUrl }, publicUrl, version })
    : undefined;
  httpMetrics.registerRoutes([...app.bound.map((endpoint) => endpoint.path), ...(mcp ? [MCP_PATH] : [])]);
  observeGauges(composed, config);
  const stopWatching = watchProcess();
  const { host, port, drainSeconds, drainNoticeSeconds } = config.server;
  const metrics = await serveMetrics({ ...metricsPlaceOf(config.server, 'api'), exemplars: true });
  const copy = { kind: 'api', config } as const;
  const watches = (await loadList('copyWatches', config.wings)).map((watch) => watch({ ...ports, copy }));
  poll.start();
  const isDevelopment = config.server.profile === 'development';
  await Promise.all([poll.ready(), ports.auth.ready(), isDevelopment || ports.hasher.warm()]);
  await listen(app.fastify, { addresses: loopbackOf(host), port });
  return {
    stopSeconds: drainNoticeSeconds + drainSeconds + 2,
    stop: async () => {
      stopping.abort();
      if (drainNoticeSeconds > 0) app.giveNotice();
      await sleep(drainNoticeSeconds * 1_000);
      app.startDraining();
      mcp?.startDraining();
      ports.revocationStreams.close();
      ports.eventStreams.close();
      ports.pollWaits.close();
      await app.drain(drainSeconds * 1_000);
      await mcp?.close();
      await Promise.all(watches.map((watch) => watch?.close()));
      await composed.close();
      await metrics.close();
      stopWatching();
    },
  };
});
