// About: console/src/
import { readFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { deleteUser } from '#services/core/identity/admin/disable-user.ts';
import { createLogSigner, readLogKeys } from '#services/core/keys/log/log-keys.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { createFileLogMark } from '#services/platform/marks/file-log-mark.ts';
import { advanceReports } from '#services/wings/compliance/reports/advance-reports.ts';
import { readReportBundle } from '#services/wings/compliance/reports/read-report.ts';
import { threeControls } from '#services/wings/compliance/reports/report-harness.ts';
import { requestReport } from '#services/wings/compliance/reports/request-report.ts';
import { requestSignOff } from '#services/wings/signoff/request-signoff.ts';
import { installationOf } from '#services/worker/installation.ts';
import { renderReportPdf } from '#services/worker/report-pdf.ts';
import { newSignedIn, openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { expectReadable } from '#tools/testing/harness/browser.ts';
import { agentCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import {
  expectReadableInEachLanguage,
  HOSTILE,
  openConsoleHarness,
  openPage,
  speak,
} from './console-browser-harness.ts';
import { newPagesAgent, textOf } from './pages-harness.ts';

const systemCaller = testCaller as typeof testCaller & { readonly kind: 'system' };
/** Two letters with a character between them that reorders what follows. */
const REORDERED = 'Deploy a\u202eb';

let signOffId: string;
let reportId: string;
const harness = opened(openConsoleHarness);
const agent = opened(() => newPagesAgent(harness));
beforeAll(async () => {
  const asking = agentCaller(agent.id, agent.ownerId, ['signoffs:request']);
  ({ signoff_id: signOffId } = await requestSignOff(
    harness.api.ports,
    {
      act: 'release.deploy',
      title: REORDERED,
      arguments: { version: '1.4', note: 'a long line '.repeat(40) },
      required_roles: ['qa', 'architect'],
      quorum: 2,
      conditions: { no_open_incident: true, min_security_score: 90 },
    },
    asking,
  ));
});
const hostile = opened(newHostile);
beforeAll(async () => {
  reportId = await newReport();
});
const administrator = opened(() => harness.atConsole('admin'));

/** An agent and a sign-off with hostile texts. */
async function newHostile() {
  const { id, ownerId } = await newPagesAgent(harness, HOSTILE);
  const { signoff_id } = await requestSignOff(
    harness.api.ports,
    {
      act: 'release.deploy',
      title: HOSTILE,
      arguments: { [HOSTILE.slice(0, 60)]: HOSTILE },
      required_roles: ['qa'],
      quorum: 1,
    },
    agentCaller(id, ownerId, ['signoffs:request']),
  );
  return { agentId: id, signOffId: signoff_id };
}

/** A report of three controls, built and sealed as by a worker. */
async function newReport(): Promise<string> {
  const { api, harness: stores, logDir } = harness;
  const ports = {
    ...api.ports,
    sql: stores.owner.sql,
    transact: stores.owner.transact,
    logMark: createFileLogMark(logDir),
    logSigner: createLogSigner(api.ports),
    renderReport: (signed: Parameters<typeof renderReportPdf>[0]) => renderReportPdf(signed, 'Praxis am Markt'),
    marks: { read: async () => null, raise: async <T>(raised: T) => raised },
    auditLogKeys: (origin: string) => readLogKeys(stores.owner, origin),
    config: loadConfig({ BETTER_AUTH_SECRET: 'x'.repeat(43) }),
    installation: installationOf({
      databaseUrl: 'postgresql://localhost/test',
      redisUrl: 'redis://localhost',
      backupFolder: undefined,
      ownAddresses: [],
      purges: [],
    }),
  };
  const advance = () =>
    advanceReports(ports, { signal: new AbortController().signal, controls: threeControls }, systemCaller);
  const { report_id: id } = await requestReport(ports, {}, testCaller);
  await advance();
  await harness.seal();
  await advance();
  return id;
}

/** As a sign-off shows it: what is invisible or reorders text is an escape. */
const SHOWN = HOSTILE.replace('\u202e', '\\u202e').replace('\u200b', '\\u200b');
const PAGES: readonly [name: string, path: () => string, en: string, de: string][] = [
  ['the list of agents', () => '/console/agents', 'Agents', 'Agenten'],
  ['an agent', () => `/console/agents/${agent.id}`, 'Deployer', 'Deployer'],
  ['the list of sign-offs', () => '/console/signoffs', 'Sign-offs', 'Freigaben'],
  ['a sign-off', () => `/console/signoffs/${signOffId}`, 'Deploy a\\u202eb', 'Deploy a\\u202eb'],
  ['an agent of a hostile name', () => `/console/agents/${hostile.agentId}`, HOSTILE, HOSTILE],
  ['a hostile sign-off', () => `/console/signoffs/${hostile.signOffId}`, SHOWN, SHOWN],
  ['a report', () => `/console/compliance/reports/${reportId}`, 'Report on demand', 'Bericht auf Anforderung'],
  ['the page that verifies a file', () => '/console/compliance/verify', 'Verify a bundle', 'Ein Paket prüfen'],
];

test.each(PAGES)('%s is readable in English and German, in light and dark, wide and narrow', (_, path, en, de) =>
  expectReadableInEachLanguage(administrator, path(), { en, de }),
);

test('a compliance officer verifies a report in the browser, part by part, and downloads it as PDF', async () => {
  const { page, serious } = administrator;
  await page.setViewportSize({ width: 1_280, height: 800 });
  await openPage(page, '/console/compliance', 'Compliance');
  await page.getByRole('link', { name: 'Compliance reports' }).click();
  await page.getByRole('link', { name: 'Report on demand' }).click();
  const failed = await textOf(page.getByRole('list', { name: 'What failed' }));
  expect(failed).toMatch(/^The newest backup is .+What to do: Keep a copy elsewhere, and rehearse restoring it\.$/s);
  await page.getByText('Not known: ').waitFor();
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await page.getByText('The bundle is valid').waitFor();
  const results = await page.getByRole('list', { name: 'The bundle' }).locator('.badge').allInnerTexts();
  expect(results).toEqual(Array(7).fill('valid'));
  const controls = page.getByRole('list', { name: 'Each control' }).getByRole('listitem');
  expect(await controls.count()).toBe(threeControls.length);
  for (const control of await controls.all())
    expect(await textOf(control)).toMatch(/✓[^✗]*✓[^✗]*✓[^✗]*✓[^✗]*[^n]valid$/);
  await expectReadable(page);
  await page.getByRole('button', { name: 'Verify again' }).click();
  await page.getByText('Checked with keys that this browser trusted before.').waitFor();

  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: /^PDF:/ }).click(),
  ]);
  expect(file.suggestedFilename()).toMatch(/^compliance-.*\.pdf$/);
  expect((await readFile(await file.path())).subarray(0, 5).toString()).toBe('%PDF-');
  expect(serious()).toEqual([]);
});

