// About: services/core/security/
import { expect, test } from 'vitest';
import type { Sql } from '#services/core/ports.ts';
import { openDetectionHarness } from '#services/core/security/detection-harness.ts';
// Declares every event: members of others are sealed as one hidden value.
import '#services/modules.ts';
import { findInHistory } from '#services/core/security/history/find-in-history.ts';
import type { Statement } from '#services/platform/define/statement.ts';
import { openCountryTable } from '#services/platform/geo/country-table.ts';
import { opened } from '#tools/testing/opened.ts';
import { makeSet } from './make-set.ts';
import { replay } from './replay.ts';

const SET = { seed: 7, signIns: 1_000, to: Date.parse('2026-11-20T00:00:00Z') };

const harness = opened(openDetectionHarness);

test('the same seed makes the same set', () => {
  const countryOf = openCountryTable(undefined);
  const small = { ...SET, signIns: 40 };
  expect(makeSet(small, countryOf)).toEqual(makeSet(small, countryOf));
  expect(makeSet({ ...small, seed: 8 }, countryOf)).not.toEqual(makeSet(small, countryOf));
});

test('a month of labelled traffic: most attacks are detected, and false alarms are rare', async () => {
  const query = <R>(text: string, values?: readonly unknown[]): Promise<R[]> => harness.rows<R>(text, values);
  const settle = async (): Promise<void> => void (await harness.detect());
  const score = await replay({ query, settle }, makeSet(SET, openCountryTable(undefined)));
  expect(score.sign_ins).toBe(SET.signIns);
  expect(score.false_alarm_percent, JSON.stringify(score.false_by_group)).toBeLessThanOrEqual(0.1);
  const undetected = score.detections.filter(({ attacks, recall }) => attacks > 0 && (recall ?? 0) < 0.2);
  expect(undetected, 'detections that miss most of their attacks').toEqual([]);
});

type PlanNode = {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly PlanNode[];
};
const scannedBy = (node: PlanNode): string[] => [
  ...(node['Node Type'] === 'Seq Scan' ? [node['Relation Name'] ?? ''] : []),
  ...(node.Plans ?? []).flatMap(scannedBy),
];

test('no comparison with earlier events scans the log', async () => {
  await harness.rows`ANALYZE audit_events, audit_personal, users, agents`;
  const scans: string[] = [];
  const compared = new Set<string>();
  const sql: Sql = {
    query: async <R>(statement: Statement, values: readonly unknown[] = []): Promise<R[]> => {
      const [row] = await harness.rows<{ 'QUERY PLAN': readonly { readonly Plan: PlanNode }[] }>(
        `EXPLAIN (FORMAT JSON) ${statement.text}`,
        values,
      );
      compared.add(statement.name);
      scans.push(...(row?.['QUERY PLAN'] ?? []).flatMap(({ Plan }) => scannedBy(Plan)));
      return harness.deps.sql.query<R>(statement, values);
    },
  };
  const [newest] = await harness.rows<{ seq: number }>`SELECT max(seq)::int AS seq FROM audit_events`;
  const upTo = newest?.seq ?? 0;
  const fail = (err: unknown): never => {
    throw err;
  };
  await findInHistory({ ...harness.deps, sql }, { after: upTo - 300, upTo }, fail);
  expect(compared.size).toBeGreaterThanOrEqual(5);
  expect(scans.filter((table) => table.startsWith('audit_'))).toEqual([]);
});
