// For tests only: what the conformance suite of MCP starts for each of its client scenarios, with the URL of its server.
import * as mcp from '@modelcontextprotocol/client';
import { openAgent } from '#examples/payments/agent.ts';

const { MCP_CONFORMANCE_SCENARIO: scenario, MCP_CONFORMANCE_CONTEXT: context = '{}', PINNED_ISSUER } = process.env;
const server = new URL(process.argv[2] as string);
const given = JSON.parse(context);
const { client_id: clientId, client_secret: clientSecret, issuer, toolCalls, valid_jwt: token } = given;
// The suite ends the shell that started this process, and not this process.
setTimeout(() => process.exit(1), 100_000).unref();
const REDIRECT = 'http://127.0.0.1:8976/callback';

/** What a client keeps; the SDK stamps each with the issuer that it is of. */
const kept: Record<string, never> = {};
const keep = (name: string) => (value: unknown) => void Object.assign(kept, { [name]: value });
if (issuer) keep('client')({ client_id: clientId, client_secret: clientSecret, issuer });

const dpop = scenario?.startsWith('auth/dpop') ? await mcp.DpopSession.create() : undefined;
/** What an application of a user gives its SDK: where it keeps things, and a browser. */
const ofUser: mcp.OAuthClientProvider = {
  redirectUrl: REDIRECT,
  clientMetadataUrl: 'https://conformance-test.local/client-metadata.json',
  clientMetadata: { redirect_uris: [REDIRECT], grant_types: ['authorization_code', 'refresh_token'] },
  clientInformation: () => kept.client,
  saveClientInformation: keep('client'),
  tokens: () => kept.tokens,
  saveTokens: keep('tokens'),
  saveCodeVerifier: keep('verifier'),
  codeVerifier: () => kept.verifier as never,
  saveDiscoveryState: keep('discovery'),
  discoveryState: () => kept.discovery,
  redirectToAuthorization: keep('asked'),
  dpop: () => dpop,
};

/** Lists the tools and calls each. A call that the server answers with an error does not keep the others from theirs. */
async function use(authProvider: mcp.OAuthClientProvider, authorizationsLeft = 3): Promise<void> {
  const client = new mcp.Client(
    { name: 'sallyport-test', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities: { elicitation: {} } },
  );
  client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { confirmed: true } }));
  const transport = new mcp.StreamableHTTPClientTransport(server, { authProvider });
  try {
    await client.connect(transport);
    const { tools } = await client.listTools();
    const called = { a: 2, b: 3, schema: tools[0]?.inputSchema };
    for (const call of toolCalls ?? tools.map(({ name }) => ({ name, arguments: called })))
      await client.callTool(call).catch((err) => (err instanceof mcp.UnauthorizedError ? Promise.reject(err) : err));
    await client.close();
  } catch (err) {
    if (!(err instanceof mcp.UnauthorizedError && kept.asked && authorizationsLeft > 0)) throw err;
    const answer = await fetch(kept.asked, { redirect: 'manual' });
    await transport.finishAuth(new URL(answer.headers.get('location') as string).searchParams);
    delete kept.discovery;
    await use(authProvider, authorizationsLeft - 1);
  }
}

/** Those of clients without a user. */
const scenarios: Readonly<Record<string, (expectedIssuer: string) => Promise<void>>> = {
  'auth/client-credentials-basic': async (sallyport) =>
    (await openAgent({ sallyport, payments: server.href, clientId, clientSecret })).close(),
  'auth/client-credentials-jwt': (expectedIssuer) => {
    const key = { privateKey: given.private_key_pem, algorithm: given.signing_algorithm };
    return use(new mcp.PrivateKeyJwtProvider({ clientId, ...key, expectedIssuer }));
  },
  'auth/enterprise-managed-authorization': (expectedIssuer) => {
    const idp = { tokenEndpoint: given.idp_token_endpoint, idToken: given.idp_id_token, clientId: given.idp_client_id };
    const assertion: mcp.AssertionCallback = async ({ authorizationServerUrl: audience, resourceUrl: resource }) =>
      (await mcp.requestJwtAuthorizationGrant({ ...idp, audience, resource })).jwtAuthGrant;
    return use(new mcp.CrossAppAccessProvider({ clientId, clientSecret, assertion, expectedIssuer }));
  },
  'auth/wif-jwt-bearer': (expectedIssuer) =>
    use(new mcp.CrossAppAccessProvider({ clientId, clientSecret, assertion: async () => token, expectedIssuer })),
};

const withoutUser = scenarios[String(scenario)];
if (withoutUser === undefined) await use(ofUser);
else {
  // An issuer is configured with the credentials. The suite does not say it, so it is read before the flow begins.
  const named = await mcp.discoverOAuthProtectedResourceMetadata(server);
  await withoutUser(PINNED_ISSUER ?? String(named.authorization_servers?.[0]));
}
