import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DetectionHarness, openDetectionHarness } from '#services/domain/security/detection-harness.ts';
import { openCountryTable } from '#services/platform/geo/country-table.ts';
import { makeSet } from './make-set.ts';
import { replay, type Score } from './replay.ts';

const SET = { seed: 7, signIns: 2_000, to: Date.parse('2026-11-20T00:00:00Z') };

let harness: DetectionHarness;
beforeAll(async () => {
  harness = await openDetectionHarness();
});
afterAll(() => harness?.close());

test('the same seed makes the same set', () => {
  const countryOf = openCountryTable(undefined);
  const small = { ...SET, signIns: 200 };
  expect(makeSet(small, countryOf)).toEqual(makeSet(small, countryOf));
  expect(makeSet({ ...small, seed: 8 }, countryOf)).not.toEqual(makeSet(small, countryOf));
});

test('a month of labelled traffic: attacks are detected, and others raise few false alarms', async () => {
  const query = <R>(text: string, values?: readonly unknown[]): Promise<R[]> => harness.rows<R>(text, values);
  const settle = async (): Promise<void> => void (await harness.detect());
  const score: Score = await replay({ query, settle }, makeSet(SET, openCountryTable(undefined)));
  process.stderr.write(`${JSON.stringify(score, null, 1)}\n`);
  expect(score.sign_ins).toBe(SET.signIns);
});
