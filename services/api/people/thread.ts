// THREAD. The use-cases of people of one API process: they take milliseconds in one piece, which validating must not wait for.
// Telemetry above, everything it measures below.
import { parentPort } from 'node:worker_threads';
import { withCalledSpan } from '#observability/job-span.ts';
import { createLogger } from '#observability/logger.ts';
import { registry } from '#observability/metrics/instruments.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { readOnlyMarks } from '#services/platform/marks/read-only-marks.ts';
import { BACKGROUND, lowerPriority } from '#services/platform/process/priority.ts';
import { composePeople } from '../compose-people.ts';
import { inputsOf } from '../inputs.ts';
import { errorReports, telemetry } from '../telemetry.ts';
import { workHere } from './people.ts';
import { type FromThread, sentError, type ToThread } from './protocol.ts';

const METRICS_EVERY_MS = 2_000;

const port = parentPort;
if (port === null) throw new Error('people/thread.ts is started by people/people-thread.ts');
// Linux alone counts priorities by thread.
if (process.platform === 'linux') lowerPriority(0, BACKGROUND);

const send = (message: FromThread): void => port.postMessage(message);
const config = loadConfig(process.env);
const log = createLogger({ service: 'sallyport-api', level: config.server.logLevel, onError: errorReports.report });
const inputs = inputsOf(config, log);
// The main thread raises the marks; a lock that this one held would outlive it with the process.
const composed = await composePeople({ ...inputs, marks: readOnlyMarks(inputs.marks) }, () => send({ kind: 'mail' }));
const { revocations } = composed.ports;
const workOn = workHere(composed.ports);
const running = new Map<number, AbortController>();

async function work({ id, name, input, caller }: Extract<ToThread, { kind: 'call' }>): Promise<void> {
  const left = new AbortController();
  running.set(id, left);
  try {
    const answer = await withCalledSpan(name, {}, caller.request.traceparent, () =>
      workOn(name, { ...input, signal: left.signal }, caller),
    );
    send({ kind: 'done', id, epoch: revocations.state().epoch, answer });
  } catch (err) {
    send({ kind: 'failed', id, epoch: revocations.state().epoch, error: sentError(err) });
  } finally {
    running.delete(id);
  }
}

/** Only what was counted here, the rest is zero and the process has its own; of gauges 0 says something too. */
function sendMetrics(): void {
  const metrics = registry
    .collect()
    .map(({ name, kind, series }) => ({
      name,
      series: series.filter(
        ({ value, counts }) => kind === 'gauge' || value !== 0 || counts?.some((count) => count > 0),
      ),
    }))
    .filter(({ series }) => series.length > 0);
  send({ kind: 'metrics', metrics });
}

async function close(): Promise<void> {
  clearInterval(timer);
  sendMetrics();
  await composed.close();
  await Promise.all([telemetry.shutdown(), errorReports.close()]);
  port?.close();
}

port.on('message', (message: ToThread) => {
  if (message.kind === 'call') void work(message);
  else if (message.kind === 'abort') running.get(message.id)?.abort();
  else if (message.kind === 'count') sendMetrics();
  else void close();
});
composed.poll.start();
await Promise.all([composed.poll.ready(), composed.ports.hasher.dummyDigest()]);
const timer = setInterval(sendMetrics, METRICS_EVERY_MS);
send({ kind: 'ready' });
