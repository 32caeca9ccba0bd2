// About: services/pages/ services/core/identity/factors/
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { enrolled } from '#tools/testing/flows/factor-flows.ts';
import { signUp } from '#tools/testing/flows/flows.ts';
import { expectReadable, openBrowserHarness } from '#tools/testing/harness/browser.ts';
import { opened } from '#tools/testing/opened.ts';
import { ageSessions, isInSight, section, signedInWithout, status, unfold } from './own-account-harness.ts';
import { addAuthenticator, button, heading, seen, signInOn, textOf } from './pages-harness.ts';

const harness = opened(openBrowserHarness);

test('a user adds and removes an authenticator app; a wrong first code loses neither its key nor its recovery codes', async () => {
  const user = await signUp({ api: harness.api.url });
  const { page } = await harness.visit({ viewport: { width: 1_280, height: 500 } });
  await page.goto('/account/security');
  await signInOn(page, user);
  await unfold(page, 'Add an authenticator app');
  await page.getByLabel('Your password').fill('not the right password');
  await button(page, 'Continue').click();
  // The sentence is where the field is, and the field is still there.
  expect(await textOf(page.locator('#said'))).toMatch(/^The password is wrong\. /);
  expect(await isInSight(page.locator('#said'))).toBe(true);
  await page.getByLabel('Your password').fill(user.password);
  await button(page, 'Continue').click();
  const codes = async () => (await textOf(page.locator('pre.codes'))).trim().split('\n');
  const uriShown = async () => (await page.getByRole('link', { name: 'Open the app' }).getAttribute('href')) as string;
  const [uri, first] = [await uriShown(), await codes()];
  expect(first).toHaveLength(10);
  await page.getByLabel('The code that the app shows now').fill('000000');
  await button(page, 'Confirm').click();
  expect(await textOf(page.locator('#said'))).toMatch(/^The code of the new app is wrong\. /);
  expect(await isInSight(page.locator('#said'))).toBe(true);
  await page.getByRole('img', { name: 'QR code with the key of your account' }).waitFor();
  expect([await uriShown(), await codes()]).toEqual([uri, first]);
  await expectReadable(page);
  await page.getByLabel('The code that the app shows now').fill(codeOf(uri));
  await button(page, 'Confirm').click();
  expect(await status(page)).toMatch(/^The authenticator app is added\. /);
  await button(page, 'Replace the recovery codes with new ones').click();
  expect(await heading(page)).toBe('Your recovery codes');
  await expectReadable(page);
  await page.getByRole('link', { name: 'Back to your account' }).click();
  await button(page, 'Remove the authenticator app').click();
  expect(await status(page)).toMatch(/^The authenticator app is removed\. /);
});

test('a form shows no authenticator again that another has replaced, or that the account does not wait for', async () => {
  const user = await signUp({ api: harness.api.url });
  const { act } = await signedInWithout(harness, user);
  const shownBy = ({ text }: { readonly text: string }) =>
    Object.fromEntries(
      [...text.matchAll(/name="(totp_uri|recovery_codes)" value="([^"]*)"/g)].map(([, name, value]) => [
        name as string,
        (value as string).replaceAll('&amp;', '&'),
      ]),
    );
  const enrol = async () => shownBy(await act({ act: 'enable_totp', password: user.password }));
  const [replaced, current] = [await enrol(), await enrol()];
  const confirm = async (fields: Record<string, string>) =>
    (await act({ act: 'confirm_totp', code: '000000', ...fields })).text;
  expect(await confirm(current)).toContain('<svg class="qr"');
  for (const fields of [replaced, {}, { ...current, recovery_codes: 'made-up' }]) {
    const text = await confirm(fields);
    expect(text).not.toContain('<svg class="qr"');
    expect(text).toContain('The code of the new app is wrong.');
  }
});

test('recovery codes can be copied, and downloaded without script', async () => {
  const { cookie, codes } = await enrolled(harness.api);
  const permissions = ['clipboard-read', 'clipboard-write'];
  const { page } = await harness.visit({ permissions }, { cookie });
  await page.goto('/account/security');
  await button(page, 'Replace the recovery codes with new ones').click();
  const shown = `${await page.locator('pre.codes').textContent()}`;
  expect(shown.split('\n')).toHaveLength(10);
  expect(shown).not.toContain(codes[0] as string);
  await button(page, 'Copy').click();
  await page.getByText('Copied.').waitFor();
  expect(await page.evaluate('navigator.clipboard.readText()')).toBe(shown);
  expect(await button(page, 'Print').isVisible()).toBe(true);
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download' }).click(),
  ]);
  expect([file.suggestedFilename(), await readFile(await file.path(), 'utf8')]).toEqual([
    'recovery-codes.txt',
    `${shown}\n`,
  ]);
});

