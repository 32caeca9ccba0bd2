import { jws, keyNamed } from '../signing.ts';
import { type Code, claims, headerOf, NOW, type Sequence, token } from './world.ts';

const next = keyNamed('rs-2');
/** Signed by no published key, under a kid that is in no set. */
const madeUp = (kid: string): string => jws(next, headerOf({ alg: next.alg, kid }), claims());

type Step = readonly [after: number, keys: string, token: string, code: Code];
const sequence = (name: string, steps: readonly Step[]): Sequence => ({
  name,
  steps: steps.map(([after, keys, text, code]) => ({ at: NOW + after, keys, token: text, code })),
});

/** The cool-down of unknown kids is 10 seconds. */
export const sequences: readonly Sequence[] = [
  sequence('a key that is published in the cool-down of an unknown kid is not known yet, and then known', [
    [1, 'before', token(), 'active'],
    [2, 'before', madeUp('made-up'), 'unknown_key'],
    [3, 'published', token({}, next), 'key_ring_behind'],
    [4, 'published', token(), 'active'],
    [13, 'published', token({}, next), 'active'],
  ]),
  sequence('a kid that a set lacks, asked for after it appeared, is unknown in the cool-down too', [
    [1, 'after', token(), 'unknown_key'],
    [2, 'after', token({ jti: '0190b1d4-0000-7000-8000-00000000000d' }), 'unknown_key'],
    [3, 'after', madeUp('made-up'), 'key_ring_behind'],
    [12, 'after', madeUp('made-up'), 'unknown_key'],
    [13, 'after', token(), 'unknown_key'],
  ]),
];
