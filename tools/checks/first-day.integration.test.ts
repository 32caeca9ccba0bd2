import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { addAuthenticator, button, registerPasskey, signInOn, textOf } from '#services/pages/pages-harness.ts';
import { launchChromium } from '#tools/testing/harness/browser.ts';
import { type Product, startProduct } from '#tools/testing/harness/product.ts';

let product: Product;
let port: string;
beforeAll(async () => {
  product = await startProduct({ clusterDir: inject('clusterDir') });
  ({ port } = new URL(product.api));
});
afterAll(() => product?.dispose());

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
const numbers = ['127.0.0.1', ...(hasIpv6 ? ['[::1]'] : [])];

test('without a setting the installation is localhost: address, issuer and audience; both loopback addresses answer', async () => {
  expect(product.api).toBe(`http://localhost:${port}`);
  for (const host of ['localhost', ...numbers])
    expect([host, (await fetch(`http://${host}:${port}/readyz`)).status]).toEqual([host, 200]);
  const metadata = (await (await fetch(`${product.api}/.well-known/openid-configuration`)).json()) as object;
  expect(metadata).toMatchObject({ issuer: product.api, token_endpoint: `${product.api}/oauth2/token` });
  expect(product.output()).toContain(`ready: open ${product.api}/ in a browser`);
});

test('a page that is opened at a number leads to localhost before it shows a form; a form sent there names it', async () => {
  for (const host of numbers) {
    const origin = `http://${host}:${port}`;
    const accept = 'text/html';
    const page = await fetch(`${origin}/login?next=%2Faccount`, { headers: { accept }, redirect: 'manual' });
    expect([page.status, page.headers.get('location')]).toEqual([302, `${product.api}/login?next=%2Faccount`]);
    const body = new URLSearchParams({ form_token: 'x', next: '/account', email: 'a@b.test', password: 'x' });
    const form = await fetch(`${origin}/login`, { method: 'POST', headers: { accept, origin }, body });
    expect(form.status).toBe(403);
    expect(await form.text()).toContain(`<a href="${product.api}">${product.api}</a>`);
  }
});

test('in the first minute a passkey is added and signs in, also for a user who began at 127.0.0.1', {
  timeout: 120_000,
}, async () => {
  const browser = await launchChromium();
  onTestFinished(() => browser.close());
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${port}/login?next=%2Faccount`);
  await signInOn(page, product.credentials.user);
  await page.waitForURL(`${product.api}/account`);
  await page.goto(`${product.api}/account/security`);
  await addAuthenticator(page);
  expect(await registerPasskey(page)).toBe(201);
  await context.clearCookies();
  await page.goto(`${product.api}/login?next=%2Faccount`);
  await button(page, 'Sign in with a passkey').click();
  await page.waitForURL(`${product.api}/account`);
  expect(await textOf(page.locator('main'))).toContain(product.credentials.user.email);
});
