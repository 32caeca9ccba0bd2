import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { isSameProcessAlive } from './file-lock.mjs';
import { traitsOf as postgresTraits } from './postgres.ts';
import { endOrphans, judgePredecessor, processesIn } from './predecessor.ts';
import { recordProcess, stopProcess } from './processes.ts';
import { traitsOf as redisTraits } from './redis.ts';

const folder = testFolder();
const children: ChildProcess[] = [];
beforeAll(() => {
  for (const name of ['postgresql.conf', 'redis.conf']) writeFileSync(join(folder, name), '');
});
afterEach(async () => {
  for (const { pid } of children.splice(0)) await stopProcess(recordProcess(pid as number), []);
});

const servers = [
  {
    server: 'Postgres',
    traits: () => postgresTraits({ home: { data: folder } }),
    own: ['/opt/own files/bin/postgres', 'postgres: checkpointer '],
    look: 'postgresql.conf',
  },
  {
    server: 'Redis',
    traits: () => redisTraits({ folder }),
    own: ['/usr/bin/redis-server 127.0.0.1:6379', '/usr/bin/valkey-server'],
    look: 'redis.conf',
  },
];

async function run(program: string, args: readonly string[], argv0?: string): Promise<number> {
  const child = spawn(program, args, { cwd: folder, stdio: 'ignore', ...(argv0 ? { argv0 } : {}) });
  children.push(child);
  await new Promise((done) => child.once('spawn', done));
  return child.pid as number;
}

describe.runIf(process.platform === 'linux').each(servers)('in the folder of $server', ({ traits, own, look }) => {
  test('an operator’s program with the server’s files in its arguments is not one of its processes, and is not ended', async () => {
    const pid = await run('tail', ['-f', look]);
    const operator = recordProcess(pid);
    expect([judgePredecessor(pid, traits()), processesIn(traits())]).toEqual(['another_program', []]);
    await endOrphans(traits());
    expect(isSameProcessAlive(operator)).toBe(true);
  });

  test.each(own)('%s is one of its processes, and is ended', async (title) => {
    const pid = await run(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], title);
    const left = recordProcess(pid);
    expect([judgePredecessor(pid, traits()), processesIn(traits())]).toEqual(['running', [left]]);
    await endOrphans(traits());
    expect(isSameProcessAlive(left)).toBe(false);
  });
});
