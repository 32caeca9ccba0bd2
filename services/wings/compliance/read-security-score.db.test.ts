import { expect, test } from 'vitest';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { readControls } from './list-controls.ts';
import { readSecurityScore } from './read-security-score.ts';

const ports = opened(openTestPorts);

const store = (control: string, status: string) =>
  ports.raw(
    `INSERT INTO compliance_controls (control, status, population, sampled, exception_count, observed, observed_sha256,
       probe_version, release, collector, started_at, ended_at)
     VALUES ($1, $2, 1, 1, 0, '{}', repeat('0', 64), 1, 'x', 'x', now(), now())`,
    [control, status],
  );

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
