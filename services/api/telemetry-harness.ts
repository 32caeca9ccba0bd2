// For tests only: the product with all its telemetry on, and everything that it exports recorded.
import { pathToFileURL } from 'node:url';
import { type OtlpReceiver, startOtlpReceiver } from '#observability/testing.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';
import { preloaded } from '#tools/testing/processes/child-env.ts';
import { type OwnStores, startOwnStores } from '#tools/testing/processes/own-stores.ts';

/** The value of a statement that fails as a defect of ours would. */
export const PLANTED = 'planted-defect@example.test';
const PLANTED_DEFECT = pathToFileURL(`${import.meta.dirname}/../../tools/testing/processes/planted-defect.ts`);

/** Contains no address, so that any address found is a client's. */
export const ORIGIN = 'http://auth.sallyport.test';

export type TelemetryHarness = {
  readonly stores: OwnStores;
  readonly product: Product;
  readonly collector: OtlpReceiver;
  /** Everything exported so far. */
  exported(signal: 'traces' | 'metrics'): Buffer;
  /** Everything sent to Sentry so far. */
  sentryText(): string;
  metricsText(): Promise<string>;
  isReady(): Promise<boolean>;
  close(): Promise<void>;
};

export async function openTelemetryHarness(): Promise<TelemetryHarness> {
  const [stores, collector, sentry] = await Promise.all([startOwnStores(), startOtlpReceiver(), startOtlpReceiver()]);
  const closeAll = async (): Promise<void> => {
    await stores.dispose();
    await Promise.all([collector.close(), sentry.close()]);
  };
  const env = {
    BETTER_AUTH_URL: ORIGIN,
    LOG_LEVEL: 'debug',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '1',
    OTEL_BSP_SCHEDULE_DELAY: '100',
    OTEL_METRIC_EXPORT_INTERVAL: '500',
    PLANTED_DEFECT: PLANTED,
    NODE_OPTIONS: `${preloaded().NODE_OPTIONS} --import=${PLANTED_DEFECT.href}`,
    SENTRY_DSN: sentry.endpoint.replace('://', '://publickey@').concat('/1'),
  };
  const product = await startProduct({ stores, env }).catch(async (err: unknown) => {
    await closeAll();
    throw err;
  });
  return {
    stores,
    product,
    collector,
    exported: (signal) =>
      Buffer.concat(collector.requests.filter(({ path }) => path.endsWith(signal)).map(({ body }) => body)),
    sentryText: () => sentry.requests.map(({ body }) => body.toString()).join('\n'),
    metricsText: async () => (await send(product.metrics, 'GET', '')).text,
    isReady: async () => (await send(product.api, 'GET', '/readyz')).status === 200,
    close: async () => {
      await product.dispose();
      await closeAll();
    },
  };
}

/** Lines of an exposition that carry a value. */
export const series = (text: string): string[] =>
  text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
