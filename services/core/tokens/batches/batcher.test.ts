import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { runInSpan } from '#observability/http-span.ts';
import { RequestTrace } from '#observability/trace-context.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import { type Batcher, type BatcherOptions, createBatcher } from './batcher.ts';

type Call = { readonly items: readonly number[]; answer(): Promise<void>; fail(err: unknown): Promise<void> };

let now = 0;
let calls: Call[] = [];
const turn = async (): Promise<void> => {
  for (let index = 0; index < 3; index += 1) await new Promise((resolve) => setImmediate(resolve));
};
const advance = async (milliseconds: number): Promise<void> => {
  now += milliseconds;
  await vi.advanceTimersByTimeAsync(milliseconds);
  await turn();
};

beforeEach(() => {
  now = 0;
  calls = [];
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => vi.useRealTimers());

const make = (over: Partial<BatcherOptions<number, number>> = {}): Batcher<number, number> =>
  createBatcher<number, number>({
    name: 'test',
    clock: { now: () => 0, monotonic: () => now },
    maxBatch: 4,
    maxInFlight: 2,
    deadlineMs: 1_000,
    maxWaiting: 100,
    isRepeatable: () => false,
    run: (items) =>
      new Promise((resolve, reject) => {
        calls.push({
          items,
          answer: () => {
            resolve(items.map((item) => item * 10));
            return turn();
          },
          fail: (err) => {
            reject(err);
            return turn();
          },
        });
      }),
    ...over,
  });
const last = (): Call => calls.at(-1) as Call;
const coded = (code: string): Error => storeUnavailable({ cause: Object.assign(new Error('x'), { code }) });
const lost = (): Error => new Error('Connection terminated unexpectedly');
const settle = (promise: Promise<number>): Promise<unknown> =>
  promise.catch((err: unknown) => (err as { code?: string }).code ?? (err as Error).message);

describe('grouping', () => {
  test('a single item is sent at the end of its tick', async () => {
    const batcher = make();
    const answer = batcher.submit(1);
    await turn();
    expect(calls.map((call) => call.items)).toEqual([[1]]);
    await last().answer();
    expect(await answer).toBe(10);
  });

  test('other work runs after every few answers of a batch', async () => {
    const batcher = make({ maxBatch: 10 });
    let answered = 0;
    for (let item = 0; item < 10; item += 1) void batcher.submit(item).then(() => (answered += 1));
    await turn();
    void last().answer();
    const inEachTurn: number[] = [];
    while (answered < 10) {
      const before = answered;
      await new Promise((resolve) => setImmediate(resolve));
      inEachTurn.push(answered - before);
    }
    expect(Math.max(...inEachTurn)).toBeLessThanOrEqual(4);
  });

  test('a single sequential caller never waits for a batch: each item is sent in the tick of its submission', async () => {
    const batcher = make();
    for (const item of [1, 2, 3]) {
      const answer = batcher.submit(item);
      await new Promise((resolve) => setImmediate(resolve));
      expect(last().items).toEqual([item]);
      void last().answer();
      expect(await answer).toBe(item * 10);
    }
  });

  test('items of one tick share a statement, up to the limit, and each gets its own answer', async () => {
    const batcher = make();
    const answers = [1, 2, 3, 4, 5].map((item) => batcher.submit(item));
    await turn();
    expect(calls.map((call) => call.items)).toEqual([[1, 2, 3, 4], [5]]);
    for (const call of calls) await call.answer();
    expect(await Promise.all(answers)).toEqual([10, 20, 30, 40, 50]);
  });

  test('with two statements in flight a batch grows, and is sent when one returns', async () => {
    const batcher = make();
    for (const item of [1, 2]) {
      void batcher.submit(item);
      await turn();
    }
    const answers = [3, 4].map((item) => batcher.submit(item));
    await turn();
    answers.push(batcher.submit(5));
    await turn();
    expect(calls).toHaveLength(2);
    await (calls[0] as Call).answer();
    expect(last().items).toEqual([3, 4, 5]);
    await last().answer();
    expect(await Promise.all(answers)).toEqual([30, 40, 50]);
  });

  test('the size of each batch is recorded as sent', async () => {
    const sizes: number[] = [];
    const batcher = make({ onBatch: (size) => sizes.push(size) });
    for (const item of [1, 2, 3, 4, 5]) void batcher.submit(item);
    await turn();
    expect(sizes).toEqual([4, 1]);
  });
});

describe('isolation', () => {
  test.each(['22003', '55P03', '57014', '40P01'])('on %s the members run singly, two at a time', async (code) => {
    const batcher = make();
    const answers = [1, 2, 3].map((item) => settle(batcher.submit(item)));
    await turn();
    await last().fail(coded(code));
    expect(calls.slice(1).map((call) => call.items)).toEqual([[1], [2]]);
    await (calls[1] as Call).answer();
    await (calls[2] as Call).answer();
    await last().answer();
    expect(last().items).toEqual([3]);
    expect(await Promise.all(answers)).toEqual([10, 20, 30]);
  });

  test('a member with an invalid value fails with its own error; the others succeed', async () => {
    const batcher = make();
    const [bad, good] = [1, 2].map((item) => settle(batcher.submit(item)));
    await turn();
    await last().fail(coded('22021'));
    await (calls[1] as Call).fail(Object.assign(new Error('its own'), { code: '22021' }));
    await (calls[2] as Call).answer();
    expect(await bad).toBe('22021');
    expect(await good).toBe(20);
  });

  test('a blocked member is retried after the others, until its deadline', async () => {
    const batcher = make();
    const [blocked, free] = [1, 2].map((item) => settle(batcher.submit(item)));
    await turn();
    await last().fail(coded('55P03'));
    await (calls[1] as Call).fail(coded('55P03'));
    await (calls[2] as Call).answer();
    expect(await free).toBe(20);
    expect(last().items).toEqual([1]);
    now = 1_000;
    await last().fail(coded('55P03'));
    expect(await blocked).toBe('store_unavailable');
    expect(calls).toHaveLength(4);
  });

  test('new items do not wait for blocked ones', async () => {
    const batcher = make();
    void settle(batcher.submit(1));
    await turn();
    await last().fail(coded('55P03'));
    const late = batcher.submit(2);
    await turn();
    expect(last().items).toEqual([2]);
    await last().answer();
    expect(await late).toBe(20);
  });

  test('a statement that fails for another reason fails all its members', async () => {
    const batcher = make();
    const answers = [1, 2].map((item) => settle(batcher.submit(item)));
    await turn();
    await last().fail(Object.assign(new Error('x'), { code: '42P01' }));
    expect(await Promise.all(answers)).toEqual(['42P01', '42P01']);
    expect(calls).toHaveLength(1);
  });
});

describe('unknown outcome', () => {
  test('is 503 when repeating the statement could do harm', async () => {
    const batcher = make();
    const answer = settle(batcher.submit(1));
    await turn();
    await last().fail(lost());
    expect(await answer).toBe('store_unavailable');
    expect(calls).toHaveLength(1);
  });

  test('makes the batcher send the statement once more, and only once, when repeating is harmless', async () => {
    const batcher = make({ isRepeatable: () => true });
    const answers = [1, 2].map((item) => settle(batcher.submit(item)));
    await turn();
    await last().fail(lost());
    expect(calls.map((call) => call.items)).toEqual([
      [1, 2],
      [1, 2],
    ]);
    await last().fail(lost());
    expect(await Promise.all(answers)).toEqual(['store_unavailable', 'store_unavailable']);
    expect(calls).toHaveLength(2);
  });

  test('asks whether repeating is harmless after the elapsed time', async () => {
    const isRepeatable = vi.fn((elapsedMs: number) => elapsedMs < 500);
    const batcher = make({ isRepeatable });
    const answer = settle(batcher.submit(1));
    await turn();
    now = 600;
    await last().fail(lost());
    expect(isRepeatable).toHaveBeenLastCalledWith(600);
    expect(await answer).toBe('store_unavailable');
  });

  test('of a member that runs singly is 503 for it alone', async () => {
    const batcher = make();
    const [first, second] = [1, 2].map((item) => settle(batcher.submit(item)));
    await turn();
    await last().fail(coded('55P03'));
    await (calls[1] as Call).fail(lost());
    await (calls[2] as Call).answer();
    expect([await first, await second]).toEqual(['store_unavailable', 20]);
  });
});

describe('deadline', () => {
  test('items that wait for a statement to return are refused at their deadline, and never sent', async () => {
    const batcher = make({ maxInFlight: 1 });
    void settle(batcher.submit(1));
    await turn();
    const waiting = settle(batcher.submit(2));
    await advance(900);
    const young = settle(batcher.submit(3));
    await advance(200);
    expect(await waiting).toBe('store_unavailable');
    await (calls[0] as Call).answer();
    expect(last().items).toEqual([3]);
    await last().answer();
    expect(await young).toBe(30);
  });

  test('during its statement an item is refused if it can be repeated, and otherwise waits for its answer', async () => {
    const repeatable = make({ isRepeatable: () => true });
    const refused = settle(repeatable.submit(1));
    const final = make();
    const answered = settle(final.submit(2));
    await turn();
    await advance(1_100);
    expect(await refused).toBe('store_unavailable');
    for (const call of calls) await call.answer();
    expect(await answered).toBe(20);
  });

  test('blocked members that were refused are not retried', async () => {
    const batcher = make({ isRepeatable: () => true });
    const answer = settle(batcher.submit(1));
    await turn();
    await advance(1_100);
    expect(await answer).toBe('store_unavailable');
    await last().fail(coded('55P03'));
    expect(calls).toHaveLength(1);
  });

  test('items beyond the allowed number of waiting ones are refused immediately', async () => {
    const batcher = make({ maxWaiting: 2 });
    const answers = [1, 2, 3].map((item) => settle(batcher.submit(item)));
    expect(await answers[2]).toBe('store_unavailable');
    await turn();
    await last().answer();
    expect(await Promise.all(answers.slice(0, 2))).toEqual([10, 20]);
  });
});

describe('callers who leave', () => {
  const left = new Set<number>();
  beforeEach(() => left.clear());
  const watching = (over: Partial<BatcherOptions<number, number>> = {}): Batcher<number, number> =>
    make({ requestOf: (item) => ({ hasLeft: left.has(item) }), ...over });

  test('the batch is sent without their items, and not at all when every caller has left', async () => {
    const batcher = watching();
    const answers = [1, 2, 3].map((item) => settle(batcher.submit(item)));
    left.add(2);
    await turn();
    expect(calls.map((call) => call.items)).toEqual([[1, 3]]);
    await last().answer();
    expect(await Promise.all(answers)).toEqual([10, 'store_unavailable', 30]);
    const alone = settle(batcher.submit(2));
    await turn();
    expect(await alone).toBe('store_unavailable');
    expect(calls).toHaveLength(1);
    await batcher.close();
  });

  test('items of callers who leave while the batch waits are not sent', async () => {
    const batcher = watching({ maxInFlight: 1 });
    void settle(batcher.submit(1));
    await turn();
    const answers = [2, 3].map((item) => settle(batcher.submit(item)));
    await turn();
    left.add(2);
    await last().answer();
    expect(last().items).toEqual([3]);
    await last().answer();
    expect(await Promise.all(answers)).toEqual(['store_unavailable', 30]);
  });

  test('a blocked member does not run singly, and is not retried, after its caller has left', async () => {
    const batcher = watching();
    const answers = [1, 2, 3].map((item) => settle(batcher.submit(item)));
    await turn();
    left.add(1);
    await last().fail(coded('55P03'));
    expect(calls.slice(1).map((call) => call.items)).toEqual([[2], [3]]);
    left.add(3);
    await (calls[2] as Call).fail(coded('55P03'));
    await (calls[1] as Call).answer();
    expect(await Promise.all(answers)).toEqual(['store_unavailable', 20, 'store_unavailable']);
    expect(calls).toHaveLength(3);
  });

  test('a member that waits to run singly is not sent after its caller has left', async () => {
    const batcher = watching();
    const answers = [1, 2, 3].map((item) => settle(batcher.submit(item)));
    await turn();
    await last().fail(coded('55P03'));
    left.add(3);
    for (const call of calls.slice(1)) await call.answer();
    expect(await Promise.all(answers)).toEqual([10, 20, 'store_unavailable']);
    expect(calls.slice(1).map((call) => call.items)).toEqual([[1], [2]]);
  });

  test('a statement with an unknown outcome is repeated only for callers who still wait', async () => {
    const batcher = watching({ isRepeatable: () => true });
    const answers = [1, 2].map((item) => settle(batcher.submit(item)));
    await turn();
    left.add(1);
    await last().fail(lost());
    expect(calls.map((call) => call.items)).toEqual([[1, 2], [2]]);
    await last().answer();
    expect(await Promise.all(answers)).toEqual(['store_unavailable', 20]);
  });

  test('a statement with an unknown outcome is not repeated after every caller has left', async () => {
    const batcher = watching({ isRepeatable: () => true });
    const answers = [1, 2].map((item) => settle(batcher.submit(item)));
    await turn();
    for (const item of [1, 2]) left.add(item);
    await last().fail(lost());
    expect(await Promise.all(answers)).toEqual(['store_unavailable', 'store_unavailable']);
    expect(calls).toHaveLength(1);
    await batcher.close();
  });

  test('the deadline counts from the arrival of the request, not from when it was read', async () => {
    now = 5_000;
    const arrivals = new Map([
      [1, 3_999],
      [2, 4_500],
    ]);
    const batcher = make({ requestOf: (item) => ({ arrivedAt: arrivals.get(item) }) });
    const answers = [1, 2, 3].map((item) => settle(batcher.submit(item)));
    await turn();
    expect(last().items).toEqual([2, 3]);
    await last().fail(coded('55P03'));
    await advance(600);
    for (const call of calls.slice(1)) await call.fail(coded('55P03'));
    expect(await answers[0]).toBe('store_unavailable');
    expect(await answers[1]).toBe('store_unavailable');
    expect(last().items).toEqual([3]);
    await last().answer();
    expect(await answers[2]).toBe(30);
  });

  test('a request that has waited for PostgreSQL before has the rest of its time', async () => {
    const request = new RequestTrace('1'.repeat(32), undefined);
    request.storeMsLeft = 300;
    const batcher = make({ isRepeatable: () => true });
    const answers = [runInSpan(request, () => settle(batcher.submit(1))), settle(batcher.submit(2))];
    await turn();
    await advance(500);
    await last().answer();
    expect(await Promise.all(answers)).toEqual(['store_unavailable', 20]);
    expect(request.storeMsLeft).toBeLessThan(300);
  });
});

describe('close', () => {
  test('waits for every submitted item and refuses new ones', async () => {
    const batcher = make({ maxInFlight: 1, maxBatch: 1 });
    const answers = [1, 2].map((item) => batcher.submit(item));
    let isClosed = false;
    const closed = batcher.close().then(() => {
      isClosed = true;
    });
    expect(await settle(batcher.submit(3))).toBe('store_unavailable');
    await turn();
    await last().answer();
    expect(isClosed).toBe(false);
    await last().answer();
    await closed;
    expect(await Promise.all(answers)).toEqual([10, 20]);
  });

  test('of an idle batcher resolves immediately', () => make().close());
});
