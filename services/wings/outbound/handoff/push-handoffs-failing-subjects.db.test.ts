import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventOf, type HandoffHarness, openHandoffHarness, TYPE } from './handoff-harness.ts';
import { WAITING_MAX } from './plan-deliveries.ts';

let harness: HandoffHarness;
beforeAll(async () => {
  harness = await openHandoffHarness();
});
afterAll(() => harness?.close());
beforeEach(() => harness.reset());

describe('an endpoint that fails for the events of one subject', () => {
  const subjectsOf = () => harness.arrived.map((one) => eventOf(one).subject);
  const parked = () => harness.log.raw('SELECT after_seq FROM handoff_parked');

  test('gets those of others, however many of the subject wait; they take the place of one', async () => {
    await harness.log.emit(WAITING_MAX + 30, { type: TYPE, userId: 'ada' });
    await harness.events('bob');
    harness.answerWith((one) => (eventOf(one).subject === 'user:ada' ? 503 : 204));
    for (let n = 0; n < 10; n += 1) {
      await harness.run();
      await harness.pass(600);
    }
    expect(subjectsOf()).toContain('user:bob');
    expect(await harness.rows()).toHaveLength(1);
    expect(await parked()).toHaveLength(1);
  });

  test('gets all of them once and in order when it accepts the first, also those that happened meanwhile', async () => {
    const [first, second, , third] = await harness.events('ada', 'ada', 'bob', 'ada', 'eve');
    harness.answerWith((one) => (eventOf(one).data.seq === first ? 503 : 204));
    await harness.run();
    // More than one page of the log, so that the search for those of ada has to go on.
    const others = Array.from({ length: 250 }, (_, n) => `u${n}`);
    const meanwhile = await harness.events('ada', ...others, 'ada');
    await harness.run();
    expect(subjectsOf().filter((subject) => subject.startsWith('user:u'))).toHaveLength(others.length);
    harness.arrived.length = 0;
    harness.answerWith(() => 204);
    await harness.pass(10);
    await harness.run();
    const [last] = await harness.events('ada');
    await harness.run();
    expect(harness.seqs()).toEqual([first, second, third, meanwhile[0], meanwhile.at(-1), last]);
    expect([await harness.rows(), await parked()]).toEqual([[], []]);
  });

  test('gets the next of the subject when one is given up', async () => {
    const [first, second] = await harness.events('ada', 'ada');
    harness.answerWith((one) => (eventOf(one).data.seq === first ? 503 : 204));
    await harness.run();
    await harness.pass(3 * 86_400 + 60);
    await harness.run();
    expect(harness.seqs().at(-1)).toBe(second);
    expect(await harness.rows()).toMatchObject([{ seq: first, due: null }]);
    expect(await parked()).toEqual([]);
  });

  test('counts as up as soon as others have events: they are tried before what failed', async () => {
    await harness.events('ada', 'cal', 'dot', 'eve');
    harness.answerWith((one) => (eventOf(one).subject === 'user:bob' ? 204 : 503));
    for (let n = 0; n < 4; n += 1) {
      await harness.run();
      await harness.pass(600);
    }
    await harness.events('bob');
    await harness.run();
    expect(subjectsOf()).toContain('user:bob');
  });
});
