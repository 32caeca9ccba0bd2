// About: services/pages/ services/wings/signoff/
import { expect, test } from 'vitest';
import type { Caller } from '#services/core/ports.ts';
import { requestSignOff } from '#services/wings/signoff/request-signoff.ts';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { insertPerson, openSessionFor } from '#tools/testing/flows/signed-in.ts';
import { expectReadable, openBrowserHarness } from '#tools/testing/harness/browser.ts';
import { agentCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { button, heading, newPagesAgent, seen } from './pages-harness.ts';

const OWNER = newEmail();
const harness = opened(openBrowserHarness);

async function newReviewer() {
  const id = await insertPerson(harness.api, newEmail());
  // Before the session, which knows its roles for some minutes.
  await harness.harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${id}, 'qa'), (${id}, 'architect')`;
  return openSessionFor(harness.api, id);
}

const ask = (caller: Caller = testCaller) =>
  requestSignOff(
    harness.api.ports,
    {
      act: 'release.deploy',
      title: 'Deploy 1.4 to production',
      arguments: { version: '1.4', note: 'a long line '.repeat(40) },
      required_roles: ['qa', 'architect'],
      quorum: 1,
      conditions: { no_open_incident: true, min_security_score: 90 },
    },
    caller,
  );

test('the sign-off pages can be read by everyone, in light and dark, wide and narrow', async () => {
  const agent = await newPagesAgent(harness, 'Deployer', OWNER);
  const { signoff_id: id } = await ask(agentCaller(agent.id, agent.ownerId, ['signoffs:request']));
  const { page } = await harness.visit({}, await newReviewer());
  for (const path of ['/signoff', `/signoff/${id}`]) {
    await page.goto(path);
    expect(await seen(page)).toContain('Deployer');
    await expectReadable(page);
  }
  expect(await seen(page)).toContain(`Ada (${OWNER})`);
  await page.getByLabel('Architect').check();
  await button(page, 'Approve').click();
  await page.getByText('You have approved this as Architect.').waitFor();
  await expectReadable(page);
});

test('a person approves by keyboard in a browser without script', async () => {
  const { signoff_id: id } = await ask();
  const { page } = await harness.visit({ javaScriptEnabled: false }, await newReviewer());
  await page.goto(`/signoff/${id}`);
  expect(await heading(page)).toBe('Approve “Deploy 1.4 to production”?');
  await page.getByLabel('Quality assurance').focus();
  await page.keyboard.press('Space');
  await page.getByLabel('Comment (optional)').fill('looks right');
  await button(page, 'Approve').focus();
  await page.keyboard.press('Enter');
  await page.getByText('Approved; the act has not started.').waitFor();
  await page.getByText('looks right').waitFor();
  await page.getByText('You have approved this as Quality assurance.').waitFor();
});
