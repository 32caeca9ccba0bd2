import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { quietLog } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { checkControls } from './check-controls.ts';
import { openComplianceHarness, systemCaller } from './compliance-harness.ts';
import { isMachine, type MachineControl, type Observation } from './control.ts';
import { controls } from './controls/all.ts';
import { readControls } from './list-controls.ts';
import { createProbeMemory } from './probes/probe-memory.ts';
import { readSecurityScore } from './read-security-score.ts';
import type { CheckResult } from './run-check.ts';

const harness = opened(openComplianceHarness);

const { signal } = new AbortController();
const passing: Observation = { population: 1, exceptions: [], observed: { seen: 1 } };
const failing: Observation = { population: 1, exceptions: [{ resource: 'r', why: 'broken' }], observed: { seen: 2 } };
const [first, second] = controls.filter(isMachine) as [MachineControl, MachineControl];
const controlThat = (check: MachineControl['check'], of = first): MachineControl => ({
  ...of,
  pace: 'frequent',
  check,
});
const checkWith = (...given: readonly MachineControl[]) =>
  checkControls(harness.portsWith(), { pace: 'frequent', signal, controls: given, limitMs: 200 }, systemCaller);
const eventsOf = async (control: string) =>
  (
    await harness.raw<{ outcome: string; before: string | null }>`
      SELECT outcome, detail ->> 'before' AS before FROM audit_outbox
      WHERE type = 'compliance.control_changed' AND target_id = ${control} ORDER BY id`
  ).map(({ outcome, before }) => [before, outcome]);
const viewOf = async (name: string) => (await readControls(harness)).find(({ control_id }) => control_id === name);

test('a control that was never checked is unknown, and so is one that only a person can confirm', async () => {
  const views = await readControls(harness);
  expect(views.length).toBe(controls.length);
  expect(new Set(views.map(({ status }) => status))).toEqual(new Set(['unknown']));
});

test('a change of status is recorded once, in the transaction that stores it', async () => {
  for (const seen of [passing, passing, failing, failing, passing]) await checkWith(controlThat(async () => seen));
  expect(await eventsOf(first.name)).toEqual([
    [null, 'pass'],
    ['pass', 'fail'],
    ['fail', 'pass'],
  ]);
});

test('controls that are red at their first check are one warning, in development a message, and each that turns red later is a warning', async () => {
  const warnings: unknown[] = [];
  const messages: unknown[] = [];
  const log = {
    ...quietLog,
    warn: (fields: object, message: string) => void warnings.push([fields, message]),
    info: (fields: object, message: string) => void messages.push([fields, message]),
  };
  let env = { SALLYPORT_PROFILE: 'staging', KEY_ENCRYPTION_KEY: 'y'.repeat(43) };
  const names = ['red-at-first', 'red-too', 'green-at-first'];
  const see = (...seen: readonly Observation[]) => {
    const given = seen.map((each, index) =>
      controlThat(async () => each, { ...first, name: names[index] as MachineControl['name'] }),
    );
    const ports = { ...harness.portsWith({ env }), log };
    return checkControls(ports, { pace: 'frequent', signal, controls: given, limitMs: 200 }, systemCaller);
  };
  const redAtFirst = [
    { controls: ['red-at-first', 'red-too'] },
    expect.stringContaining('GET /v1/compliance/controls'),
  ];
  await see(failing, failing, passing);
  expect(warnings.splice(0)).toEqual([redAtFirst]);
  await see(failing, failing, passing);
  expect(warnings).toEqual([]);
  await see(passing, failing, failing);
  await see(failing);
  const turned = (control: string) => [{ control, status: 'fail', exceptions: 1 }, 'a compliance control turned red'];
  expect([warnings.splice(0), messages]).toEqual([[turned('green-at-first'), turned('red-at-first')], []]);
  await harness.pastTriggers('DELETE FROM compliance_violations', 'DELETE FROM compliance_controls');
  env = { ...env, SALLYPORT_PROFILE: 'development' };
  await see(failing, failing, passing);
  expect([warnings, messages]).toEqual([[], [redAtFirst]]);
});

test('two workers that see one change at once record it once', async () => {
  await checkWith(controlThat(async () => passing, second));
  await Promise.all(Array.from({ length: 4 }, () => checkWith(controlThat(async () => failing, second))));
  expect(await eventsOf(second.name)).toEqual([
    [null, 'pass'],
    ['pass', 'fail'],
  ]);
});

