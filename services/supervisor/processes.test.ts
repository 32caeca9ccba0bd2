import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ListenPort } from './listen-port.ts';
import { claimPort } from './port-claim.ts';
import type { ChildSpec } from './process-specs.ts';
import { createProcesses, type Household } from './processes.ts';

/** Reports its first port as taken twice, and is ready on another. */
const source = `
import { appendFileSync } from 'node:fs';
appendFileSync('starts', 'x');
// Its message is sent before it ends.
process.on('SIGTERM', () => process.disconnect()).on('disconnect', () => process.exit(0));
const taken = { type: 'fatal', code: 'port_taken', message: 'taken', fix: 'none' };
for (const message of process.env.MOVES === '0' ? [taken, taken] : [{ type: 'ready' }]) process.send(message);
`;

let folder: string;
let household: Household | undefined;
let moves: number;
beforeEach(() => {
  moves = 0;
  folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
});
afterEach(async () => {
  await Promise.all((household?.fleets ?? []).flat().map((child) => child.stop()));
  rmSync(folder, { recursive: true, force: true });
});

/** A start of one kind of child, whose API port moves as `move` does. */
function begin(move: ListenPort['move'], copies = 1): Household {
  const entry = join(folder, 'child.mjs');
  writeFileSync(entry, source.replace("'starts'", JSON.stringify(join(folder, 'starts'))));
  return beginAll([{ name: 'api', entry, copies, readyTimeoutSeconds: 50, drainSeconds: 50 }], move);
}

function beginAll(specs: readonly ChildSpec[], move: ListenPort['move'] = async () => {}): Household {
  household = createProcesses({
    specs,
    env: () => ({ MOVES: String(moves) }),
    socketFolder: folder,
    backoff: { firstMs: 20, capMs: 80, healthyAfterMs: 1e9 },
    ports: {
      api: {
        port: 65_535,
        url: 'http://127.0.0.1:65535',
        move: async (except) => {
          await move(except);
          moves += 1;
        },
        release: () => {},
      },
    },
    otherPorts: [],
    requests: {
      stop: new Promise(() => {}),
      hurry: new Promise(() => {}),
      isStopping: () => false,
      request: () => {},
      dispose: () => {},
    },
    say: () => {},
    onChange: () => {},
    onReady: () => {},
    onRestarted: () => {},
  });
  household.start();
  return household;
}

test('a taken port without a free alternative ends the start with that reason', async () => {
  const { failed } = begin(async () => void (await claimPort(65_536, '127.0.0.1')));
  await expect(failed).rejects.toThrow('no free port from 65536 on');
});

test('a port that a child reports as taken twice is moved once, and the child restarted once', async () => {
  await begin(async () => {}).ready;
  expect(moves).toBe(1);
  expect(readFileSync(join(folder, 'starts'), 'utf8')).toBe('xx');
});

test('a port that two copies report as taken is moved once, and both are restarted', async () => {
  await begin(() => new Promise((done) => setTimeout(done, 200)), 2).ready;
  expect(moves).toBe(1);
  expect(household?.fleets.flat().map(({ name, isReady }) => [name, isReady])).toEqual([
    ['api-1', true],
    ['api-2', true],
  ]);
});

test('a child that starts after another one starts when all copies of that are ready, also at a restart', async () => {
  const entry = join(folder, 'child.mjs');
  const log = join(folder, 'log');
  writeFileSync(
    entry,
    `import { appendFileSync } from 'node:fs';
    const say = (what) => appendFileSync(${JSON.stringify(log)}, process.env.KIND + ' ' + what + '\\n');
    process.on('SIGTERM', () => process.disconnect()).on('disconnect', () => process.exit(0));
    say('starts');
    setTimeout(() => (say('is ready'), process.send({ type: 'ready' })), process.env.KIND === 'api' ? 300 : 0);`,
  );
  const kind = (name: string, more: Partial<ChildSpec> = {}): ChildSpec => ({
    ...{ name, entry, copies: 1, readyTimeoutSeconds: 50, drainSeconds: 50, env: () => ({ KIND: name }) },
    ...more,
  });
  const { ready, restart, fleets } = beginAll([kind('api', { copies: 2 }), kind('tasks', { startsAfter: 'api' })]);
  const ofApi = ['api is ready', 'api is ready', 'api starts', 'api starts'];
  const expectOrder = (lines: readonly string[]): void => {
    expect(lines.slice(0, 4).toSorted()).toEqual(ofApi);
    expect(lines.slice(4)).toEqual(['tasks starts', 'tasks is ready']);
  };
  const logged = () => readFileSync(log, 'utf8').trim().split('\n');
  await ready;
  expectOrder(logged());
  await restart();
  await expect.poll(() => fleets.flat().every(({ isReady }) => isReady), { timeout: 20_000 }).toBe(true);
  expectOrder(logged().slice(6));
});
