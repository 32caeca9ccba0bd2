import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { quietLog } from '#tools/testing/harness/ports.ts';
import { WINGS, type Wing } from '../platform/config/wings.ts';
import { systemRandom } from '../platform/crypto/system.ts';
import type { Enqueue } from '../platform/define/job.ts';
import { queueUnavailable } from '../platform/errors.ts';
import { HIPAAComplianceService } from './hipaa-compliance-service.ts';
import { Phase6IntegrationService } from './phase6-integration-service.ts';

/** A queue that refuses the first reports. */
function queue(refusals = 0) {
  const sent: { job: string; payload: Record<string, unknown>; jobId: string | undefined }[] = [];
  const enqueue = (async (job, payload, options) => {
    if (refusals > 0) {
      refusals -= 1;
      throw queueUnavailable();
    }
    sent.push({ job: job.name, payload: payload as Record<string, unknown>, jobId: options?.jobId });
    return { jobId: '' };
  }) as Enqueue;
  const service = new Phase6IntegrationService({
    enqueue,
    random: systemRandom,
    log: quietLog,
    wings: { leftOut: [] },
  });
  return { service, sent };
}
const at = new Date('2026-01-02T03:04:05.000Z');

test('every method returns at once, and each report has an id that makes it count once', async () => {
  const { service, sent } = queue();
  service.trackAuthenticationProgress('user-1', { type: 'login', at });
  service.updateSecurityMetrics({ failed_logins: 3 }, at);
  service.reportSecurityIncident({ type: 'forged_header', severity: 'high', userId: 'user-1', at });
  const progress = { status: 'in_progress', percent: 80, coverage: 91, securityScore: 70, at } as const;
  service.updateComponentProgress('middleware', progress);
  expect(sent).toEqual([]);
  await service.flush();
  expect(sent.map(({ job, payload: { id: _id, ...rest } }) => [job, rest])).toEqual([
    ['record-progress', { kind: 'authentication', event: 'login', at: at.toISOString() }],
    ['record-progress', { kind: 'metrics', metrics: { failed_logins: 3 }, at: at.toISOString() }],
    [
      'record-incident',
      { type: 'forged_header', severity: 'high', user_id: 'user-1', detail: {}, at: at.toISOString() },
    ],
    [
      'record-progress',
      {
        kind: 'component',
        component: 'middleware',
        status: 'in_progress',
        percent: 80,
        coverage: 91,
        security_score: 70,
        at: at.toISOString(),
      },
    ],
  ]);
  for (const { payload, jobId } of sent) expect(jobId).toBe(payload.id);
});

test('reports wait while Redis is unreachable, and are sent in order once it is back', async () => {
  const { service, sent } = queue(1);
  service.trackAuthenticationProgress('user-1', { type: 'login' });
  service.trackAuthenticationProgress('user-1', { type: 'logout' });
  await service.flush();
  expect(sent.map(({ payload }) => payload.event)).toEqual(['login', 'logout']);
});

test('a closed service gives up what it could not send', async () => {
  const { service, sent } = queue(Number.POSITIVE_INFINITY);
  service.trackAuthenticationProgress('user-1', { type: 'login' });
  service.close();
  await service.flush();
  expect(sent).toEqual([]);
});

test('more than ten thousand waiting reports are dropped, so that memory stays bounded', async () => {
  const { service, sent } = queue();
  for (let nth = 0; nth < 10_050; nth += 1) service.trackAuthenticationProgress('user-1', { type: 'verify' });
  await service.flush();
  expect(sent).toHaveLength(10_000);
});

test.each([
  [
    '101 percent',
    (to: Phase6IntegrationService) => to.updateComponentProgress('security', { status: 'done', percent: 101 }),
  ],
  [
    'an unknown component',
    (to: Phase6IntegrationService) => to.updateComponentProgress('x' as never, { status: 'done', percent: 1 }),
  ],
  ['a metric that is an object', (to: Phase6IntegrationService) => to.updateSecurityMetrics({ a: {} as never })],
  ['no time', (to: Phase6IntegrationService) => to.updateSecurityMetrics({ a: 1 }, new Date('x'))],
])('refuses %s', (_what, report) => {
  expect(() => report(queue().service)).toThrow(expect.objectContaining({ code: 'progress_invalid' }));
});

const here = import.meta.dirname;
/** Each service that imports a wing, and that wing. */
const services = globSync('*-service.ts', { cwd: here }).flatMap((file): [string, Wing][] => {
  const wing = /wings\/([a-z]+)\//.exec(readFileSync(resolve(here, file), 'utf8'))?.[1];
  return wing === undefined ? [] : [[file, wing as Wing]];
});

/** Code of the refusal; undefined if the service opens, or misses something else. */
function refusal(Service: new (...input: never[]) => unknown, leftOut: readonly Wing[]): unknown {
  try {
    new Service(...([{ wings: { leftOut } }, {}, {}] as never[]));
  } catch (err) {
    const { code, options } = err as { code?: string; options?: object };
    if (code === 'wing_left_out') return options;
  }
}

test('these services import a wing', () => expect(services).toHaveLength(10));

test.each(services)('%s is refused where %s is left out, and opens without the other wings', async (file, wing) => {
  const [Service] = Object.values(await import(`./${file}`)) as [typeof HIPAAComplianceService];
  expect(refusal(Service, [wing])).toEqual({ detail: `SALLYPORT_LEAVE_OUT names ${wing}.`, members: { wing } });
  // Compliance checks the rules of privacy, and cannot be without it.
  const needed: readonly Wing[] = wing === 'compliance' ? [wing, 'privacy'] : [wing];
  const others = WINGS.filter((other) => !needed.includes(other));
  expect(refusal(Service, others)).toBeUndefined();
});

test('without privacy, the service of compliance names privacy', () =>
  expect(refusal(HIPAAComplianceService, ['privacy', 'compliance'])).toMatchObject({ members: { wing: 'privacy' } }));
