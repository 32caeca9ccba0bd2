// For tests only: an installation as `npm start` has it, with the MCP server at `/mcp` of the API, and a user with a browser.

import { patiently, type TestUser } from '#tools/testing/flows/flows.ts';
import { openBrowser } from '#tools/testing/flows/oauth-browser.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { randomFreePort } from '../platform/local/ports.ts';

type ClientsHarness = ApiHarness & {
  readonly api: ApiCopy;
  readonly mcpUrl: string;
  readonly user: TestUser;
  /** Follows an authorization of the user, who allows all that the page offers. Returns where the browser was sent. */
  signIn(authorization: URL): Promise<URL>;
};

/** @param settings of the API besides open registration */
export async function openClientsHarness(settings: Readonly<Record<string, string>> = {}): Promise<ClientsHarness> {
  const harness = await openApiHarness();
  const port = await randomFreePort();
  const publicUrl = `http://127.0.0.1:${port}`;
  const env = { CLIENT_REGISTRATION: 'open', ...settings };
  const api = await harness.startCopy({ hashes: false, port, publicUrl, env });
  const user = await newSignedIn(api);
  return {
    ...harness,
    api,
    mcpUrl: `${publicUrl}/mcp`,
    user,
    signIn: async ({ pathname, search }) => {
      const browser = openBrowser(api.url, publicUrl);
      for (const pair of user.cookie.split('; ')) browser.cookies.set(...(pair.split(/=(.*)/s) as [string, string]));
      let shown = await patiently(() => browser.open(pathname + search));
      if (shown.leftFor === null) {
        const offered = [...shown.text.matchAll(/name="scope" value="([^"]+)"/g)].map(([, scope]) => scope as string);
        const page = shown;
        shown = await patiently(() => browser.submit(page, { decision: 'allow', scope: offered }));
      }
      if (shown.leftFor === null) throw new Error(`the user was not sent back: ${shown.text}`);
      return shown.leftFor;
    },
  };
}
