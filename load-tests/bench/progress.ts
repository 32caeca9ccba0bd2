import { availableParallelism } from 'node:os';
import { measureProgressJob } from '#jobs/contracts/operations.ts';
import { Phase6IntegrationService } from '#services/embedding/phase6-integration-service.ts';
import { systemRandom } from '#services/platform/crypto/system.ts';
import { createProducer } from '#services/platform/queue/producer.ts';
import { quietLog } from '#tools/testing/harness/ports.ts';
import type { Bench, BenchContext } from '../lib/bench.ts';
import type { Product } from '../lib/product.ts';
import { totalOf } from '../lib/prometheus-text.ts';
import { alternate, combined, medianOf, middleSpeed, type Speed } from '../lib/rounds.ts';
import { accounts, LOAD_PASSWORD, measureClosed, ratioDetail, targetOf } from './setup.ts';

/** One for each hashing process: every core is busy, and no login waits for a hash, so a slow machine refuses none. */
const CONNECTIONS = availableParallelism();
/** Of each of the four runs of a round. A hash takes a quarter of a second: fewer would count too few logins. */
const LEAST_SECONDS = 8;
const WARM_UP_SECONDS = 2;
const REPORT_EVERY_MS = 100;
const MEASURE_EVERY_MS = 1_000;

async function pushed({ metrics }: Product): Promise<number> {
  const name = 'sallyport_handoff_deliveries_total';
  const page = await (await fetch(metrics)).text();
  const sent = page.split('\n').filter((line) => line.startsWith(name) && line.includes('outcome="sent"'));
  return sent.length === 0 ? 0 : totalOf(sent.join('\n'), name);
}

/** An application that reports ten logins a second; and progress is measured every second, not every 30. */
async function reporting(context: BenchContext, { credentials }: Product): Promise<(work: Work) => Promise<Speed>> {
  const producer = createProducer(credentials.redis_url, (err) => context.say(err.message));
  await producer.ready(10_000);
  const service = new Phase6IntegrationService({ random: systemRandom, log: quietLog, enqueue: producer.enqueue });
  context.onClose(async () => {
    service.close();
    await producer.close();
  });
  return async (work) => {
    const timers = [
      setInterval(() => service.trackAuthenticationProgress('bench', { type: 'login' }), REPORT_EVERY_MS),
      setInterval(() => void producer.enqueue(measureProgressJob, {}, { dedupe: 'bench' }), MEASURE_EVERY_MS),
    ];
    try {
      return await work();
    } finally {
      for (const timer of timers) clearInterval(timer);
      await service.flush();
    }
  };
}
type Work = () => Promise<Speed>;
type Runs = Readonly<Record<'first' | 'second' | 'third' | 'fourth', Speed>>;

const ofRound = ({ first, second, third, fourth }: Runs): { readonly off: Speed; readonly on: Speed } => ({
  off: combined(first, fourth),
  on: combined(second, third),
});

/** The same sign-ins at two starts of the product: with everything that follows progress, and without. */
export const progress: Bench = {
  name: 'progress',
  about: 'logins while progress is measured, reported and pushed to an endpoint, against a bare start',
  async run(context) {
    const sink = context.baseline('otlp-sink.ts');
    const { endpoint } = await sink.ask<{ readonly endpoint: string }>({});
    const off = await context.start();
    const on = await context.start({ HANDOFF_ENDPOINTS: `sink=${endpoint}/events`, HANDOFF_PRIVATE: 'true' });
    const withReports = await reporting(context, on);
    const seconds = Math.max(LEAST_SECONDS, context.seconds);
    const logins = async (product: Product): Promise<Work> => {
      const emails = await accounts(context, product, 32);
      const workload = { kind: 'login', emails, password: LOAD_PASSWORD } as const;
      return () => measureClosed(context, targetOf(product), workload, CONNECTIONS, seconds, WARM_UP_SECONDS);
    };
    const [loginsOff, loginsOn] = [await logins(off), await logins(on)];
    const withProgress = (): Promise<Speed> => withReports(loginsOn);
    // Off, on, on, off: a machine that gets faster or slower in a round does so for both.
    const runs = await alternate(
      context.rounds,
      { first: loginsOff, second: withProgress, third: withProgress, fourth: loginsOff },
      (round, each) => {
        const { on: ours, off: base } = ofRound(each);
        context.say(`round ${round}: ${ratioDetail(ours, base)}`);
      },
    );
    const rounds = runs.map(ofRound);
    const events = await pushed(on);
    if (events === 0) throw new Error('no event was pushed');
    const ofProduct = ({ perProductCpuSecond = 0 }: Speed): number => perProductCpuSecond;
    return [
      {
        name: 'logins with progress on ÷ off',
        unit: 'per CPU-second of the API',
        value: medianOf(rounds, ({ on: ours, off: base }) => ours.perCpuSecond / base.perCpuSecond),
        target: { atLeast: 0.97 },
        measured: { connections: CONNECTIONS, seconds, events, rounds },
        detail: `${ratioDetail(middleSpeed(rounds, 'on'), middleSpeed(rounds, 'off'))}; ${events} events pushed`,
      },
      {
        name: 'the same, with stores and workers',
        unit: 'per CPU-second of the whole product',
        value: medianOf(rounds, ({ on: ours, off: base }) => ofProduct(ours) / ofProduct(base)),
        measured: {},
        detail: 'includes the reports, the measurements and the pushed events themselves',
      },
      {
        name: 'the same, throughput',
        unit: 'per second',
        value: medianOf(rounds, ({ on: ours, off: base }) => ours.perSecond / base.perSecond),
        measured: {},
        detail: 'hashing runs at low priority: whatever else runs here takes from it first',
      },
    ];
  },
};
