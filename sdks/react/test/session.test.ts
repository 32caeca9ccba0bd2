import { afterEach, beforeEach, expect, test, vi } from 'vitest';

type Sallyport = {
  signIn(input: { email: string; password: string }): Promise<unknown>;
  accessToken(): Promise<string>;
  user(): Promise<unknown>;
};
const { createSallyport } = (await import(new URL('../src/session.ts', import.meta.url).href)) as {
  createSallyport(api: string, oldToken?: () => Promise<string>): Sallyport;
};

const server = { user: '', issued: 0, refusesRefresh: false };
beforeEach(() => {
  Object.assign(server, { user: '', issued: 0, refusesRefresh: false });
  vi.stubGlobal('fetch', async (url: string, { body = '{}' }: { body?: string }) => {
    const path = new URL(url).pathname;
    if (path === '/api/auth/signin') {
      server.user = (JSON.parse(body) as { email: string }).email;
      return Response.json({ user: { email: server.user } });
    }
    if (path === '/api/auth/session') return Response.json({ user: { id: server.user } });
    if (path === '/v1/tokens/refresh' && server.refusesRefresh)
      return Response.json({ title: 'Refresh token expired', code: 'refresh_token_invalid' }, { status: 401 });
    server.issued += 1;
    return Response.json({ access_token: `${server.user} ${server.issued}`, refresh_token: 'r', expires_in: 900 });
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a user who signs in after another user does not get the token of that user', async () => {
  const sallyport = createSallyport('http://api.test');
  await sallyport.signIn({ email: 'ada', password: 'p' });
  expect([await sallyport.accessToken(), await sallyport.accessToken()]).toEqual(['ada 1', 'ada 1']);
  await sallyport.signIn({ email: 'bo', password: 'p' });
  expect(await sallyport.accessToken()).toBe('bo 2');
});

test('a user who signed in with another tab, or while tokens were asked for, gets none of the user before', async () => {
  const sallyport = createSallyport('http://api.test');
  await sallyport.signIn({ email: 'ada', password: 'p' });
  await sallyport.user();
  expect(await sallyport.accessToken()).toBe('ada 1');
  server.user = 'bo';
  await sallyport.user();
  expect(await sallyport.accessToken()).toBe('bo 2');
  await sallyport.signIn({ email: 'ada', password: 'p' });
  const [token] = await Promise.all([sallyport.accessToken(), sallyport.signIn({ email: 'cy', password: 'p' })]);
  expect(`${token} ${await sallyport.accessToken()}`).toMatch(/^cy \d cy/);
});

test('a refused refresh token is dropped: the next call exchanges the session', async () => {
  vi.useFakeTimers();
  const sallyport = createSallyport('http://api.test');
  await sallyport.signIn({ email: 'ada', password: 'p' });
  await sallyport.accessToken();
  vi.advanceTimersByTime(900_000);
  server.refusesRefresh = true;
  await expect(sallyport.accessToken()).rejects.toMatchObject({ code: 'refresh_token_invalid' });
  expect(await sallyport.accessToken()).toBe('ada 2');
});

test.each([429, 503])(
  'a session of the old provider whose exchange fails with %i may be carried over later',
  async (status) => {
    vi.stubGlobal('fetch', async (url: string) => {
      const isExchange = new URL(url).pathname === '/v1/legacy/sessions';
      return Response.json({ title: 'Refused', code: 'refused' }, { status: isExchange ? status : 401 });
    });
    await expect(createSallyport('http://api.test', async () => 'old').user()).rejects.toMatchObject({ status });
  },
);
