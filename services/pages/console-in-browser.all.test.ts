// About: console/src/
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { actionNames, effectTexts, seenTexts, undoTexts } from '#console/src/texts/detections.ts';
import { acknowledgeIncident } from '#services/core/security/manage-incidents.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { expectReadable } from '#tools/testing/harness/browser.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import {
  type ConsoleHarness,
  type ConsoleVisit,
  expectReadableInEachLanguage,
  HOSTILE,
  openConsoleHarness,
  openPage,
  speak,
} from './console-browser-harness.ts';
import {
  writeAlerts,
  writeDeadLetter,
  writeFigures,
  writeGrants,
  writeImports,
  writeSignals,
} from './console-harness.ts';
import { PAGES } from './console-pages-harness.ts';
import { newPagesClient, textOf } from './pages-harness.ts';

let harness: ConsoleHarness;
let person: { readonly id: string; readonly email: string };
let administrator: ConsoleVisit;
let places: Readonly<Record<string, string>>;
const filled = (text: string): string => text.replace(/\{(\w+)\}/, (_, name: string) => places[name] ?? '');

const open = (page: Page, path: string, title: string): Promise<void> => openPage(page, filled(path), filled(title));

beforeAll(async () => {
  // The addresses of targets here are names that lead nowhere, which is asked only of public addresses.
  harness = await openConsoleHarness({ ALERTS_PRIVATE: 'true' });
  administrator = await harness.atConsole('admin');
  person = await newSignedIn(harness.api);
  const agent = HOSTILE.slice(0, 100);
  await harness.harness.rows`UPDATE users SET name = ${HOSTILE.slice(0, 100)} WHERE id = ${person.id}`;
  await harness.harness.rows`UPDATE sessions SET "userAgent" = ${agent} WHERE "userId" = ${person.id}`;
  const application = await newPagesClient(harness.api, HOSTILE, 'https://app.example.test/back', ['openid']);
  await harness.seal();
  const incident = '0190a5e2-0000-7000-8000-00000000c0de';
  await harness.harness.rows`INSERT INTO incidents (id, detection, severity, subject_kind, subject_id, detail, actions)
    VALUES (${incident}, 'credential_stuffing', 'high', 'network', ${HOSTILE.slice(0, 100)},
      ${JSON.stringify({ names: HOSTILE })}, '{block_network}')`;
  const target = await writeAlerts(harness.harness.rows, HOSTILE);
  const letter = await writeDeadLetter(harness.harness.rows);
  const run = await writeImports(harness.harness.rows, HOSTILE);
  await writeSignals(harness.harness.rows, HOSTILE, person.id);
  await writeFigures(harness.harness.rows);
  await writeGrants(harness.harness.rows, HOSTILE, application.client_id);
  const [event] = await harness.harness.rows`SELECT seq, type FROM audit_events ORDER BY seq LIMIT 1`;
  const { seq, type } = event as { readonly seq: string; readonly type: string };
  places = {
    person: person.id,
    email: person.email,
    incident,
    target,
    target_name: HOSTILE.slice(0, 64),
    letter,
    import: run,
    key: harness.api.ports.keyRing.list()[0]?.kid ?? '',
    event: seq,
    event_type: type,
    client: application.client_id,
    application: HOSTILE,
  };
});
afterAll(() => harness?.close());

