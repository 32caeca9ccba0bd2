import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { freePortFrom, type ListenPort } from './listen-port.ts';
import type { ChildSpec } from './process-specs.ts';
import { createProcesses, type Processes } from './processes.ts';

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
let processes: Processes | undefined;
let moves: number;
beforeEach(() => {
  moves = 0;
  folder = testFolder(onTestFinished);
});
afterEach(() => Promise.all((processes?.children ?? []).map((child) => child.stop())));

/** A start of one child, whose API port moves as `move` does. */
function begin(move: ListenPort['move']): Processes {
  const entry = join(folder, 'child.mjs');
  writeFileSync(entry, source.replace("'starts'", JSON.stringify(join(folder, 'starts'))));
  return beginAll([{ name: 'api', entry, readyTimeoutSeconds: 50, drainSeconds: 50 }], move);
}

function beginAll(specs: readonly ChildSpec[], move: ListenPort['move'] = async () => {}): Processes {
  processes = createProcesses({
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
  processes.start();
  return processes;
}

test('a taken port without a free alternative ends the start with that reason', async () => {
  const { failed } = begin(async () => void (await freePortFrom(65_536, '127.0.0.1')));
  await expect(failed).rejects.toThrow('no free port from 65536 on');
});

test('a port that a child reports as taken twice is moved once, and the child restarted once', async () => {
  await begin(async () => {}).ready;
  expect([moves, readFileSync(join(folder, 'starts'), 'utf8')]).toEqual([1, 'xx']);
});

test('a child that starts after another one starts when that is ready, also at a restart', async () => {
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
    ...{ name, entry, readyTimeoutSeconds: 50, drainSeconds: 50, env: () => ({ KIND: name }) },
    ...more,
  });
  const { ready, restart, children } = beginAll([kind('api'), kind('tasks', { startsAfter: 'api' })]);
  const inOrder = ['api starts', 'api is ready', 'tasks starts', 'tasks is ready'];
  const logged = () => readFileSync(log, 'utf8').trim().split('\n');
  await ready;
  expect(logged()).toEqual(inOrder);
  await restart();
  await expect.poll(() => children.every(({ isReady }) => isReady), { timeout: 20_000 }).toBe(true);
  expect(logged().slice(4)).toEqual(inOrder);
});
