/** Random choices that the seed decides alone, so that a set can be made again. Not for secrets. */
export type Dice = {
  /** From 0 to below 1. */
  next(): number;
  /** Whole, from `least` to `most`, both included. */
  whole(least: number, most: number): number;
  chance(share: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** Of items with weights. */
  weighted<T>(items: readonly (readonly [T, number])[]): T;
  /** Exponentially distributed around this mean. */
  after(mean: number): number;
  /** Version 4 UUID. */
  uuid(): string;
  /** An independent sequence, so that a change in one population moves no other. */
  fork(name: string): Dice;
};

export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  // mulberry32: 32 bits of state, passes gjrand; enough for traffic.
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (least: number, most: number): number => least + Math.floor(next() * (most - least + 1));
  return {
    next,
    whole,
    chance: (share) => next() < share,
    pick: (items) => items[whole(0, items.length - 1)] as (typeof items)[number],
    weighted: (items) => {
      let left = next() * items.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [item, weight] of items) {
        left -= weight;
        if (left < 0) return item;
      }
      return (items.at(-1) as (typeof items)[number])[0];
    },
    after: (mean) => -Math.log(1 - next()) * mean,
    uuid: () => {
      const hex = Array.from({ length: 32 }, () => whole(0, 15).toString(16));
      hex[12] = '4';
      hex[16] = '8';
      return hex.join('').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    },
    fork: (name) =>
      createDice([...name].reduce((hash, char) => Math.imul(hash ^ char.charCodeAt(0), 16_777_619), seed)),
  };
}
