import { expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { defineAuditEvent } from '../services/platform/define/audit-event.ts';
import { known } from '../services/platform/define/audit-member.ts';
import { checkControls } from '../services/wings/compliance/check-controls.ts';
import { openComplianceHarness, systemCaller } from '../services/wings/compliance/compliance-harness.ts';
import { controls } from '../services/wings/compliance/controls/all.ts';
import { runCli } from '../tools/testing/processes/run-cli.ts';

// A declaration that lets an address in a leaf, as leaves of earlier versions may have it.
defineAuditEvent({ type: 'test.noted', detail: { note: known('ada@people.test') }, meaning: 'A test.' });

const harness = opened(openComplianceHarness);

const sallyport = (...args: readonly string[]) =>
  runCli(['violations', ...args], {
    DATABASE_URL: harness.databaseUrl,
    SALLYPORT_DATA_DIR: harness.dataDir,
    KEY_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
  });

async function check(): Promise<void> {
  const named = controls.filter((control) => control.name === 'events-without-personal-data');
  const { signal } = new AbortController();
  const given = named.filter((control) => control.kind === 'machine');
  await checkControls(harness.portsWith(), { pace: 'frequent', signal, controls: given }, systemCaller);
}

test('sallyport violations lists the events of a violation, and acknowledges them for a reason', async () => {
  await harness.raw`INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, detail)
    VALUES ('test.noted', 'ok', 'system', 'test', '{"note":"ada@people.test"}')`;
  await harness.seal();
  await check();
  const listed = await sallyport('list', '--state', 'open');
  expect(listed.code, listed.err).toBe(0);
  expect(listed.out).toMatch(/events-without-personal-data {2}1 unacknowledged up to (\d+): \1 test[.]noted/);
  expect(listed.out).not.toContain('people.test');
  const [violation] = JSON.parse((await sallyport('list', '--json')).out).violations;
  const acknowledge = [
    'acknowledge',
    violation.violation_id,
    '--through',
    String(violation.events.last_seq),
    '--reason',
    'seen',
    '--json',
  ];
  expect(JSON.parse((await sallyport(...acknowledge, '--dry-run')).out)).toMatchObject({ dry_run: true });
  expect(JSON.parse((await sallyport(...acknowledge, '--yes')).out)).toMatchObject({ state: 'open', events: null });
  await check();
  expect((await sallyport('list', '--state', 'resolved')).out).toContain(violation.violation_id);
  expect((await sallyport(...acknowledge, '--yes')).code).toBe(5);
});
