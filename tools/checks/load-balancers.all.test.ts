import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { bind } from '#services/api/bind.ts';
import { made, serve } from '#services/api/route-harness.ts';
import { healthRoutes } from '#services/api/routes/health.ts';
import { notReady } from '#services/core/health/errors.ts';
import type { RevocationSet } from '#services/core/revocations/revocation-set.ts';
import { randomFreePort } from '#services/platform/local/ports.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { type Children, createChildren } from '../stack/children.ts';
import { haproxyProgram, root } from '../stack/programs.ts';
import { startNginx } from '../stack/telemetry.ts';

// HAProxy and nginx may be fetched once.
/** As `DRAIN_NOTICE_SECONDS` would be. */
const NOTICE_MS = 2_000;
/** Longest time for which a copy that answers 503 still gets requests. */
const LEAVES_WITHIN_MS = 2_000;
const PATIENCE_MS = 20_000;
const CALLERS = 8;
const WORK_MS = 5;

/** The HTTP server of an API copy, with its own readiness and drain, on the port given. */
async function startCopy(port: number) {
  const served = serve();
  const copy = { port, served, isSick: false, answered: 0 };
  healthRoutes(served.routes, {
    revocations: { state: () => ({ fresh: !copy.isSick, rewound: false }) } as RevocationSet,
    isKeyRingFresh: () => true,
    isDirectoryFresh: () => true,
    isRedisReady: () => true,
    isDraining: served.isLeaving,
  });
  const validate = made({
    operation: 'validate',
    path: '/v1/tokens/validate',
    responses: { 200: z.object({}).loose() },
    errors: [notReady],
  });
  bind(served.routes, validate, async () => {
    await sleep(WORK_MS);
    if (copy.isSick) throw notReady();
    copy.answered += 1;
    return {};
  });
  await served.fastify.listen({ port, host: '127.0.0.1' });
  return copy;
}
type Copy = Awaited<ReturnType<typeof startCopy>>;

/** What `services/api/main.ts` does at SIGTERM. */
async function stopCopy({ served }: Copy): Promise<void> {
  served.giveNotice();
  await sleep(NOTICE_MS);
  served.startDraining();
  await served.drain(10_000);
}

let folder: string;
let children: Children;
let copies: [Copy, Copy];
let haproxy: string;
let nginx: string;

const isReady = (url: string): Promise<boolean> => fetch(`${url}/readyz`).then(({ ok }) => ok);

/** HAProxy with the configuration of deploy/haproxy, before copies on this machine. */
async function startHaproxy(): Promise<string> {
  const port = await randomFreePort();
  const servers = copies.map(({ port: at }) => `  server api${at} 127.0.0.1:${at}`).join('\n');
  writeFileSync(
    join(folder, 'servers.cfg'),
    `backend sallyport_api from copies\n${servers}\nbackend sallyport_mcp from copies\n  server mcp 127.0.0.1:9\n`,
  );
  const { program, env } = haproxyProgram();
  const files = ['-f', join(root, 'deploy/haproxy/haproxy.cfg'), '-f', join(folder, 'servers.cfg')];
  children.start('haproxy', program, ['-db', ...files], {
    ...env,
    HAPROXY_BIND: `127.0.0.1:${port}`,
    HAPROXY_SOCKET: join(folder, 'haproxy.sock'),
  });
  const url = `http://127.0.0.1:${port}`;
  await eventually('HAProxy', () => isReady(url).catch(() => false), PATIENCE_MS);
  return url;
}

/** Whether HAProxy sends requests to a copy, by its own words. */
async function isInRotation({ port }: Copy): Promise<boolean> {
  const socket = connect(join(folder, 'haproxy.sock'));
  socket.write('show stat\n');
  let text = '';
  for await (const part of socket) text += part;
  const row = text.split('\n').find((line) => line.startsWith(`sallyport_api,api${port},`));
  return row?.split(',')[17]?.startsWith('UP') === true;
}
const bothInRotation = (): Promise<boolean> =>
  Promise.all(copies.map(isInRotation)).then((each) => each.every(Boolean));

