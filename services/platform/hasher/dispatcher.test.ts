import { describe, expect, it } from 'vitest';
import {
  type Admission,
  type ChildEvent,
  createDispatcher,
  type Dispatcher,
  type DispatcherOptions,
  type FinishedReply,
} from './dispatcher.ts';
import { HasherBusyError, type HasherBusyReason, HasherFailedError } from './errors.ts';
import { createFakeClock, createFakeWorkers, type FakeClock, type FakeWorker } from './fake-workers.ts';

type House = {
  readonly dispatcher: Dispatcher;
  readonly clock: FakeClock;
  readonly workers: FakeWorker[];
  readonly waits: number[];
  readonly hashes: [number, string, number][];
  readonly children: ChildEvent[];
};

function house(overrides: Partial<DispatcherOptions> = {}, isCold = false): House {
  const clock = createFakeClock();
  const { workers, startWorker } = createFakeWorkers();
  const waits: number[] = [];
  const hashes: [number, string, number][] = [];
  const children: ChildEvent[] = [];
  const dispatcher = createDispatcher({
    workers: 1,
    capacity: 8,
    reservedForKnown: 2,
    maxWaitMs: 2_000,
    firstStartMs: 5_000,
    stuckAfterMs: 30_000,
    clock,
    startWorker,
    onQueueWait: (seconds) => waits.push(seconds),
    onHash: (...run) => hashes.push(run),
    onChild: (event) => children.push(event),
    ...overrides,
  });
  if (!isCold) dispatcher.start(overrides.workers ?? 1).catch(() => {});
  return { dispatcher, clock, workers, waits, hashes, children };
}

function hashJob(dispatcher: Dispatcher, password: string, admission: Partial<Admission> = {}): Promise<FinishedReply> {
  const result = dispatcher.submit(
    { kind: 'hash', password },
    { clientPrefix: password, knownDevice: false, ...admission },
  );
  result.catch(() => {}); // Each test awaits the results that it asserts.
  return result;
}

const busyWith = (reason: HasherBusyReason, retryAfterSeconds = expect.any(Number)): HasherBusyError =>
  expect.objectContaining({ name: 'HasherBusyError', reason, retryAfterSeconds });

/** Lets the child answer its request, and returns the password of the request. */
function answer(worker: FakeWorker): string | undefined {
  const password = worker.requests.at(-1)?.password;
  worker.reply({ kind: 'hashed', digest: `digest of ${password}` });
  return password;
}

