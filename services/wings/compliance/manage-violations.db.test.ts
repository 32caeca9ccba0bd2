import { beforeEach, describe, expect, test } from 'vitest';
import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { known } from '#services/platform/define/audit-member.ts';
import { opened } from '#tools/testing/opened.ts';
import { checkControls } from './check-controls.ts';
import { openComplianceHarness, systemCaller } from './compliance-harness.ts';
import { isMachine, type MachineControl, type Observation } from './control.ts';
import { controls } from './controls/all.ts';
import { acceptViolation, acknowledgeViolation, assignViolation, listViolations } from './manage-violations.ts';

// A declaration that lets texts in a leaf, as leaves of earlier versions may have them.
const TEXTS = ['nothing', 'clean', 'ada@people.test', '192.0.2.77 called', 'http://10.1.2.3:3000'];
const ADDRESSES = ['for http://10.9.9.9:8000/notes', '10.1.2.3:3000/audit', '10.1.2.34', '10.1.2.3:30001'];
const OTHERS = ['ada@10.1.2.3:3000 and ada@people.test', 'http://10.1.2.4:3000'];
defineAuditEvent({
  type: 'test.noted',
  detail: { note: known(...TEXTS, ...ADDRESSES, ...OTHERS) },
  meaning: 'A test.',
});

const harness = opened(openComplianceHarness);
beforeEach(() =>
  harness.pastTriggers(
    'DELETE FROM compliance_violations',
    'DELETE FROM compliance_controls',
    'UPDATE compliance_findings SET acknowledged_at = now()',
  ),
);

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
const violations = async () => (await listViolations(harness, { limit: 100 })).violations;
const eventsOf = async (id: string) =>
  (
    await harness.raw<{ outcome: string }>`SELECT outcome FROM audit_outbox
      WHERE type = 'compliance.violation_changed' AND detail ->> 'violation_id' = ${id} ORDER BY id`
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
  const chosen = { violation_id: violation!.violation_id, reason: 'why' };
  const assignment = { ...chosen, owner: 'team-sre', due_at: '2020-01-01T00:00:00Z' };
  const accept = () => acceptViolation(harness, chosen, systemCaller);
  expect(await assignViolation(harness, assignment, systemCaller)).toMatchObject({
    state: 'assigned',
    owner: 'team-sre',
    overdue: true,
    reason: 'why',
  });
  expect(await accept()).toMatchObject({ state: 'accepted', owner: 'team-sre', overdue: false });
  expect(await eventsOf(chosen.violation_id)).toEqual(['open', 'assigned', 'accepted']);
  await sees(broken('a', 'b'));
  expect(await violations()).toMatchObject([{ state: 'accepted', exception_count: 2 }]);
  await sees(PASSING);
  await expect(accept()).rejects.toMatchObject({ code: 'violation_resolved' });
  await expect(
    acceptViolation(harness, { violation_id: '00000000-0000-7000-8000-000000000000', reason: 'x' }, systemCaller),
  ).rejects.toMatchObject({ code: 'violation_unknown' });
});

test('violations are listed by state and control, and page by page', async () => {
  for (let at = 0; at < 3; at += 1) {
    await sees(broken('a'));
    await sees(PASSING);
  }
  await sees(broken('a'));
  const listed = async (filter: object) =>
    (await listViolations(harness, { limit: 100, ...filter })).violations.map(({ state }) => state);
  expect([await listed({ state: 'open' }), await listed({ isUnresolved: true })]).toEqual([['open'], ['open']]);
  expect(await listed({ control: 'training' })).toEqual([]);
  const first = await listViolations(harness, { limit: 3 });
  const rest = await listViolations(harness, { limit: 3, cursor: first.next ?? '' });
  expect([first.violations.length, rest.violations.length, rest.next]).toEqual([3, 1, null]);
});

test('a violation is not deleted within six years', async () => {
  await sees(broken('a'));
  await expect(harness.raw`DELETE FROM compliance_violations`).rejects.toMatchObject({ code: '23001' });
});

test('every machine control says how soon its violation is due', () =>
  expect(new Set(controls.filter(isMachine).map(({ requirement }) => requirement))).toEqual(
    new Set(['required', 'addressable']),
  ));

