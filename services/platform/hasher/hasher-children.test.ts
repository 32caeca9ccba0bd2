import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type ChildEvent, createHasher, type Hasher, type HashOutcome } from './hasher.ts';
import { hashingWorkers } from './worker-process.ts';

const pepper = randomBytes(32);
const admission = { clientPrefix: '192.0.2.1', knownDevice: false };
// No test here covers a time limit, and the machine may be busy.
const patientSeconds = 30;

/** Waits for a condition of the system; the timeout of the test ends the wait. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(10);
}

function isAlive(pid: number): boolean {
  // A dead child that its parent has not yet reaped is a zombie, not a survivor.
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && statFields(stat)[0] !== 'Z';
}

/** The fields after the command's name: state first, nice as number 16. */
function statFields(path: string): string[] {
  try {
    const stat = readFileSync(path, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return ['Z'];
  }
}

let hasher: Hasher;
/** Of the children that live. */
let pids: number[] = [];
const events: ChildEvent[] = [];
const outcomes: HashOutcome[] = [];
const waits: number[] = [];

async function openHasher(): Promise<void> {
  process.env.SECRET_OF_THE_PARENT = 'must not be inherited';
  hasher = createHasher({
    pepper,
    children: 2,
    maxWaitSeconds: patientSeconds,
    stuckAfterSeconds: patientSeconds,
    onChild: (event) => {
      events.push(event);
      if (event.kind === 'started' && event.pid !== undefined) pids = [...pids, event.pid];
      if (event.kind === 'ended') pids = pids.filter((pid) => pid !== event.pid);
    },
    onHash: (_seconds, outcome) => outcomes.push(outcome),
    onQueueWait: (seconds) => waits.push(seconds),
  });
  await bothReady();
}

/** Waits until both run: a child that still starts has no job to lose, and a signal would end it. */
async function bothReady(): Promise<void> {
  const digests: Promise<string>[] = [];
  await until(() => {
    const { queued, running } = hasher.stats();
    if (running < 2 && queued === 0) digests.push(hasher.hash('correct horse battery', admission));
    return running === 2;
  });
  await Promise.all(digests);
}

async function closeHasher(): Promise<void> {
  await hasher.close();
  delete process.env.SECRET_OF_THE_PARENT;
}

function forget(): void {
  for (const seen of [events, outcomes, waits]) seen.length = 0;
}

const started = (): number => events.filter(({ kind }) => kind === 'started').length;

/** Gives the children the priority of the tests, which may: a busy machine has next to no time for a lower one. */
function hurry(): void {
  for (const pid of pids)
    try {
      setPriority(pid, getPriority());
    } catch {
      return; // Only root may raise a priority.
    }
}

describe('hasher with real children', () => {
  beforeAll(openHasher);
  beforeEach(forget);
  afterAll(closeHasher);

  it('runs its children at low priority, with a share that a busy machine leaves them', () => {
    expect(pids).toHaveLength(2);
    // Nice is field 19 of proc_pid_stat(5), 16 places after the state.
    for (const pid of pids) expect(statFields(`/proc/${pid}/stat`)[16]).toBe('10');
    hurry();
  });

  it('hashes with bcrypt cost 12, and verifies the right password only', async () => {
    const digest = await hasher.hash('correct horse battery', admission);
    expect(digest).toMatch(/^\$2b\$12\$/);
    const verdicts = await Promise.all([
      hasher.verify('correct horse battery', digest, admission),
      hasher.verify('correct horse batterz', digest, admission),
    ]);
    expect([verdicts, hasher.needsUpgrade(digest)]).toEqual([[true, false], false]);
    expect(outcomes.toSorted()).toEqual(['hashed', 'matched', 'mismatched']);
    expect(waits).toHaveLength(3);
  });

  it('truncates nothing: passwords that differ after 72 bytes or a NUL do not match', async () => {
    const [long, withNul] = await Promise.all([
      hasher.hash(`${'x'.repeat(99)}A`, admission),
      hasher.hash('horse\0A', admission),
    ]);
    expect([long.slice(0, 12), withNul.slice(0, 12)]).toEqual(['$sp1$$2b$12$', '$sp1$$2b$12$']);
    const verdicts = await Promise.all([
      hasher.verify(`${'x'.repeat(99)}A`, long, admission),
      hasher.verify(`${'x'.repeat(99)}B`, long, admission),
      hasher.verify('horse\0A', withNul, admission),
      hasher.verify('horse\0B', withNul, admission),
    ]);
    expect(verdicts).toEqual([true, false, true, false]);
  });

  it('accepts every NFKC-equal form of a password', async () => {
    const digest = await hasher.hash('pa\u0308ssword \u2160', admission);
    expect(await hasher.verify('p\u00e4ssword I', digest, admission)).toBe(true);
  });

  it('verifies an unknown account against a dummy digest of the same scheme and cost, which never matches', async () => {
    const dummy = hasher.dummyDigest;
    expect(dummy).toMatch(/^\$2b\$12\$[./A-Za-z0-9]{53}$/);
    expect(hasher.needsUpgrade(dummy)).toBe(false);
    expect(await hasher.verify('correct horse battery', dummy, admission)).toBe(false);
  });

  it('shows neither environment nor pepper in the /proc files of its children', () => {
    for (const pid of pids) {
      const visible = readFileSync(`/proc/${pid}/environ`, 'utf8') + readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      expect(visible).not.toContain('must not be inherited');
      expect(visible).not.toContain(pepper.toString('base64'));
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toMatch(
        /(^|\0)(?!NODE_CHANNEL_|NODE_V8_COVERAGE=)[A-Z]/,
      );
    }
  });

  describe('that end', () => {
    beforeEach(async () => {
      hurry();
      await bothReady();
      forget();
    });

    it('retries the job of a child killed in the middle of it, with the right result, and replaces the child', async () => {
      const digest = await hasher.hash('correct horse battery', admission);
      // A stopped child is in the middle of its job when it is killed.
      for (const pid of pids) process.kill(pid, 'SIGSTOP');
      const [right, wrong] = [
        hasher.verify('correct horse battery', digest, admission),
        hasher.verify('wrong horse', digest, admission),
      ];
      expect(hasher.stats().running).toBe(2);
      const [first, second] = pids as [number, number];
      process.kill(first, 'SIGKILL');
      await until(() => outcomes.includes('lost'));
      process.kill(second, 'SIGCONT');
      expect(await Promise.all([right, wrong])).toEqual([true, false]);
      await until(() => started() === 1);
      expect(events).toContainEqual({ kind: 'ended', pid: first, code: null, signal: 'SIGKILL' });
      expect(outcomes.filter((outcome) => outcome === 'lost')).toHaveLength(1);
    });

    it('continues after every child was killed', async () => {
      for (const pid of pids) process.kill(pid, 'SIGKILL');
      await until(() => started() === 2);
      hurry();
      expect(await hasher.hash('correct horse battery', admission)).toMatch(/^\$2b\$12\$/);
    });

    it('keeps hashing through the SIGINT and SIGTERM of a process group, so that a drain can finish', async () => {
      const digest = hasher.hash('correct horse battery', admission);
      for (const pid of pids) {
        process.kill(pid, 'SIGINT');
        process.kill(pid, 'SIGTERM');
      }
      expect(await digest).toMatch(/^\$2b\$12\$/);
      expect(events.filter(({ kind }) => kind === 'ended')).toEqual([]);
    });

    it('close finishes the running job and leaves no child behind', async () => {
      const open = pids;
      const running = hasher.hash('correct horse battery', admission);
      await hasher.close();
      expect(await running).toMatch(/^\$2b\$12\$/);
      expect(open.filter(isAlive)).toEqual([]);
      expect(events.filter(({ kind }) => kind === 'ended')).toHaveLength(2);
    });
  });
});

describe('the end of children', () => {
  it('close before the children have started leaves no child behind', async () => {
    const early: number[] = [];
    const shortLived = createHasher({
      pepper,
      children: 2,
      onChild: (event) => event.kind === 'started' && event.pid !== undefined && early.push(event.pid),
    });
    const refused = [1, 2].map(() =>
      expect(shortLived.hash('correct horse', admission)).rejects.toMatchObject({ reason: 'closing' }),
    );
    await expect.poll(() => early).toHaveLength(2);
    await shortLived.close();
    await Promise.all(refused);
    expect(early).toHaveLength(2);
    expect(early.filter(isAlive)).toEqual([]);
  });

  it('kills a child that does not stop when asked', async () => {
    const ended = Promise.withResolvers<unknown>();
    const worker = hashingWorkers(pepper, 50)({ onReady: () => {}, onReply: () => {}, onEnd: ended.resolve });
    process.kill(worker.pid!, 'SIGSTOP');
    worker.stop();
    expect(await ended.promise).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('leaves no child behind when the parent is killed', async () => {
    const parent = startParent();
    onTestFinished(() => void parent.kill('SIGKILL'));
    const orphans = await pidsOf(parent);
    expect(orphans.filter(isAlive)).toHaveLength(2);
    parent.kill('SIGKILL');
    await until(() => !orphans.some(isAlive));
  });
});

/** A process with a hasher of two ready children, one of them hashing; it prints their pids. */
function startParent(): ChildProcess {
  const script = `
    import { createHasher } from ${JSON.stringify(new URL('./hasher.ts', import.meta.url).href)};
    const pids = [];
    const hasher = createHasher({ pepper: new Uint8Array(32), children: 2, maxWaitSeconds: 60, onChild: ({ pid }) => pids.push(pid) });
    const hash = () => hasher.hash('correct horse', { clientPrefix: 'a', knownDevice: false });
    await Promise.all([hash(), hash()]);
    hash();
    console.log(JSON.stringify(pids));
  `;
  return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function pidsOf(parent: ChildProcess): Promise<number[]> {
  const [printed] = await once(parent.stdout!, 'data');
  return JSON.parse(String(printed));
}