describe('dispatcher', () => {
  it('starts no child before the first job, and then one for each job that would wait, up to their number', () => {
    const { dispatcher, workers } = house({ workers: 2 }, true);
    expect(workers).toHaveLength(0);
    hashJob(dispatcher, 'a');
    expect(workers).toHaveLength(1);
    workers[0]?.ready();
    expect(answer(workers[0]!)).toBe('a');
    hashJob(dispatcher, 'b');
    expect(workers).toHaveLength(1);
    for (const password of ['c', 'd', 'e']) hashJob(dispatcher, password);
    expect(workers).toHaveLength(2);
    expect(answer(workers[0]!)).toBe('b');
    workers[1]?.ready();
    expect(workers.map(({ requests }) => requests.at(-1)?.password)).toEqual(['c', 'd']);
  });

  it('gives the jobs that wait for the first child of all the time that it needs to start', async () => {
    const { dispatcher, workers, clock } = house({}, true);
    const patient = hashJob(dispatcher, 'patient');
    clock.advance(6_999);
    workers[0]?.ready();
    answer(workers[0]!);
    await expect(patient).resolves.toBeDefined();
    hashJob(dispatcher, 'running');
    const late = hashJob(dispatcher, 'late');
    clock.advance(2_000);
    await expect(late).rejects.toEqual(busyWith('waited_too_long'));
    const never = house({}, true);
    const dropped = hashJob(never.dispatcher, 'dropped');
    never.clock.advance(7_000);
    await expect(dropped).rejects.toEqual(busyWith('waited_too_long'));
  });

  it('closes without a child that never started', async () => {
    const { dispatcher, workers } = house({ workers: 2 }, true);
    await dispatcher.close();
    await expect(dispatcher.start(1)).rejects.toEqual(busyWith('closing'));
    expect(workers).toHaveLength(0);
  });

  it('gives each ready child one job at a time', async () => {
    const { dispatcher, workers } = house({ workers: 2 });
    const results = ['a', 'b', 'c'].map((password) => hashJob(dispatcher, password));
    expect(dispatcher.counts()).toEqual({ queued: 3, running: 0 });
    workers[0]?.ready();
    workers[1]?.ready();
    expect(dispatcher.counts()).toEqual({ queued: 1, running: 2 });
    expect(workers.map((worker) => worker.requests.map(({ password }) => password))).toEqual([['a'], ['b']]);
    answer(workers[1]!);
    answer(workers[1]!);
    answer(workers[0]!);
    expect(await Promise.all(results)).toMatchObject(
      ['a', 'b', 'c'].map((password) => ({ kind: 'hashed', digest: `digest of ${password}` })),
    );
    expect(dispatcher.counts()).toEqual({ queued: 0, running: 0 });
  });

  it('serves a second client after one job of a flooding client', () => {
    const { dispatcher, workers } = house();
    for (const password of ['a1', 'a2', 'a3']) hashJob(dispatcher, password, { clientPrefix: 'a' });
    hashJob(dispatcher, 'b1', { clientPrefix: 'b' });
    workers[0]?.ready();
    expect([1, 2, 3, 4].map(() => answer(workers[0]!))).toEqual(['a1', 'b1', 'a2', 'a3']);
  });

  it('refuses a job when the queue is full, with the time the queued work takes', async () => {
    const { dispatcher, workers } = house({ workers: 2, capacity: 16, reservedForKnown: 4 });
    workers[0]?.ready(0.4);
    workers[1]?.ready(0.4);
    for (let index = 0; index < 14; index += 1) hashJob(dispatcher, `u${index}`);
    expect(dispatcher.counts()).toEqual({ queued: 12, running: 2 });
    const late = { clientPrefix: 'late', knownDevice: false };
    expect(dispatcher.refusalOf({ ...late, knownDevice: true })).toBeUndefined();
    expect(dispatcher.refusalOf(late)).toEqual(busyWith('full', 3));
    // 14 jobs of 0.4 s in two children: 2.8 s.
    await expect(hashJob(dispatcher, 'late')).rejects.toEqual(busyWith('full', 3));
    for (let index = 0; index < 4; index += 1) hashJob(dispatcher, `k${index}`, { knownDevice: true });
    // 18 jobs of 0.4 s in two children: 3.6 s.
    await expect(hashJob(dispatcher, 'late known', { knownDevice: true })).rejects.toEqual(busyWith('full', 4));
  });

  it('estimates the waiting time from the measured speed', async () => {
    const { dispatcher, workers, clock } = house({ capacity: 4, reservedForKnown: 0 });
    workers[0]?.ready(1);
    hashJob(dispatcher, 'slow');
    clock.advance(6_000);
    answer(workers[0]!);
    for (let index = 0; index < 5; index += 1) hashJob(dispatcher, `u${index}`);
    // A mean of 0.8 × 1 s + 0.2 × 6 s, five jobs in one child.
    await expect(hashJob(dispatcher, 'late')).rejects.toEqual(busyWith('full', 10));
  });

  it('displaces the newest job of a flooding prefix for another client, and refuses the displaced job', async () => {
    const { dispatcher, workers, clock } = house({ capacity: 3, reservedForKnown: 0 });
    const flood = ['a1', 'a2', 'a3'].map((password) => hashJob(dispatcher, password, { clientPrefix: 'a' }));
    const other = hashJob(dispatcher, 'b1', { clientPrefix: 'b' });
    await expect(flood[2]).rejects.toEqual(busyWith('full'));
    workers[0]?.ready();
    expect([1, 2, 3].map(() => answer(workers[0]!))).toEqual(['a1', 'b1', 'a2']);
    await expect(other).resolves.toMatchObject({ kind: 'hashed', digest: 'digest of b1' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('drops a job after exactly two seconds of waiting', async () => {
    const { dispatcher, workers, clock, waits } = house();
    workers[0]?.ready();
    hashJob(dispatcher, 'running');
    const inTime = hashJob(dispatcher, 'in time');
    clock.advance(1);
    const dropped = hashJob(dispatcher, 'dropped');
    clock.advance(1_998);
    answer(workers[0]!);
    expect(dispatcher.counts()).toEqual({ queued: 1, running: 1 });
    clock.advance(2);
    await expect(dropped).rejects.toEqual(busyWith('waited_too_long', 1));
    expect(answer(workers[0]!)).toBe('in time');
    await expect(inTime).resolves.toBeDefined();
    expect([dispatcher.counts(), waits]).toEqual([{ queued: 0, running: 0 }, [0, 1.999]]);
  });

  it('drops a waiting job when its client disconnects, and accepts none of a disconnected client', async () => {
    const { dispatcher, workers, clock } = house();
    const client = new AbortController();
    const leaving = hashJob(dispatcher, 'leaving', { signal: client.signal });
    client.abort();
    await expect(leaving).rejects.toEqual(busyWith('client_left'));
    await expect(hashJob(dispatcher, 'gone', { signal: client.signal })).rejects.toEqual(busyWith('client_left'));
    workers[0]?.ready();
    expect([workers[0]?.requests, clock.pendingTimers]).toEqual([[], 0]);
  });

  it('finishes a running job whose client disconnects, since a child cannot abort a hash', async () => {
    const { dispatcher, workers } = house();
    const client = new AbortController();
    workers[0]?.ready();
    const running = hashJob(dispatcher, 'running', { signal: client.signal });
    hashJob(dispatcher, 'next');
    client.abort();
    expect(dispatcher.counts()).toEqual({ queued: 1, running: 1 });
    answer(workers[0]!);
    await expect(running).resolves.toBeDefined();
    expect(workers[0]?.requests.at(-1)?.password).toBe('next');
  });

  it('retries the job of a lost child in another child, before all waiting jobs', async () => {
    const { dispatcher, workers, hashes } = house({ workers: 2 });
    workers[0]?.ready();
    workers[1]?.ready();
    const unlucky = hashJob(dispatcher, 'unlucky');
    hashJob(dispatcher, 'other');
    hashJob(dispatcher, 'waiting');
    workers[0]?.end();
    expect(dispatcher.counts()).toEqual({ queued: 2, running: 1 });
    answer(workers[1]!);
    expect(answer(workers[1]!)).toBe('unlucky');
    await expect(unlucky).resolves.toMatchObject({ kind: 'hashed', digest: 'digest of unlucky' });
    expect(hashes.map(([, outcome]) => outcome)).toEqual(['lost', 'hashed', 'hashed']);
  });

  it('fails a job that lost two children, without a third attempt', async () => {
    const { dispatcher, workers, clock } = house();
    const poison = hashJob(dispatcher, 'poison');
    for (const round of [0, 1]) {
      workers[round]?.ready();
      workers[round]?.end();
      clock.advance(0);
    }
    await expect(poison).rejects.toBeInstanceOf(HasherFailedError);
    workers[2]?.ready();
    expect(workers[2]?.requests).toEqual([]);
  });

  it('does not retry for a disconnected client, and drops a retry that waits too long or whose client disconnects', async () => {
    const { dispatcher, workers, clock } = house({ workers: 3 });
    for (const worker of workers) worker.ready();
    const early = new AbortController();
    const late = new AbortController();
    const gone = hashJob(dispatcher, 'gone', { signal: early.signal });
    const leaving = hashJob(dispatcher, 'leaving', { signal: late.signal });
    const waiting = hashJob(dispatcher, 'waiting');
    early.abort();
    for (const worker of workers.slice(0, 3)) worker.end();
    await expect(gone).rejects.toEqual(busyWith('client_left'));
    late.abort();
    await expect(leaving).rejects.toEqual(busyWith('client_left'));
    clock.advance(2_000);
    await expect(waiting).rejects.toEqual(busyWith('waited_too_long'));
    expect(dispatcher.counts()).toEqual({ queued: 0, running: 0 });
  });

  it('reports a failed job and continues with the next', async () => {
    const { dispatcher, workers, hashes, clock } = house();
    workers[0]?.ready();
    const failing = hashJob(dispatcher, 'failing');
    const next = hashJob(dispatcher, 'next');
    clock.advance(250);
    workers[0]?.reply({ kind: 'failed' });
    await expect(failing).rejects.toBeInstanceOf(HasherFailedError);
    workers[0]?.reply({ kind: 'verified', matches: true });
    await expect(next).resolves.toMatchObject({ kind: 'verified', matches: true });
    hashJob(dispatcher, 'third');
    workers[0]?.reply({ kind: 'verified', matches: false });
    expect(hashes).toEqual([
      [0.25, 'failed', 0.25],
      [0, 'matched', 0.25],
      [0, 'mismatched', 0.25],
    ]);
  });

  it('ignores an answer without a request', () => {
    const { dispatcher, workers, hashes } = house();
    workers[0]?.ready();
    workers[0]?.reply({ kind: 'hashed', digest: 'stray' });
    expect([hashes, dispatcher.counts()]).toEqual([[], { queued: 0, running: 0 }]);
  });

  it('replaces a dead child immediately, and one that cannot start after growing delays of at most five seconds', () => {
    const { workers, clock, children } = house();
    workers[0]?.ready();
    workers[0]?.end();
    clock.advance(0);
    expect(workers).toHaveLength(2);
    for (const delayMs of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]) {
      const before = workers.length;
      workers.at(-1)?.end();
      clock.advance(delayMs - 1);
      expect(workers).toHaveLength(before);
      clock.advance(1);
      expect(workers).toHaveLength(before + 1);
    }
    workers.at(-1)?.ready();
    workers.at(-1)?.end();
    clock.advance(0);
    expect(workers).toHaveLength(11);
    expect(children.slice(0, 3)).toEqual([
      { kind: 'started', pid: 1 },
      { kind: 'ended', pid: 1, code: null, signal: 'SIGKILL' },
      { kind: 'started', pid: 2 },
    ]);
  });

  it('tries again when the system cannot start a process', async () => {
    const { workers, startWorker } = createFakeWorkers();
    let refusals = 2;
    const { dispatcher, clock, children } = house({
      startWorker: (events) => {
        refusals -= 1;
        if (refusals >= 0) throw new Error('ENOMEM');
        return startWorker(events);
      },
    });
    const result = hashJob(dispatcher, 'patient');
    clock.advance(100);
    clock.advance(200);
    workers[0]?.ready();
    answer(workers[0]!);
    await expect(result).resolves.toBeDefined();
    expect(children.map(({ kind }) => kind)).toEqual(['ended', 'ended', 'started']);
  });

  it('kills a child that runs one job for too long, and retries the job', async () => {
    const { dispatcher, workers, clock } = house();
    workers[0]?.ready();
    const stuck = hashJob(dispatcher, 'stuck');
    clock.advance(29_999);
    expect(workers[0]?.kills).toBe(0);
    clock.advance(1);
    expect(workers[0]?.kills).toBe(1);
    workers[0]?.end();
    clock.advance(0);
    workers[1]?.ready();
    answer(workers[1]!);
    await expect(stuck).resolves.toBeDefined();
    clock.advance(60_000);
    expect(workers[1]?.kills).toBe(0);
  });

  it('close finishes running jobs, drops waiting ones, refuses new ones and stops every child', async () => {
    const { dispatcher, workers, clock } = house({ workers: 2 });
    workers[0]?.ready();
    const running = hashJob(dispatcher, 'running');
    workers[1]?.ready();
    hashJob(dispatcher, 'also running');
    workers[1]?.reply({ kind: 'verified', matches: true });
    const other = hashJob(dispatcher, 'lost while closing');
    const waiting = hashJob(dispatcher, 'waiting');
    const closed = dispatcher.close();
    expect(dispatcher.close()).toBe(closed);
    await expect(waiting).rejects.toEqual(busyWith('closing'));
    await expect(hashJob(dispatcher, 'new')).rejects.toEqual(busyWith('closing'));
    expect(workers.map(({ stops }) => stops)).toEqual([0, 0]);
    answer(workers[0]!);
    await expect(running).resolves.toBeDefined();
    expect(workers.map(({ stops }) => stops)).toEqual([1, 0]);
    workers[0]?.end();
    workers[1]?.end();
    await expect(other).rejects.toEqual(busyWith('closing'));
    await closed;
    clock.advance(60_000);
    expect(workers).toHaveLength(2);
    expect(clock.pendingTimers).toBe(0);
  });

  it('close ends while one child waits for its replacement and another is starting', async () => {
    const { dispatcher, workers, clock } = house({ workers: 2 });
    workers[0]?.end();
    const closed = dispatcher.close();
    await expect(dispatcher.start(1)).rejects.toEqual(busyWith('closing', 1));
    expect(workers[1]?.stops).toBe(1);
    workers[1]?.end();
    await closed;
    clock.advance(60_000);
    expect(workers).toHaveLength(2);
  });

  it('works without hooks', async () => {
    const { dispatcher, workers } = house({ onQueueWait: undefined, onHash: undefined, onChild: undefined });
    workers[0]?.ready();
    const result = hashJob(dispatcher, 'quiet');
    answer(workers[0]!);
    await expect(result).resolves.toBeDefined();
    workers[0]?.end();
    expect(new HasherBusyError('full', 1).message).not.toContain('quiet');
  });
});