test('a sign-in by a recovery code says how many are left, and goes on to where the user was', async () => {
  const { person, codes } = await enrolled(harness.api);
  const { page } = await harness.visit({ javaScriptEnabled: false });
  await page.goto('/account/sessions');
  await signInOn(page, person);
  await page.getByLabel('The code in your authenticator app, or a recovery code').fill(codes[0] as string);
  await button(page, 'Continue').click();
  expect(await status(page)).toBe('Recovery codes left: 9');
  await page.getByRole('link', { name: 'Continue' }).click();
  expect([await heading(page), new URL(page.url()).pathname]).toEqual(['Your account', '/account/sessions']);
});

test('a user adds, names and removes passkeys by the script of the page, and signs in with one', async () => {
  const user = await signUp({ api: harness.api.url });
  const { page } = await harness.visit();
  await page.goto('/account/security');
  await signInOn(page, user);
  const passkeys = await addAuthenticator(page);
  await page.getByLabel('Name of the new passkey').fill('my key');
  await button(page, 'Add a passkey').click();
  await page.getByText('They are shown only now.').waitFor();
  expect(await status(page)).toBe('The passkey is added.');
  // The other forms are of the session before, which has ended.
  expect(await button(page, 'Sign out').isVisible()).toBe(false);
  expect((await textOf(page.locator('#add-passkey-codes pre'))).trim().split('\n')).toHaveLength(10);
  await expectReadable(page);
  await page.getByRole('link', { name: 'Back to your account' }).click();
  expect(await seen(page)).toContain('my key');
  await unfold(page, 'Rename');
  await page.getByLabel('New name').fill('the key at home');
  await button(page, 'Save').click();
  expect(await status(page)).toBe('The passkey has its new name.');
  expect(await seen(page)).toContain('the key at home');
  await expectReadable(page);
  await section(page, 'Sessions');
  await button(page, 'Sign out').first().click();
  await signInOn(page, user);
  expect(await seen(page)).toContain('Use your passkey, or enter one of your recovery codes.');
  await expectReadable(page);
  await button(page, 'Sign in with a passkey').click();
  await page.waitForURL('**/account');
  await page.goto('/account/security');
  expect(await passkeys(), 'a passkey that signs in stays').toBe(1);
  await button(page, 'Remove').click();
  expect(await status(page)).toMatch(/^The passkey is removed\. /);
  await expect.poll(passkeys, { message: 'the browser offers it no more' }).toBe(0);
});

test('the browser forgets a passkey that is refused because no account has it, and no other', async () => {
  const user = await signUp({ api: harness.api.url });
  const { page, context } = await harness.visit({}, user);
  await page.goto('/account/security');
  const passkeys = await addAuthenticator(page);
  await button(page, 'Add a passkey').click();
  await page.getByText('They are shown only now.').waitFor();
  const refused = async () => {
    await context.clearCookies();
    await page.goto('/login');
    await button(page, 'Sign in with a passkey').click();
    await page.locator('p.bad[role=alert]:not(:empty)').first().waitFor();
  };
  await harness.harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${user.id}`;
  await refused();
  expect(await passkeys(), 'a disabled account').toBe(1);
  await harness.harness.rows`DELETE FROM passkeys WHERE "userId" = ${user.id}`;
  await refused();
  await expect.poll(passkeys).toBe(0);
});

test('a user with a passkey alone confirms a sensitive change with it', async () => {
  const user = await signUp({ api: harness.api.url });
  const { page } = await harness.visit({}, user);
  await page.goto('/account/security');
  await addAuthenticator(page);
  await button(page, 'Add a passkey').click();
  await page.getByText('They are shown only now.').waitFor();
  await ageSessions(harness, user);
  await page.goto('/account');
  await unfold(page, 'Change the address');
  await page.getByLabel('New e-mail address').fill('new@people.test');
  await button(page, 'Send the confirmation mail').click();
  expect(await heading(page)).toBe('Confirm that it is you');
  await expectReadable(page);
  await button(page, 'Sign in with a passkey').click();
  await page.waitForURL('**/account');
  await unfold(page, 'Change the address');
  await page.getByLabel('New e-mail address').fill('new@people.test');
  await button(page, 'Send the confirmation mail').click();
  expect(await status(page)).toMatch(/^A mail to the new address is on its way\. /);
});