test('a file that was dropped is verified too, and a changed one says which control was changed', async () => {
  const { page, serious } = administrator;
  const text = await readReportBundle(harness.harness.owner, reportId);
  await openPage(page, '/console/compliance/verify', 'Verify a bundle');
  const choose = (name: string, content: string) =>
    page
      .getByLabel('Bundle of a report')
      .last()
      .setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(content) });
  await choose('good.json', text);
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await page.getByText('The bundle is valid').waitFor();

  const changed = text.replace('"status":"unknown"', '"status":"pass"');
  expect(changed).not.toBe(text);
  await choose('changed.json', changed);
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await page.getByText('The bundle is not valid').waitFor();
  await expectReadable(page);
  const row = page.getByRole('list', { name: 'Each control' }).getByRole('listitem').filter({ hasText: '✗' });
  expect(await row.count()).toBe(1);
  expect(await textOf(row)).toContain('✗ control: The control does not have the stated digest.');
  await page.getByText('The signed digest is of other content').waitFor();

  // By drag and drop, and of another installation.
  await page.evaluate(`(() => {
    const data = new DataTransfer();
    data.items.add(new File([${JSON.stringify(text.replaceAll('sallyport.test/audit', 'another.test/audit'))}], 'other.json'));
    document.querySelector('.drop').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  })()`);
  await page.getByText('other.json').waitFor();
  await page.getByRole('button', { name: 'Verify', exact: true }).click();
  await page.getByText('The bundle is not valid').waitFor();
  expect(serious()).toEqual([]);
});