test('a check that throws or hangs is stored as unknown, and does not stop the others', async () => {
  const checked = await checkWith(
    controlThat(async () => {
      throw new Error('no');
    }),
    controlThat(() => new Promise(() => {}), second),
    controlThat(async () => passing, { ...first, name: 'key-custody' }),
  );
  expect(checked.map(({ result }) => result.status)).toEqual(['unknown', 'unknown', 'pass']);
  expect(await viewOf(first.name)).toMatchObject({ status: 'unknown', reason: 'the check did not run: Error' });
});

test('a result that is too old is shown as unknown', async () => {
  await checkWith(controlThat(async () => passing));
  expect(await viewOf(first.name)).toMatchObject({ status: 'pass', check: { observed: { seen: 1 }, population: 1 } });
  await harness.raw`UPDATE compliance_controls SET ended_at = now() - interval '1 day'`;
  expect(await viewOf(first.name)).toMatchObject({ status: 'unknown', reason: expect.stringContaining('last check') });
});

test('the database refuses a pass without a population', () =>
  expect(
    harness.raw`UPDATE compliance_controls SET status = 'pass', population = 0, sampled = 0, exception_count = 0`,
  ).rejects.toMatchObject({ code: '23514' }));

test('every check of the product runs on a new installation, and none stays without a result', async () => {
  await harness.emit(1);
  await harness.seal();
  const ports = harness.portsWith();
  const results = [
    ...(await checkControls(ports, { pace: 'frequent', signal }, systemCaller)),
    ...(await checkControls(ports, { pace: 'thorough', signal }, systemCaller)),
  ];
  expect(results.length).toBe(controls.filter(isMachine).length);
  const without = results.filter(({ result }) => result.status === 'unknown' || result.status === 'error');
  expect(without.map(({ control, result }) => [control.name, result.reason])).toEqual([]);
});

test('a probe that passed runs again after an event, a change of the schema, a right or the settings, and an hour; other checks always run', async () => {
  let movedMs = 0;
  const clock = { now: Date.now, monotonic: () => performance.now() + movedMs };
  let seen = passing;
  const runs = { probe: 0, other: 0 };
  const counting = (name: 'probe' | 'other') => async () => {
    runs[name] += 1;
    return seen;
  };
  const given: readonly MachineControl[] = [
    { ...controlThat(counting('probe')), isProbe: true },
    controlThat(counting('other'), second),
  ];
  const memory = createProbeMemory();
  let ports = { ...harness.portsWith(), clock };
  const runsOfProbe = async (times = 1): Promise<number> => {
    const before = { ...runs };
    for (let time = 0; time < times; time += 1)
      await checkControls(ports, { pace: 'frequent', signal, memory, controls: given, limitMs: 5_000 }, systemCaller);
    expect(runs.other - before.other).toBe(times);
    return runs.probe - before.probe;
  };
  expect(await runsOfProbe(3)).toBe(1);
  const changes: readonly (readonly [string, () => unknown])[] = [
    ['an event', () => harness.emit(1).then(harness.seal)],
    ['a new function', () => harness.raw`CREATE FUNCTION test_ground() RETURNS int LANGUAGE sql AS 'SELECT 1'`],
    [
      'another function',
      () => harness.raw`CREATE OR REPLACE FUNCTION test_ground() RETURNS int LANGUAGE sql AS 'SELECT 2'`,
    ],
    ['a function less', () => harness.raw`DROP FUNCTION test_ground()`],
    ['a trigger that is off', () => harness.raw`ALTER TABLE users DISABLE TRIGGER users_changed`],
    ['a trigger that is on', () => harness.raw`ALTER TABLE users ENABLE TRIGGER users_changed`],
    ['a right', () => harness.raw`GRANT TRUNCATE ON login_failures TO sallyport_worker`],
    ['no right', () => harness.raw`REVOKE TRUNCATE ON login_failures FROM sallyport_worker`],
    ['a policy', () => harness.raw`CREATE POLICY test_ground ON login_failures USING (true)`],
    ['no policy', () => harness.raw`DROP POLICY test_ground ON login_failures`],
    ['settings', () => (ports = { ...harness.portsWith(), clock })],
    ['an hour', () => (movedMs = 3_600_001)],
  ];
  for (const [what, change] of changes) {
    await change();
    expect([what, await runsOfProbe(2)]).toEqual([what, 1]);
  }
  seen = failing;
  movedMs *= 2;
  expect(await runsOfProbe(3)).toBe(3);
  seen = passing;
  expect(await runsOfProbe(2)).toBe(1);
});

