import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { checkControls } from './check-controls.ts';
import { type ComplianceHarness, openComplianceHarness, systemCaller } from './compliance-harness.ts';
import { isMachine, type MachineControl, type Observation } from './control.ts';
import { controls } from './controls/all.ts';
import { changeViolation, listViolations } from './manage-violations.ts';

vi.setConfig({ testTimeout: 60_000 });

let harness: ComplianceHarness;
beforeAll(async () => {
  harness = await openComplianceHarness();
});
afterAll(() => harness?.end());
beforeEach(() => harness.pastTriggers('DELETE FROM compliance_violations', 'DELETE FROM compliance_controls'));

const { signal } = new AbortController();
const control = controls.find(({ name }) => name === 'key-custody') as MachineControl;
const broken = (...resources: readonly string[]): Observation => ({
  population: 3,
  exceptions: resources.map((resource) => ({ resource, why: 'broken' })),
  observed: {},
});
const PASSING = broken();
const seen = (check: MachineControl['check']) =>
  checkControls(
    harness.portsWith(),
    { pace: 'frequent', signal, controls: [{ ...control, check }], limitMs: 1_000 },
    systemCaller,
  );
const sees = (observation: Observation) => seen(async () => observation);
const violations = async () => (await listViolations(harness, { limit: 100 })).items;
const eventsOf = async (id: string) =>
  (
    await harness.raw<{ outcome: string }>(
      `SELECT outcome FROM audit_outbox WHERE type = 'compliance.violation_changed' AND detail ->> 'violation_id' = $1 ORDER BY id`,
      [id],
    )
  ).map(({ outcome }) => outcome);

test('a control that fails opens one violation with a due date; the check resolves it when it passes again', async () => {
  await sees(broken('a'));
  await sees(broken('a', 'b'));
  const [violation, ...more] = await violations();
  expect(more).toEqual([]);
  expect(violation).toMatchObject({ control_id: control.name, state: 'open', exception_count: 2, overdue: false });
  const days = (Date.parse(violation!.due_at) - Date.parse(violation!.opened_at)) / 86_400_000;
  expect(Math.round(days)).toBe(30);
  await sees(PASSING);
  expect(await violations()).toMatchObject([{ state: 'resolved', changed_by: 'system:test' }]);
  expect(await eventsOf(violation!.violation_id)).toEqual(['open', 'resolved']);
  await sees(broken('a'));
  expect((await violations()).map(({ state }) => state)).toEqual(['open', 'resolved']);
});

test('a check that could not run neither opens nor resolves a violation', async () => {
  const failing = () =>
    seen(async () => {
      throw new Error('no');
    });
  await failing();
  expect(await violations()).toEqual([]);
  await sees(broken('a'));
  await failing();
  expect(await violations()).toMatchObject([{ state: 'open' }]);
});

test('a person assigns a violation or accepts it, with a reason; a resolved one does not change', async () => {
  await sees(broken('a'));
  const [violation] = await violations();
  const violationId = violation!.violation_id;
  const change = (state: 'assigned' | 'accepted', given: object = {}) =>
    changeViolation(harness, { violationId, state, reason: 'why', ...given }, systemCaller);
  expect(await change('assigned', { owner: 'team-sre', dueAt: '2020-01-01T00:00:00Z' })).toMatchObject({
    state: 'assigned',
    owner: 'team-sre',
    overdue: true,
    reason: 'why',
  });
  expect(await change('accepted')).toMatchObject({ state: 'accepted', owner: 'team-sre', overdue: false });
  expect(await eventsOf(violationId)).toEqual(['open', 'assigned', 'accepted']);
  await sees(broken('a', 'b'));
  expect(await violations()).toMatchObject([{ state: 'accepted', exception_count: 2 }]);
  await sees(PASSING);
  await expect(change('accepted')).rejects.toMatchObject({ code: 'violation_resolved' });
  await expect(
    changeViolation(
      harness,
      { violationId: '00000000-0000-7000-8000-000000000000', state: 'accepted', reason: 'x' },
      systemCaller,
    ),
  ).rejects.toMatchObject({ code: 'violation_unknown' });
});

test('violations are listed by state and control, and page by page', async () => {
  for (let at = 0; at < 3; at += 1) {
    await sees(broken('a'));
    await sees(PASSING);
  }
  await sees(broken('a'));
  const listed = async (filter: object) =>
    (await listViolations(harness, { limit: 100, ...filter })).items.map(({ state }) => state);
  expect(await listed({ state: 'open' })).toEqual(['open']);
  expect(await listed({ isUnresolved: true })).toEqual(['open']);
  expect(await listed({ control: 'training' })).toEqual([]);
  const first = await listViolations(harness, { limit: 3 });
  const rest = await listViolations(harness, { limit: 3, cursor: first.next ?? '' });
  expect([first.items.length, rest.items.length, rest.next]).toEqual([3, 1, null]);
});

test('a violation is not deleted within six years', async () => {
  await sees(broken('a'));
  await expect(harness.raw('DELETE FROM compliance_violations')).rejects.toMatchObject({ code: '23001' });
});

test('every machine control says how soon its violation is due', () => {
  expect(new Set(controls.filter(isMachine).map(({ requirement }) => requirement))).toEqual(
    new Set(['required', 'addressable']),
  );
});
