import { expect, test } from 'vitest';
import { isFailed } from './gates.ts';
import { withinBounds } from './gates-signals.ts';
import type { BoundedSignal } from './surface-facts.ts';

const met: readonly BoundedSignal[] = [
  { beyond: 'age', status: 400 },
  { beyond: 'size', status: 413 },
  { beyond: 'number', status: 429 },
  { beyond: 'number', status: 202 },
];
const gate = (boundedSignals: readonly BoundedSignal[], most = 600) =>
  withinBounds({ boundedSignals: [...boundedSignals] }, [{ issuer: 'https://flood.test', most }], 600);

test('signals that are refused for their age and size, and the last of a minute, are no finding', () => {
  expect(gate(met)).toMatchObject({ checked: 4, findings: [] });
});

test('a signal that is accepted though it is too old or too large is a finding', () => {
  for (const beyond of ['age', 'size'] as const)
    expect(gate([...met, { beyond, status: 202 }]).findings).toEqual([
      { text: `a signal beyond the bound of ${beyond} was answered 202` },
    ]);
});

test('one signal more in a minute than a transmitter may send is a finding', () => {
  expect(gate(met, 601).findings).toEqual([{ text: '601 signals of https://flood.test took effect within a minute' }]);
});

test.each(['age', 'size', 'number'])('a run that never met the bound of %s shows nothing, and fails', (kind) => {
  const facts = met.filter(({ beyond, status }) => beyond !== kind || status === 202);
  expect(isFailed(gate(facts))).toBe(true);
  expect(gate(facts)).toMatchObject({ checked: 0, findings: [] });
});