test('a pass that stands has the facts of its run and the times of now, and is lost with the database', async () => {
  const memory = createProbeMemory();
  const ports = harness.portsWith();
  const control = { ...controlThat(async () => passing), isProbe: true } as const;
  const check = async (changed = ports) => {
    const input = { pace: 'frequent', signal, memory, controls: [control], limitMs: 5_000 } as const;
    return (await checkControls(changed, input, systemCaller))[0]?.result as CheckResult;
  };
  const ran = await check();
  await sleep(2);
  const stands = await check();
  expect({ ...stands, startedAtMs: 0, endedAtMs: 0 }).toEqual({ ...ran, startedAtMs: 0, endedAtMs: 0 });
  expect(stands.startedAtMs).toBeGreaterThan(ran.endedAtMs);
  expect(await viewOf(first.name)).toMatchObject({
    check: { ended_at: new Date(stands.endedAtMs).toISOString(), observed: { seen: 1 } },
  });
  const sql = { query: () => Promise.reject(new Error('away')) };
  const { standing } = await memory.begin({ ...ports, sql });
  expect(standing(control)).toBe(undefined);
});

test('an aborted run stops between two checks and stores nothing of the one that was cut', async () => {
  const stop = new AbortController();
  const cut = controlThat(async () => {
    stop.abort();
    throw new Error('cut');
  });
  const checked = await checkControls(
    harness.portsWith(),
    { pace: 'frequent', signal: stop.signal, controls: [cut, controlThat(async () => passing, second)], limitMs: 200 },
    systemCaller,
  );
  expect(checked).toEqual([]);
});

test('quick checks write what changed in one transaction, and every control is as recent as the last run', async () => {
  const [one, other] = [controlThat(async () => passing), controlThat(async () => passing, second)];
  const quick = controls.filter((control) => isMachine(control) && control.pace === 'frequent');
  const [named, beside] = quick.map(({ name }) => name) as [MachineControl['name'], MachineControl['name']];
  const both = (seen: Observation) =>
    checkWith({ ...one, name: named }, { ...other, name: beside, check: async () => seen });
  await both(passing);
  await harness.raw`UPDATE compliance_controls SET ended_at = ended_at - interval '200 seconds'`;
  const writes = async () =>
    (await harness.raw<{ xmin: string }>`SELECT control, xmin::text FROM compliance_controls ORDER BY control`).map(
      ({ xmin }) => xmin,
    );
  const before = await writes();
  await both(passing);
  const after = await writes();
  expect(after.filter((xmin, at) => xmin !== before[at])).toHaveLength(1);
  const [seen, kept] = [await viewOf(named), await viewOf(beside)];
  expect(kept?.check?.ended_at).toBe(seen?.check?.ended_at);
  await both(failing);
  expect(new Set((await writes()).filter((xmin, at) => xmin !== after[at])).size).toBe(1);
  expect(await viewOf(beside)).toMatchObject({ status: 'fail', check: { observed: { seen: 2 } } });
});

const ports = opened(openTestPorts);

const store = (control: string, status: string) =>
  ports.raw`
    INSERT INTO compliance_controls (control, status, population, sampled, exception_count, observed, observed_sha256,
      probe_version, release, collector, started_at, ended_at)
    VALUES (${control}, ${status}, 1, 1, 0, '{}', repeat('0', 64), 1, 'x', 'x', now(), now())`;

test('the score is unknown before a check, then the share of the controls that pass, without those that do not apply', async () => {
  expect(await readSecurityScore(ports)).toBeNull();
  const machine = (await readControls(ports)).filter(({ kind }) => kind === 'machine').map(({ control_id: id }) => id);
  const [passing, failing, exempt, ...rest] = machine as [string, string, string, ...string[]];
  await store(passing, 'pass');
  await store(failing, 'fail');
  await store(exempt, 'not_applicable');
  // Controls without a check do not pass.
  expect(await readSecurityScore(ports)).toBe(Math.floor(100 / (machine.length - 1)));
  for (const control of rest) await store(control, 'pass');
  const applying = machine.length - 1;
  expect(await readSecurityScore(ports)).toBe(Math.floor((100 * (applying - 1)) / applying));
});
