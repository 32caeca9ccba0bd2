// For tests only: a separate OpenID Provider, and a browser that signs in there.
import { createServer } from 'node:http';
import { type Context, type Grant, Provider } from 'oidc-provider';
import { listening } from '../listening.ts';

export type ProviderAccount = {
  readonly sub: string;
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly name?: string;
};

type GivenTokens = { readonly access_token: string; readonly id_token: string };

export type TestProvider = {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Follows an authorization request as this account's browser; where the provider then sends it. */
  signIn(authorizationUrl: string, account: ProviderAccount): Promise<URL>;
  /** Responses of its token endpoint, newest first. */
  readonly tokens: readonly GivenTokens[];
  close(): Promise<void>;
};

const CLIENT = { client_id: 'sallyport-test', client_secret: 'a secret of the tests alone, long enough' } as const;
const ACCOUNT_HEADER = 'x-account';

/** @param redirectUris where the one client may be sent back to */
export async function startOidcProvider(redirectUris: readonly string[]): Promise<TestProvider> {
  const accounts = new Map<string, ProviderAccount>();
  const server = createServer((request, response) => {
    if (!request.url?.startsWith('/interaction/')) return handle(request, response);
    const accountId = String(request.headers[ACCOUNT_HEADER]);
    void provider.interactionFinished(request, response, { login: { accountId } });
  });
  const { url: issuer, close } = await listening(server);
  const provider = new Provider(issuer, {
    clients: [{ ...CLIENT, redirect_uris: redirectUris, token_endpoint_auth_method: 'client_secret_post' }],
    clientDefaults: { grant_types: ['authorization_code'], response_types: ['code'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    pkce: { required: () => true },
    ttl: { Interaction: 600, Grant: 600, Session: 600, AccessToken: 600, AuthorizationCode: 60, IdToken: 600 },
    cookies: { keys: ['a key of the tests alone'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context: Context, { uid }: { uid: string }) => `/interaction/${uid}` },
    findAccount: (_context: Context, sub: string) => ({ accountId: sub, claims: () => accounts.get(sub) }),
    // Every user consents to every scope.
    loadExistingGrant: async ({ oidc }: Context): Promise<Grant> => {
      const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  });
  const handle = provider.callback();
  const tokens: GivenTokens[] = [];
  provider.on('grant.success', ({ body }) => void tokens.unshift(body));

  return {
    issuer,
    clientId: CLIENT.client_id,
    clientSecret: CLIENT.client_secret,
    tokens,
    async signIn(authorizationUrl, account) {
      accounts.set(account.sub, account);
      const cookies = new Map<string, string>();
      let url = new URL(authorizationUrl);
      while (url.origin === issuer) {
        const answer = await fetch(url, {
          redirect: 'manual',
          headers: {
            cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
            [ACCOUNT_HEADER]: account.sub,
          },
        });
        const location = answer.headers.get('location');
        if (location === null) throw new Error(`the provider answers ${answer.status}: ${await answer.text()}`);
        for (const line of answer.headers.getSetCookie()) {
          const [pair = ''] = line.split(';', 1);
          cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
        }
        url = new URL(location, url);
      }
      return url;
    },
    close,
  };
}