test('a browser without a session gets the sign-in, and comes back to the page that it asked for', async () => {
  const user = await newSignedIn(harness.api);
  await harness.harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${user.id}, 'admin')`;
  const { page, serious, context } = await harness.visitConsole({}, user);
  await page.goto('/console/people?email_prefix=person');
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  await expectReadable(page);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  expect(new URL(page.url()).search).toBe('?email_prefix=person');
  expect(
    await page.evaluate('document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)'),
  ).not.toMatch(/sallyport\.console|eyJ|sp_rt_/);
  expect(serious()).toEqual([]);
  await context.close();
});

test.each(PAGES)('$path is readable in English and German, in light and dark, wide and narrow', ({ path, en, de }) =>
  expectReadableInEachLanguage(administrator, filled(path), { en: filled(en), de: filled(de) }),
);

test('names and user agents of a hostile user are shown as they are, and nothing of them runs', async () => {
  const { page, serious } = administrator;
  await page.setViewportSize({ width: 1_280, height: 800 });
  await open(page, '/console/people/{person}', '{email}');
  const text = await textOf(page.locator('main'));
  expect(text.split(HOSTILE.slice(0, 28)).length).toBeGreaterThan(2);
  expect(await page.locator('main img, main script').count()).toBe(0);
  expect(serious()).toEqual([]);
});

test('a proof is verified by the browser itself, and fails for bytes that were not sealed', async () => {
  const { page, serious } = administrator;
  await open(page, '/console/audit/{event}', '{event_type}');
  await page.getByRole('button', { name: 'Verify inclusion' }).click();
  await page.getByText('Verified in this browser').waitFor();
  await page.getByText('This browser saw that key for the first time.').waitFor();
  await page.getByRole('button', { name: 'Verify again' }).click();
  await page.getByText('The same key as before').waitFor();
  await expectReadable(page, 'verified');

  const event = await page.evaluate<{ readonly leaf: string }>(
    `fetch('/console/api/v1/audit/events/${places.event}', { headers: { 'x-sallyport-console': '1' } }).then((r) => r.json())`,
  );
  const forged = Buffer.from(event.leaf, 'base64').toString().replace('"v":1', '"v":2');
  const address = /\/v1\/audit\/events\/\d+$/;
  await page.route(address, (route) =>
    route.fulfill({ json: { ...event, leaf: Buffer.from(forged).toString('base64') } }),
  );
  await open(page, '/console/audit/{event}', '{event_type}');
  await page.getByRole('button', { name: 'Verify inclusion' }).click();
  await page.getByText('the event or the log was changed').waitFor();
  await page.unroute(address);
  expect(serious()).toEqual([]);
});

test('live events go on after a break without a loss or a repetition', async () => {
  const { page, context } = await harness.atConsole('auditor');
  const list = page.getByRole('list', { name: 'Live events' });
  const happen = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at += 1) await newSignedIn(harness.api);
    await harness.seal();
  };
  const newest = async (): Promise<number> =>
    Number((await harness.harness.rows`SELECT max(seq) AS seq FROM audit_events`)[0]?.seq);
  await harness.seal();
  const before = await newest();
  // As a network does that breaks in the middle of an answer.
  await page.addInitScript(`const ask = fetch; fetch = (address, options = {}) => {
  if (!String(address).endsWith('/v1/admin/events')) return ask(address, options);
  const broken = new AbortController();
  globalThis.breakStream = () => broken.abort();
  return ask(address, { ...options, signal: AbortSignal.any([options.signal, broken.signal]) });
}`);
  await page.goto('/console/stream');
  await page.locator('.badge', { hasText: 'live' }).waitFor();
  await happen(2);
  await expect.poll(() => list.getByRole('listitem').count()).toBe((await newest()) - before);
  await page.evaluate('breakStream()');
  await page.locator('.badge', { hasText: 'reconnecting' }).waitFor();
  await happen(3);
  const expected = Array.from({ length: (await newest()) - before }, (_, at) => `/console/audit/${before + 1 + at}`);
  await expect
    .poll(() => list.locator('[data-row]').evaluateAll((links) => links.map((link) => link.getAttribute('href'))))
    .toEqual(expected.reverse());
  await expectReadable(page, 'events');
  await context.close();
});

test('by keyboard alone: the palette finds a page, j walks its list, Enter opens a person, ? explains', async () => {
  const { page, serious } = administrator;
  await page.setViewportSize({ width: 1_280, height: 800 });
  await open(page, '/console', 'Overview');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('peop');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await page.locator('[data-row]').first().waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  const [first = ''] = await page.locator('[data-row]').allInnerTexts();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: first }).waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(serious()).toEqual([]);
});

test('the focus is on the heading of each page that is opened, and after Back on the row that it was left by', async () => {
  const { page, serious } = administrator;
  const focused = () => page.evaluate('[document.activeElement.tagName, document.activeElement.textContent.trim()]');
  await open(page, '/console/roles', 'Roles');
  expect(await focused()).toEqual(['BODY', expect.anything()]);
  for (const title of ['Audit log', 'People', 'Roles']) {
    await page.locator('.side').getByRole('link', { name: title }).press('Enter');
    await expect.poll(focused).toEqual(['H1', title]);
  }
  const row = page.locator('[data-row]').nth(2);
  const name = await row.textContent();
  await row.press('Enter');
  await expect.poll(focused).toEqual(['H1', name]);
  await page.goBack();
  await expect.poll(focused).toEqual(['A', name]);
  await page.keyboard.press('j');
  expect(await focused()).toEqual(['A', await page.locator('[data-row]').nth(3).textContent()]);
  expect(serious()).toEqual([]);
});

test('the first field is fewer than ten stops of Tab away, and the navigation is whole in 720 px', async () => {
  const { page, serious } = administrator;
  const isField = `document.activeElement.matches('main :is(input, select, textarea)')`;
  await page.setViewportSize({ width: 1_280, height: 720 });
  for (const { path, en } of PAGES.filter(({ path }) => /\/(people|audit|alerts|inspector)$/.test(path))) {
    await open(page, path, en);
    for (const key of ['Tab', 'Enter']) await page.keyboard.press(key);
    for (let stops = 1; stops < 9 && !(await page.evaluate(isField)); stops += 1) await page.keyboard.press('Tab');
    expect([path, await page.evaluate(isField)]).toEqual([path, true]);
  }
  for (const language of ['en', 'de'] as const) {
    await speak(page, language);
    await page.reload();
    await page.locator('.side nav a').nth(15).waitFor();
    const cut = `[...document.querySelectorAll('.side, .side nav')].filter((at) => at.scrollHeight > at.clientHeight).length`;
    expect([language, await page.evaluate(cut)]).toEqual([language, 0]);
    expect(await page.locator('.side button').last().isVisible()).toBe(true);
  }
  await speak(page, null);
  expect(serious()).toEqual([]);
});

test.each([
  ['/console/queues?show=schedule', '/console/schedules', 'Schedule'],
  ['/console/alerts/targets/{target}', '/console/alert-targets/{target}', '{target_name}'],
])('the former address %s leads to the page of now', async (former, address, title) => {
  await open(administrator.page, former, title);
  expect(new URL(administrator.page.url()).pathname).toBe(filled(address));
});

test('the palette finds a person by the middle of the name, who is named instead of the id, also in sentences', async () => {
  const { page, serious } = administrator;
  const { id } = await newSignedIn(harness.api);
  await harness.harness.rows`UPDATE users SET name = 'Ottoline Quast' WHERE id = ${id}`;
  await harness.seal();
  await open(page, '/console', 'Overview');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('TOLINE qu');
  await page.getByRole('option', { name: 'Ottoline Quast' }).waitFor();
  await expectReadable(page, 'found');
  await page.keyboard.press('Enter');
  await expect.poll(() => new URL(page.url()).pathname).toBe(`/console/people/${id}`);
  for (const [language, said] of [
    ['en', 'Ottoline Quast began a browser session'],
    ['de', 'Ottoline Quast begann eine Browser-Sitzung'],
  ] as const) {
    await speak(page, language);
    await page.goto('/console/audit?type=session.created');
    const row = page.getByRole('listitem').filter({ hasText: said });
    await row.waitFor();
    expect(await textOf(row)).not.toContain(id);
    await expectReadable(page, language);
  }
  await speak(page, null);
  expect(serious()).toEqual([]);
});

test('events are found by what is known of them, and the filters are kept under a name', async () => {
  const { page, serious } = administrator;
  await page.setViewportSize({ width: 1_280, height: 800 });
  const { id, email } = await newSignedIn(harness.api);
  await harness.harness.rows`UPDATE users SET name = 'Ottilie Zorn' WHERE id = ${id}`;
  await harness.seal();
  await open(page, '/console/audit', 'Audit log');
  const asked = (): string => new URL(page.url()).search;
  /** Types, and takes what the browser then offers. */
  const pick = async (field: string, typed: string, offered: string): Promise<void> => {
    await page.getByRole('combobox', { name: field }).fill(typed);
    const option = page.locator(`datalist option[value*="${offered}"]`);
    await option.first().waitFor({ state: 'attached' });
    await page.getByRole('combobox', { name: field }).fill((await option.first().getAttribute('value')) ?? '');
  };
  await pick('Target', 'tilie zo', `user · Ottilie Zorn · ${email}`);
  await expect.poll(asked).toBe(`?target=user%3A${id}`);
  await expect.poll(() => page.getByRole('combobox', { name: 'Target' }).inputValue()).toBe('Ottilie Zorn');
  await pick('Type', 'account of', 'was created · user.created');
  await expect.poll(asked).toBe(`?type=user.created&target=user%3A${id}`);
  const rows = page.getByRole('list', { name: 'Audit log' }).getByRole('listitem');
  await expect.poll(() => rows.count()).toBe(1);
  const outcome = page.getByRole('combobox', { name: 'Outcome' });
  await outcome.selectOption('Refused');
  await expect.poll(() => rows.count()).toBe(0);
  await outcome.selectOption('Succeeded');
  await expect.poll(asked).toBe(`?type=user.created&outcome=ok&target=user%3A${id}`);
  await expect.poll(() => rows.count()).toBe(1);
  expect(await rows.locator('.row-meta').getByRole('link').allInnerTexts()).toEqual(['Ottilie Zorn']);
  await expectReadable(page, 'filtered');

  await page.getByRole('textbox', { name: 'Name of a bookmark' }).fill('Account of Ottilie');
  await page.getByRole('button', { name: 'Keep these filters' }).click();
  await open(page, '/console/audit', 'Audit log');
  await page.getByRole('navigation', { name: 'Bookmarks' }).getByRole('link', { name: 'Account of Ottilie' }).click();
  await expect.poll(() => rows.count()).toBe(1);
  expect(asked()).toBe(`?type=user.created&outcome=ok&target=user%3A${id}`);
  expect(await outcome.inputValue()).toBe('ok');
  await expectReadable(page, 'kept');
  await page.getByRole('button', { name: 'Remove Account of Ottilie' }).click();
  await open(page, '/console/audit', 'Audit log');
  expect(await page.getByRole('navigation', { name: 'Bookmarks' }).count()).toBe(0);

  // What is no name is taken as it is: an id alone is that of a user. A time is that of the reader's clock.
  await page.getByRole('combobox', { name: 'Target' }).fill(id);
  await page.getByRole('combobox', { name: 'Target' }).press('Enter');
  await expect.poll(asked).toBe(`?target=user%3A${id}`);
  await expect.poll(() => rows.count()).toBe(1);
  await page.getByLabel('Until').fill('2001-01-01T00:00');
  await page.getByText('Nothing matches').waitFor();
  expect(asked()).toBe(`?target=user%3A${id}&to=2001-01-01T00%3A00`);
  expect(serious()).toEqual([]);
});

test('the palette has the acts of the page, and each opens its form', async () => {
  const { page, serious } = administrator;
  await open(page, '/console/people/{person}', '{email}');
  await page.keyboard.press('Control+k');
  await page.getByRole('option', { name: 'Disable', exact: true }).waitFor();
  await expectReadable(page, 'acts');
  await page.keyboard.type('disab');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: `Disable: ${person.email}` });
  await dialog.getByLabel('Reason').waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  expect(serious()).toEqual([]);
});

test('a job that was not done in time is named above the queues', async () => {
  await open(administrator.page, '/console/queues', 'Queues');
  await administrator.page.getByText('not succeeded in time: clean-up-expired-tokens').waitFor();
});

test('what a control found is said once', async () => {
  const why = 'no backup is visible';
  await harness.harness
    .rows`INSERT INTO compliance_controls (control, status, reason, population, sampled, exceptions, exception_count,
    observed,
      observed_sha256, probe_version, release, collector, started_at, ended_at)
    VALUES ('backups-recent', 'fail', ${why}, 1, 1, jsonb_build_array(jsonb_build_object('resource', 'backup', 'why',
      ${why}::text)), 1,
      '{}', repeat('0', 64), 1, '0', 'worker', now(), now())`;
  const { page } = administrator;
  await open(page, '/console/backups', 'Backups');
  await page.getByText(why).first().waitFor();
  expect(await page.getByText(why).count()).toBe(1);
});

test('a pasted token is accepted or not, says what is in it, and is refused once it was revoked there', async () => {
  const { page, serious } = administrator;
  const holder = await newSignedIn(harness.api);
  await open(page, '/console/inspector', 'Token inspector');
  await page.getByLabel('Access or refresh token').fill(holder.tokens.access_token);
  await page.getByRole('button', { name: 'Inspect' }).click();
  await page.getByText('Active: this installation accepts the token now').waitFor();
  expect(await textOf(page.locator('main .facts').last())).toContain(holder.id);
  await expectReadable(page, 'active');
  await page.getByRole('button', { name: 'Revoke' }).click();
  const dialog = page.getByRole('dialog', { name: 'Revoke this token' });
  await dialog.getByLabel('Reason').fill('pasted into a chat');
  await dialog.getByRole('button', { name: 'Revoke' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Inspect' }).click();
  await page.getByText('Not accepted', { exact: true }).waitFor();
  await page.getByText('do not rely on it').waitFor();
  await expectReadable(page, 'revoked');
  expect(serious()).toEqual([]);
});

test('an act says what it affects, asks for a reason, shows its command line, and is done', async () => {
  const { page, serious } = administrator;
  const target = await newSignedIn(harness.api);
  await page.goto(`/console/people/${target.id}`);
  await page.getByRole('button', { name: 'Disable', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: `Disable: ${target.email}` });
  await dialog.getByText('Sign-ins at them').waitFor();
  expect((await textOf(dialog.locator('.reach'))).replaceAll(/\s+/g, ' ')).toBe(
    'Sessions 1 Applications 1 Sign-ins at them 1',
  );
  await dialog.getByLabel('Reason').fill(`left 'us'`);
  await dialog.getByText('The same on the command line').click();
  await dialog.getByText(`sallyport users disable ${target.id} --reason 'left '\\''us'\\'''`).waitFor();
  await expectReadable(page);
  await dialog.getByRole('button', { name: 'Disable', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Enable', exact: true }).first().waitFor();
  const [event] = await harness.harness.rows`SELECT detail->>'reason' AS reason FROM audit_outbox
    WHERE type = 'user.disabled' AND target_id = ${target.id}`;
  expect(event).toEqual({ reason: `left 'us'` });
  await harness.seal();
  await page.reload();
  expect(await textOf(page.locator('.note.warn').first())).toMatch(/^Disabled.*left 'us'$/s);
  expect(serious()).toEqual([]);
});

test('an incident says what was seen, what was done at once and how each act is undone, in the language of the reader', async () => {
  const { page, serious } = administrator;
  const id = '0190a5e2-0000-7000-8000-00000000c0df';
  await harness.harness.rows`INSERT INTO incidents (id, detection, severity, subject_kind, subject_id, detail, actions)
    VALUES (${id}, 'account_takeover', 'critical', 'user', ${person.id},
      ${JSON.stringify({ seq: Number(places.event) })}, '{revoke_sessions,step_up}')`;
  await acknowledgeIncident(harness.api.ports, { incident_id: id, reason: 'seen' }, testCaller);
  await harness.seal();
  for (const language of ['en', 'de'] as const) {
    await speak(page, language);
    await openPage(
      page,
      `/console/incidents/${id}`,
      { en: 'Account takeover', de: 'Übernahme eines Kontos' }[language],
    );
    const text = await textOf(page.locator('main'));
    expect(text).toContain(seenTexts[language].account_takeover);
    for (const action of ['revoke_sessions', 'step_up'] as const)
      for (const texts of [actionNames, effectTexts, undoTexts]) expect(text).toContain(texts[language][action]);
    expect(text).not.toContain(undoTexts[language].block_network);
    expect(text).toMatch(language === 'en' ? /test took on .+changed\s+\S/s : /test übernahm .+changed\s+\S/s);
    await expectReadable(page);
  }
  await speak(page, null);
  const links = page.locator('main').getByRole('link');
  const hrefs = await links.evaluateAll((all) => all.map((link) => link.getAttribute('href')));
  expect(hrefs).toEqual(
    expect.arrayContaining(['/console/incidents', `/console/audit/${places.event}`, `/console/people/${person.id}`]),
  );
  expect(serious()).toEqual([]);
});

test('an administrator adds a target of alerts, tests and changes it, and silences an alert; rows say what became of it', async () => {
  const { page, serious } = administrator;
  await open(page, '/console/alert-targets', 'Targets of alerts');
  await page.getByRole('button', { name: 'Add a target' }).click();
  const adding = page.getByRole('dialog', { name: 'Add a target' });
  await adding.getByLabel('Kind').selectOption('webhook');
  await adding.getByLabel('URL').fill('https://hooks.example.test/in');
  await adding.getByLabel('Name', { exact: true }).fill('On call');
  await adding.getByLabel('Reason').fill('a new rota');
  await expectReadable(page);
  await adding.getByRole('button', { name: 'Add a target' }).click();
  await adding.waitFor({ state: 'detached' });
  await page.getByRole('link', { name: 'On call' }).click();
  await page.getByText('Nothing was sent there yet').waitFor();
  await page.getByRole('button', { name: 'Send a test' }).click();
  const testing = page.getByRole('dialog', { name: 'Send a test: On call' });
  await testing.getByLabel('Reason').fill('try it');
  await testing.getByRole('button', { name: 'Send a test' }).click();
  await page.getByRole('list', { name: 'Deliveries' }).getByText('Test message').waitFor();

  await page.getByRole('button', { name: 'Change', exact: true }).click();
  const changing = page.getByRole('dialog', { name: 'Change: On call' });
  await changing.getByText('Nothing yet: no field differs').waitFor();
  await changing.getByLabel('Reason').fill('fewer');
  const change = changing.getByRole('button', { name: 'Change', exact: true });
  expect(await change.isDisabled()).toBe(true);
  await changing.getByLabel('Name', { exact: true }).fill('On call, days');
  await changing.getByLabel('Alertmanager').uncheck();
  await changing.getByText('The same on the command line').click();
  const asCommand =
    /^sallyport alert-targets update \S{36} --name 'On call, days' --sources incident control --reason fewer$/;
  expect(await textOf(changing.locator('.command code'))).toMatch(asCommand);
  await expectReadable(page);
  await change.click();
  await changing.waitFor({ state: 'detached' });
  await page.getByRole('heading', { level: 1, name: 'On call, days' }).waitFor();
  expect(await page.locator('.listed').first().getByRole('listitem').allInnerTexts()).toEqual([
    'Incidents',
    'Controls',
  ]);
  const [changed] = await harness.harness.rows`SELECT detail - 'target_id' - 'kind' AS detail FROM audit_outbox
    WHERE type = 'alert.target_changed' AND outcome = 'changed'`;
  expect(changed?.detail).toEqual({ name: 'On call, days', changed: ['name', 'sources'], reason: 'fewer' });

  await open(page, '/console/alerts?source=incident', 'Alerts');
  await page.getByRole('button', { name: 'Silence', exact: true }).click();
  const silencing = page.getByRole('dialog', { name: 'Silence', exact: true });
  expect(await silencing.getByLabel('Labels').inputValue()).toBe('source=incident\nname=token_replay');
  await silencing.getByLabel('Until').fill(new Date(Date.now() + 86_400_000).toISOString().slice(0, 16));
  await silencing.getByLabel('Reason').fill('we move');
  await silencing.getByRole('button', { name: 'Silence', exact: true }).click();
  await silencing.waitFor({ state: 'detached' });
  const silences = await harness.harness.rows`SELECT matchers FROM alert_silences WHERE reason = 'we move'`;
  expect(silences).toEqual([{ matchers: { source: 'incident', name: 'token_replay' } }]);
  expect(serious()).toEqual([]);
});

test('a row says how far a SIEM is, and an administrator sends it the whole log again', async () => {
  const { page, serious } = administrator;
  await open(page, '/console/siem', 'SIEM export');
  const row = page.getByRole('listitem').filter({ hasText: 'splunk' });
  const said = 'Sent up to event 0 Last accepted 2 hours ago Failing since 2 hours ago http_503 Behind: ';
  expect((await textOf(row)).replaceAll(/\s+/g, ' ')).toContain(said);
  await row.getByRole('button', { name: 'Send again' }).click();
  const dialog = page.getByRole('dialog', { name: 'Send again: splunk' });
  await dialog.getByText('0 is the whole log').waitFor();
  const from = dialog.getByLabel('Number of the first event');
  expect(await from.getAttribute('min')).toBe('0');
  await from.fill('0');
  await dialog.getByLabel('Reason').fill('lost its disk');
  await dialog.getByText('The same on the command line').click();
  await dialog.getByText(`sallyport siem replay splunk --from 0 --reason 'lost its disk'`).waitFor();
  await dialog.getByRole('button', { name: 'Send again' }).click();
  await row.getByText('Sent up to event none yet').waitFor();
  expect(await row.getByRole('button').count()).toBe(0);
  expect(serious()).toEqual([]);
});

test('a session that ends while an act is prepared loses nothing: another window signs in, and the act goes on', async () => {
  const { page, serious, context } = await harness.atConsole('admin');
  const target = await newSignedIn(harness.api);
  await page.goto(`/console/people/${target.id}`);
  await page.getByRole('button', { name: 'Disable', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: `Disable: ${target.email}` });
  await dialog.getByLabel('Reason').fill('typed before the end');
  const [session] = (await context.cookies()).filter(({ name }) => name.endsWith('sallyport.console'));
  await context.clearCookies({ name: session?.name ?? '' });
  await dialog.getByRole('button', { name: 'Disable', exact: true }).click();
  const ended = page.getByRole('dialog', { name: 'Your session has ended' });
  const [popup] = await Promise.all([
    context.waitForEvent('page'),
    ended.getByRole('button', { name: 'Sign in again' }).click(),
  ]);
  await popup.waitForEvent('close');
  await ended.waitFor({ state: 'detached' });
  expect(await dialog.getByLabel('Reason').inputValue()).toBe('typed before the end');
  await dialog.getByText('You signed in again').waitFor();
  expect(await dialog.getByRole('alert').count(), 'the refusal of before').toBe(0);
  await dialog.getByRole('button', { name: 'Disable', exact: true }).click();
  await page.getByRole('button', { name: 'Enable', exact: true }).first().waitFor();
  expect(serious()).toEqual([]);
  await context.close();
});
