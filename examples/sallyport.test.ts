import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

type Sallyport = {
  signIn(email: string, password: string): Promise<unknown>;
  accessToken(): Promise<string>;
  user(): Promise<unknown>;
};
const { createSallyport } = (await import(new URL('./sallyport.js', import.meta.url).href)) as {
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
    if (path === '/v1/tokens/refresh' && server.refusesRefresh)
      return Response.json({ title: 'Refresh token expired', code: 'refresh_token_invalid' }, { status: 401 });
    server.issued += 1;
    return Response.json({
      access_token: `${server.user} ${server.issued}`,
      refresh_token: 'r',
      expires_in: 900,
    });
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a user who signs in after another user does not get the token of that user', async () => {
  const sallyport = createSallyport('http://api.test');
  await sallyport.signIn('ada', 'p');
  expect([await sallyport.accessToken(), await sallyport.accessToken()]).toEqual(['ada 1', 'ada 1']);
  await sallyport.signIn('bo', 'p');
  expect(await sallyport.accessToken()).toBe('bo 2');
});

test('a refused refresh token is dropped: the next call exchanges the session', async () => {
  vi.useFakeTimers();
  const sallyport = createSallyport('http://api.test');
  await sallyport.signIn('ada', 'p');
  await sallyport.accessToken();
  vi.advanceTimersByTime(900_000);
  server.refusesRefresh = true;
  await expect(sallyport.accessToken()).rejects.toMatchObject({ code: 'refresh_token_invalid' });
  expect(await sallyport.accessToken()).toBe('ada 2');
});

describe('a session of the old provider', () => {
  /** An API without a session of this browser, which answers an exchange so. */
  const answering = (status: number) => {
    vi.stubGlobal('fetch', async (url: string) => {
      const isExchange = new URL(url).pathname === '/v1/legacy/sessions';
      return Response.json({ title: 'Refused', code: 'refused' }, { status: isExchange ? status : 401 });
    });
    return createSallyport('http://api.test', async () => 'old').user();
  };

  test.each([401, 403, 404])('that is refused with %i leaves the user to sign in', async (status) => {
    expect(await answering(status)).toBe(null);
  });

  test.each([429, 503])('whose exchange fails with %i is an error: it may go on later', async (status) => {
    await expect(answering(status)).rejects.toMatchObject({ status });
  });
});