/** Callers that validate one token after another until stopped; counts answers by status. */
function startLoad(url: string) {
  const counts = new Map<string, number>();
  let isOver = false;
  const call = async (): Promise<string> => {
    try {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${url}/v1/tokens/validate`, { method: 'POST', body: '{}', headers });
      await answer.arrayBuffer();
      return String(answer.status);
    } catch (err) {
      return String((err as Error).cause ?? err);
    }
  };
  const callers = Array.from({ length: CALLERS }, async () => {
    while (!isOver) {
      const outcome = await call();
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }
  });
  return {
    counts,
    stop: async () => {
      isOver = true;
      await Promise.all(callers);
      return [...counts.keys()];
    },
  };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-balancers-'));
  children = createChildren(() => {});
  copies = [await startCopy(await randomFreePort()), await startCopy(await randomFreePort())];
  haproxy = await startHaproxy();
  const port = await randomFreePort();
  nginx = `http://127.0.0.1:${port}`;
  // It waits for /healthz, which both copies answer.
  await startNginx(children, folder, { port, api: copies.map((copy) => copy.port), mcp: 9 });
});
afterAll(async () => {
  await children?.stop();
  await Promise.all((copies ?? []).map(({ served }) => served.drain(100)));
  rmSync(folder, { recursive: true, force: true });
});

describe('load balancers', () => {
  test('HAProxy takes out a copy that answers 503 within two seconds, and takes it back', async () => {
    const [well, sick] = copies;
    await eventually('both copies in rotation', bothInRotation, PATIENCE_MS);
    sick.isSick = true;
    const since = performance.now();
    await eventually('HAProxy to leave it out', async () => !(await isInRotation(sick)), PATIENCE_MS);
    expect(performance.now() - since).toBeLessThan(LEAVES_WITHIN_MS);
    const before = well.answered;
    const load = startLoad(haproxy);
    await sleep(500);
    expect(await load.stop()).toEqual(['200']);
    expect(well.answered - before).toBe(load.counts.get('200'));
    sick.isSick = false;
    await eventually('HAProxy to take it back', () => isInRotation(sick), PATIENCE_MS);
  });

  test('behind nginx a copy that answers 503 costs no validation', async () => {
    const [, sick] = copies;
    sick.isSick = true;
    const load = startLoad(nginx);
    await sleep(1_000);
    expect(await load.stop()).toEqual(['200']);
    sick.isSick = false;
    const before = sick.answered;
    const again = startLoad(nginx);
    await eventually('nginx to take it back', () => sick.answered > before, PATIENCE_MS);
    expect(await again.stop()).toEqual(['200']);
  });

  test.each([
    ['HAProxy', () => haproxy],
    ['nginx', () => nginx],
  ] as const)('behind %s no request fails while a copy under load drains and comes back', async (_name, url) => {
    const [leaving, staying] = copies;
    await eventually('both copies in rotation', bothInRotation, PATIENCE_MS);
    const answered = leaving.answered;
    const load = startLoad(url());
    await eventually('it to be under load', () => leaving.answered > answered + 5, PATIENCE_MS);
    await stopCopy(leaving);
    const before = staying.answered;
    await eventually('the other copy to go on', () => staying.answered > before + 20, PATIENCE_MS);
    copies[0] = await startCopy(leaving.port);
    await eventually('it to be back under load', () => copies[0].answered > 0, PATIENCE_MS);
    expect(await load.stop()).toEqual(['200']);
  });

  test('HAProxy refuses a body over 2 MB, and answers 503 for a part that has no copy', async () => {
    // Refused by its announced length, before the body is sent.
    const asked = request(`${haproxy}/v1/tokens/validate`, {
      method: 'POST',
      headers: { 'content-length': 2_100_000 },
    });
    asked.flushHeaders();
    const [long] = (await once(asked, 'response')) as [IncomingMessage];
    asked.on('error', () => {}).destroy();
    expect(long.statusCode).toBe(413);
    expect((await fetch(`${haproxy}/mcp`)).status).toBe(503);
  });
});
