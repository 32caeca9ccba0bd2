import { describe, expect, it } from 'vitest';
import { atBoot, createRegistry } from './instruments.ts';

const labels = { result: ['active', 'inactive'], reason: ['none', 'expired'] } as const;

describe('instruments', () => {
  it('count per closed label set, by handle or by labels', () => {
    const registry = createRegistry();
    const counter = registry.defineCounter({ name: 'validations', help: 'h', labels });
    const active = counter.at({ result: 'active', reason: 'none' });
    active.add(2);
    counter.add(3, { result: 'active', reason: 'none' });
    counter.add(1, { result: 'inactive', reason: 'expired' });
    expect(registry.collect()[0]?.series).toEqual([
      { labels: { result: 'active', reason: 'none' }, value: 5 },
      { labels: { result: 'inactive', reason: 'expired' }, value: 1 },
    ]);
  });

  it('10,000 unknown label values give one series, `other`', () => {
    const registry = createRegistry();
    const counter = registry.defineCounter({ name: 'validations', help: 'h', labels });
    const histogram = registry.defineHistogram({ name: 'seconds', help: 'h', labels, buckets: [1] });
    for (let at = 0; at < 10_000; at += 1) {
      const result = `user-${at}` as 'active';
      counter.add(1, { result, reason: 'none' });
      histogram.record(2, { result, reason: 'none' });
    }
    const [seconds, validations] = registry.collect();
    expect(validations?.series).toEqual([{ labels: { result: 'other', reason: 'none' }, value: 10_000 }]);
    expect(seconds?.series).toEqual([
      { labels: { result: 'other', reason: 'none' }, value: 20_000, counts: [0, 10_000] },
    ]);
  });

  it('names of the object prototype and missing labels are unknown values, not series', () => {
    const registry = createRegistry();
    const counter = registry.defineCounter({ name: 'validations', help: 'h', labels });
    counter.add(1, { result: '__proto__' as 'active', reason: 'constructor' as 'none' });
    counter.add(1, {} as { result: 'active'; reason: 'none' });
    expect(registry.collect()[0]?.series).toEqual([{ labels: { result: 'other', reason: 'other' }, value: 2 }]);
  });

  it('a label value outside the list does not compile', () => {
    const counter = createRegistry().defineCounter({ name: 'validations', help: 'h', labels });
    // @ts-expect-error not in the list
    counter.add(1, { result: 'maybe', reason: 'none' });
    // @ts-expect-error a label is missing
    counter.at({ result: 'active' });
    const plain = createRegistry().defineCounter({ name: 'plain', help: 'h' });
    // @ts-expect-error it has no labels
    plain.add(1, { user: 'u' });
    expect(() => plain.add(1)).not.toThrow();
  });

  it('counters of at most one label start at zero, so that a first event is an increase', () => {
    const registry = createRegistry();
    registry.defineCounter({ name: 'a', help: 'h' });
    registry.defineCounter({ name: 'b', help: 'h', labels: { outcome: ['ok', 'failed'] } });
    registry.defineCounter({ name: 'c', help: 'h', labels });
    const [a, b, c] = registry.collect();
    expect(a?.series).toEqual([{ labels: {}, value: 0 }]);
    expect([b?.series.map((series) => series.labels.outcome), c?.series]).toEqual([['ok', 'failed'], []]);
  });

  it('a histogram has no series before its first value, even if its labels were requested', () => {
    const registry = createRegistry();
    const histogram = registry.defineHistogram({
      name: 'seconds',
      help: 'h',
      labels: { way: ['a', 'b'] },
      buckets: [1],
    });
    const [first] = [histogram.at({ way: 'a' }), histogram.at({ way: 'b' })];
    expect(registry.collect()[0]?.series).toEqual([]);
    first.record(0);
    expect(registry.collect()[0]?.series).toEqual([{ labels: { way: 'a' }, value: 0, counts: [1, 0] }]);
  });

  it('a histogram puts a value in the bucket whose inclusive bound it does not exceed', () => {
    const registry = createRegistry();
    const histogram = registry.defineHistogram({ name: 'seconds', help: 'h', buckets: [0.1, 1] });
    for (const value of [0, 0.1, 0.11, 1, 7]) histogram.record(value);
    expect(registry.collect()[0]?.series[0]).toEqual({ labels: {}, value: 8.21, counts: [2, 2, 1] });
  });

  it('a gauge is set or read at collection; a source that fails or returns nothing omits its series', () => {
    const registry = createRegistry();
    const gauge = registry.defineGauge({ name: 'depth', help: 'h', labels: { pool: ['a', 'b', 'c', 'd'] } });
    gauge.set(4, { pool: 'a' });
    let depth: number | undefined = 7;
    gauge.at({ pool: 'b' }).observe(() => depth);
    gauge.at({ pool: 'c' }).observe(() => {
      throw new Error('closed');
    });
    gauge.at({ pool: 'd' }).observe(() => Number.NaN);
    const read = () => registry.collect()[0]?.series.map(({ labels: { pool }, value }) => [pool, value]);
    expect(read()).toEqual([
      ['a', 4],
      ['b', 7],
    ]);
    depth = undefined;
    expect(read()).toEqual([['a', 4]]);
    gauge.at({ pool: 'a' }).set(5);
    expect(read()).toEqual([['a', 5]]);
  });

  it('a label open until start-up can be closed once, and not after its first record', () => {
    const registry = createRegistry();
    const define = (name: string) =>
      registry.defineHistogram({ name, help: 'h', labels: { route: atBoot }, buckets: [1] });
    const closed = define('closed');
    closed.closeLabel('route', ['/a']);
    closed.record(1, { route: '/a' });
    closed.record(1, { route: '/b' });
    expect(registry.collect()[0]?.series.map((series) => series.labels.route)).toEqual(['/a', 'other']);
    expect(() => closed.closeLabel('route', ['/c'])).toThrow('in use');
    const twice = define('twice');
    twice.closeLabel('route', ['/a']);
    expect(() => twice.closeLabel('route', ['/b'])).toThrow('not open');
    const late = define('late');
    late.record(1, { route: '/a' });
    expect(() => late.closeLabel('route', ['/a'])).toThrow('in use');
    expect(registry.list().map(({ name, labels: { route } }) => [name, route])).toEqual([
      ['closed', ['/a']],
      ['late', null],
      ['twice', ['/a']],
    ]);
  });

  it('refuses a second metric of the same name, bad names, reserved labels, falling buckets, too many series', () => {
    const registry = createRegistry();
    registry.defineCounter({ name: 'once', help: 'h' });
    expect(() => registry.defineGauge({ name: 'once', help: 'h' })).toThrow('defined twice');
    expect(() => registry.defineCounter({ name: 'things_total', help: 'h' })).toThrow('cannot name');
    expect(() => registry.defineCounter({ name: 'Bad-Name', help: 'h' })).toThrow('cannot name');
    expect(() => registry.defineCounter({ name: 'le_label', help: 'h', labels: { le: ['1'] } })).toThrow('label');
    expect(() => registry.defineCounter({ name: 'boot', help: 'h', labels: { route: atBoot } })).toThrow('boot');
    expect(() => registry.defineHistogram({ name: 'falling', help: 'h', buckets: [1, 1] })).toThrow('rise');
    expect(() => registry.defineHistogram({ name: 'nan', help: 'h', buckets: [Number.NaN] })).toThrow('rise');
    const many = Array.from({ length: 400 }, (_, at) => `v${at}`);
    expect(() => registry.defineGauge({ name: 'many', help: 'h', labels: { a: many, b: many } })).toThrow('100000');
  });
});
