import { expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { killedEverywhere } from '#tools/testing/processes/killable.ts';
import { works } from '#tools/testing/processes/works.ts';
import { createSealedEvents } from './monitoring-harness.ts';
import { requestSecurityReport } from './reports/request-security-report.ts';

const ports = opened(openTestPorts);

/** How the figures differ from the sealed events and reports; empty if nothing is lost or counted twice. */
async function differences(): Promise<string[]> {
  const rows = await ports.raw`
    SELECT 'events' AS what FROM
      (SELECT count(*) AS n FROM audit_events WHERE type = 'user.login' AND seq > 0) sealed,
      (SELECT coalesce(sum(events), 0) AS n FROM event_hours WHERE type = 'user.login') counted
        WHERE sealed.n <> counted.n
    UNION ALL SELECT 'reports' FROM
      (SELECT count(*) AS n FROM security_reports) asked,
      (SELECT count(*) AS n FROM audit_outbox WHERE type = 'monitoring.report_made' AND outcome = 'ok') made,
      (SELECT count(*) AS n FROM security_reports WHERE status = 'done' AND sha256 IS NOT NULL) done
      WHERE asked.n <> made.n OR asked.n <> done.n`;
  return rows.map(({ what }) => String(what));
}

test('counting and reporting, killed at every statement: nothing is lost, and nothing counted twice', async () => {
  const sealed = createSealedEvents(ports);
  const again = await works.monitor();
  const continued = () => again(ports);
  await sealed('user.login', 'ok');
  await continued();
  let kills = 0;
  for await (const { killPoint, run } of killedEverywhere({ url: ports.databaseUrl, work: 'monitor' })) {
    await sealed('user.login', 'ok', 3);
    await requestSecurityReport(ports, {}, testCaller);
    if ((await run()) === null) kills += 1;
    await continued();
    expect(await differences(), JSON.stringify(killPoint)).toEqual([]);
  }
  expect(kills).toBeGreaterThan(10);
  // The gate sees a defect: an event counted twice, a report made twice.
  await ports.raw`UPDATE event_hours SET events = events + 1 WHERE type = 'user.login'`;
  await ports.raw`UPDATE security_reports SET sha256 = NULL WHERE id = (SELECT id FROM security_reports LIMIT 1)`;
  expect(await differences()).toEqual(['events', 'reports']);
});