describe('a control that reads the sealed log', () => {
  const searched = controls.find(({ name }) => name === 'events-without-personal-data') as MachineControl;
  const check = (installation: object = {}, ports: object = {}) =>
    checkControls(
      harness.portsWith({ installation: { ownAddresses: ['http://10.1.2.3:3000'], ...installation }, ...ports }),
      { pace: 'frequent', signal, controls: [searched], limitMs: 10_000 },
      systemCaller,
    );
  const note = async (text: string): Promise<number> => {
    await harness.raw`INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, detail)
      VALUES ('test.noted', 'ok', 'system', 'test', ${JSON.stringify({ note: text })})`;
    await harness.seal();
    const [row] = await harness.raw<{ seq: number }>`SELECT max(seq)::int AS seq FROM audit_events`;
    return row!.seq;
  };
  const acknowledge = (violationId: string, throughSeq: number) =>
    acknowledgeViolation(harness, { violation_id: violationId, through_seq: throughSeq, reason: 'seen' }, systemCaller);

  test('addresses of the installation and of its applications are no personal data, those beside them are', async () => {
    await harness.raw`INSERT INTO applications (name, audience) VALUES ('notes', 'http://10.9.9.9:8000/notes')`;
    for (const text of ['http://10.1.2.3:3000', 'for http://10.9.9.9:8000/notes', '10.1.2.3:3000/audit'])
      await note(text);
    await check();
    expect(await violations()).toEqual([]);
    for (const text of ['10.1.2.34', '10.1.2.3:30001', 'ada@10.1.2.3:3000 and ada@people.test', 'http://10.1.2.4:3000'])
      await note(text);
    await check();
    expect(await violations()).toMatchObject([{ exception_count: 4, events: { unacknowledged: 4 } }]);
  });

  test('an address is found in each id that a leaf shows, as leaves of earlier versions may have it', async () => {
    await check();
    for (const column of ['actor_id', 'client_id', 'target_id'])
      await harness.pastTriggers(
        `UPDATE audit_events SET ${column} = 'ada@people.test' WHERE seq = ${await note('nothing')}`,
      );
    await check();
    expect(await violations()).toMatchObject([{ exception_count: 3, events: { unacknowledged: 3 } }]);
  });

  test('a violation names its events, outlives thousands of later ones, and is resolved once they are acknowledged', async () => {
    const first = await note('ada@people.test');
    await check();
    const second = await note('192.0.2.77 called');
    for (let at = 0; at < 5; at += 1) await note('nothing');
    await check();
    await check();
    const [violation] = await violations();
    const id = violation!.violation_id;
    expect(violation).toMatchObject({
      state: 'open',
      exception_count: 2,
      events: {
        unacknowledged: 2,
        last_seq: second,
        first: [
          { seq: first, type: 'test.noted' },
          { seq: second, type: 'test.noted' },
        ],
      },
    });
    expect(JSON.stringify(violation)).not.toMatch(/people[.]test|192[.]0/);
    expect(await acknowledge(id, first)).toMatchObject({ events: { unacknowledged: 1 } });
    await check();
    expect(await violations()).toMatchObject([{ state: 'open', exception_count: 1 }]);
    expect(await acknowledge(id, second)).toMatchObject({ events: null });
    expect(await acknowledge(id, second)).toMatchObject({ events: null });
    await check();
    expect(await violations()).toMatchObject([{ state: 'resolved' }]);
    expect(await eventsOf(id)).toEqual(['open', 'acknowledged', 'acknowledged', 'resolved']);
    await expect(acknowledge(id, second)).rejects.toMatchObject({ code: 'violation_resolved' });
  });

  test('a newer probe reads the log from its beginning, and finds nothing twice', async () => {
    const seq = await note('ada@people.test');
    await check();
    await acknowledge((await violations())[0]!.violation_id, seq);
    await harness.raw`UPDATE compliance_log_reads SET probe_version = 1`;
    await check();
    expect(await violations()).toMatchObject([{ state: 'resolved' }]);
  });

  test('two workers that read the same events name them once', async () => {
    await note('ada@people.test');
    await Promise.all([check(), check()]);
    await check();
    expect(await violations()).toMatchObject([{ events: { unacknowledged: 1 } }]);
  });

  test('what another worker stores while this one reads stays found', async () => {
    await note('ada@people.test');
    let isFirst = true;
    const sql = {
      query: async (statement: Parameters<typeof harness.sql.query>[0], values?: readonly unknown[]) => {
        const rows = await harness.sql.query(statement, values);
        if (statement.name === 'complianceFindingsRead' && isFirst) {
          isFirst = false;
          await check();
        }
        return rows;
      },
    };
    await check({}, { sql: sql as typeof harness.sql });
    expect(isFirst).toBe(false);
    expect(await violations()).toMatchObject([{ state: 'open', events: { unacknowledged: 1 } }]);
  });

  test('it reads on from where it stopped: an event that was read is not read again', async () => {
    const seq = await note('clean');
    await check();
    await harness.pastTriggers(`UPDATE audit_events SET detail = '{"note":"ada@people.test"}' WHERE seq = ${seq}`);
    await check();
    expect(await violations()).toEqual([]);
    await note('ada@people.test');
    await check();
    expect(await violations()).toMatchObject([{ exception_count: 1 }]);
  });
});
