/** What the console's script sends with every request. */
export const CONSOLE_HEADERS = { 'x-sallyport-console': '1' };

type Login = { readonly email: string; readonly password: string };

const MOST_REDIRECTS = 10;

/** Signs a user in at the account pages and at the console, as a browser does. @returns the cookies by name */
export async function signInAtConsole(api: string, { email, password }: Login): Promise<ReadonlyMap<string, string>> {
  const cookies = new Map<string, string>();
  const send = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = { cookie: cookieHeader(cookies), ...init.headers };
    const answer = await fetch(new URL(path, api), { ...init, headers, redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) {
      const [pair = ''] = line.split(';', 1);
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    return answer;
  };
  const headers = { 'content-type': 'application/json' };
  const signedIn = await send('/api/auth/signin', {
    method: 'POST',
    headers,
    body: JSON.stringify({ email, password }),
  });
  if (signedIn.status !== 200) throw new Error(`sign-in answered ${signedIn.status}: ${await signedIn.text()}`);
  let path = '/console/sign-in?return=/console';
  for (let redirects = 0; path !== '/console'; redirects += 1) {
    const answer = await send(path);
    const location = answer.headers.get('location');
    if (location === null || redirects === MOST_REDIRECTS)
      throw new Error(`the sign-in at the console ended at ${path} with ${answer.status}`);
    const next = new URL(location, api);
    path = next.pathname + next.search;
  }
  return cookies;
}

export const cookieHeader = (cookies: ReadonlyMap<string, string>): string =>
  [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
