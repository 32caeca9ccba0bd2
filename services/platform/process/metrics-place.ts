import type { MetricsServerOptions } from '#observability/metrics/server.ts';
import type { Config } from '../config/load.ts';
import { loopbackOf } from '../local/loopback.ts';

/** Address at which a process serves its metrics: the supervisor's socket, else METRICS_PORT with its own service name. */
export const metricsPlaceOf = (
  { metricsSocket, metricsPort, host }: Config['server'],
  process: 'api' | 'worker' | 'mcp',
): Pick<MetricsServerOptions, 'socketPath' | 'port' | 'host' | 'constantLabels'> =>
  metricsSocket
    ? { socketPath: metricsSocket }
    : { port: metricsPort, host: loopbackOf(host)[0], constantLabels: { process } };