test('an administrator kills an agent after seeing what it affects, and sees who ended it', async () => {
  const { page, serious } = administrator;
  const { id, ownerId } = await newPagesAgent(harness);
  await openPage(page, `/console/agents?owner=${ownerId}`, 'Agents');
  expect(await page.getByLabel('Id of the owner').inputValue()).toBe(ownerId);
  await page.getByRole('link', { name: 'Deployer' }).click();
  await page.getByRole('button', { name: 'Kill', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Kill: Deployer' });
  await dialog.getByText('Sign-ins at them').waitFor();
  await dialog.getByLabel('Reason').fill('acts on its own');
  await dialog.getByText('The same on the command line').click();
  await dialog.getByText(`sallyport agents kill ${id} --reason 'acts on its own'`).waitFor();
  await dialog.getByRole('button', { name: 'Kill', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.locator('.badge', { hasText: 'Killed' }).waitFor();
  expect(await page.getByRole('button', { name: 'Kill', exact: true }).count()).toBe(0);
  const killed = await harness.harness
    .rows`SELECT detail->>'reason' AS reason FROM audit_outbox WHERE type = 'agent.killed' AND target_id = ${id}`;
  expect(killed).toEqual([{ reason: 'acts on its own' }]);
  expect(serious()).toEqual([]);
});

test('a sign-off is read in the console, with hidden characters shown, and decided on the person’s own page alone', async () => {
  const { page, serious, context, user } = await harness.atConsole('admin');
  await openPage(page, '/console/signoffs', 'Sign-offs');
  await page.getByRole('link', { name: 'Deploy a\\u202eb' }).click();
  await page.getByRole('heading', { name: 'Arguments, exactly' }).waitFor();
  const text = await textOf(page.locator('main'));
  for (const part of ['"version": "1.4"', 'in percent\n90', 'Waits for', 'Architect', '0 of 2'])
    expect(text).toContain(part);
  // No token decides, whatever permissions its user has (ADR 51).
  const row = await page.evaluate<{ readonly arguments_sha256: string }>(
    `fetch('/console/api/v1/handoff/signoffs/${signOffId}', { headers: { 'x-sallyport-console': '1' } }).then((r) => r.json())`,
  );
  const body = JSON.stringify({ role: 'qa', arguments_sha256: row.arguments_sha256 });
  const refused = await page.evaluate<readonly unknown[]>(
    `fetch('/console/api/v1/handoff/signoffs/${signOffId}/approve', { method: 'POST', body: ${JSON.stringify(body)},
       headers: { 'x-sallyport-console': '1', 'content-type': 'application/json' } })
       .then(async (r) => [r.status, (await r.json()).code])`,
  );
  expect(refused).toEqual([403, 'permission_missing']);

  await harness.harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${user.id}, 'qa')`;
  await page.getByRole('link', { name: 'Open my page for this sign-off' }).click();
  await page.waitForURL(`**/signoff/${signOffId}`);
  expect(serious()).toEqual([]);
  await context.close();
});

test('one sign-in at an application ends alone, one session ends with it, and what ended each is shown', async () => {
  const { page, serious } = administrator;
  const person = await newSignedIn(harness.api);
  await openPage(page, `/console/people/${person.id}`, person.email);
  await page.getByRole('button', { name: 'End at sallyport' }).click();
  const ofLogin = page.getByRole('dialog', { name: 'End the sign-in at sallyport' });
  await ofLogin.getByLabel('Reason').fill('lost laptop');
  await ofLogin.getByText('The same on the command line').click();
  await ofLogin.getByText(/sallyport sessions revoke --family [0-9a-f-]{36} --reason 'lost laptop'/).waitFor();
  await ofLogin.getByRole('button', { name: 'End', exact: true }).click();
  await ofLogin.waitFor({ state: 'detached' });
  await page.getByText('No application holds tokens through it').waitFor();
  const live = async () =>
    (
      await harness.harness.rows`SELECT (SELECT count(*)::int FROM sessions WHERE "userId" = ${person.id}) AS sessions,
        (SELECT count(*)::int FROM refresh_families WHERE user_id = ${person.id} AND revoked_at IS NULL) AS families`
    )[0];
  expect(await live()).toEqual({ sessions: 1, families: 0 });

  await page.getByRole('button', { name: 'End session', exact: true }).click();
  const ofSession = page.getByRole('dialog', { name: 'End session: ' });
  await ofSession.getByLabel('Reason').fill('left us');
  await ofSession.getByRole('button', { name: 'End session', exact: true }).click();
  await page.getByText('No live session').waitFor();
  expect(await live()).toEqual({ sessions: 0, families: 0 });

  await harness.seal();
  for (const [ended, said, reason] of [
    ['Ended sign-ins', /^A sign-in of .* ended$/, 'lost laptop'],
    ['Ended sessions', /^A browser session of .* ended$/, 'left us'],
  ] as const) {
    await openPage(page, '/console/sessions', 'Sessions');
    await page.getByRole('link', { name: ended }).click();
    await page.getByRole('link', { name: said }).first().click();
    await page.getByText(reason).waitFor();
    await expectReadable(page, 'ended');
  }
  expect(serious()).toEqual([]);
});

test('a person who was deleted is called so in words, on an open page too, and has no link', async () => {
  const { page, serious, context } = await harness.atConsole('admin');
  const { id: agentId, ownerId } = await newPagesAgent(harness, 'Orphan');
  await openSessionFor(harness.api, ownerId);
  await harness.seal();
  await page.clock.install();
  await openPage(page, '/console/audit', 'Audit log');
  const named = page.locator(`main [title="${ownerId}"]`).first();
  await named.getByRole('link', { name: 'Ada', exact: true }).waitFor();
  await deleteUser(harness.api.ports, { user_id: ownerId, reason: 'left us' }, testCaller);
  await page.clock.fastForward(61_000);
  await named.getByText('deleted user').waitFor();
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  for (const [language, said, copy] of [
    ['en', 'deleted user', 'Copy'],
    ['de', 'gelöschter Benutzer', 'Kopieren'],
  ] as const) {
    await speak(page, language);
    await page.goto(`/console/audit?target=user:${ownerId}`);
    for (const open of [true, false]) {
      await named.getByText(said).waitFor();
      expect(await named.getByRole('link').count()).toBe(0);
      await named.getByRole('button', { name: copy }).click();
      expect(await page.evaluate('navigator.clipboard.readText()')).toBe(ownerId);
      expect(await textOf(page.locator('main'))).not.toContain('undefined');
      await expectReadable(page, `deleted ${language} ${open}`);
      if (open)
        await page
          .getByRole('link', { name: new RegExp(said) })
          .first()
          .click();
    }
    await page.goto(`/console/agents/${agentId}`);
    await page.getByText(/^There is nothing here$|^Hier ist nichts$/).waitFor();
    await expectReadable(page, `orphan ${language}`);
  }
  expect(serious()).toEqual([]);
  await context.close();
});
