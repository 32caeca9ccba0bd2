// Runs in an edge runtime; see edge.test.ts.
import { createVerifier, type VerifierOptions } from '../src/index.ts';
import { withAuth } from '../src/next.ts';
import { createFakeIssuer, type FakeIssuer } from '../src/testing.ts';

async function revokedOver(issuer: FakeIssuer, options: Partial<VerifierOptions>): Promise<string> {
  const verifier = createVerifier({ ...issuer.options, ...options });
  const token = await issuer.mint();
  await verifier.verify(token);
  await issuer.revoke(token);
  let code = 'active';
  for (let tries = 0; code === 'active' && tries < 500; tries += 1) {
    await new Promise((done) => setTimeout(done, 10));
    ({ code } = await verifier.verify(token));
  }
  verifier.close();
  return code;
}

export async function run(): Promise<unknown> {
  const issuer = await createFakeIssuer();
  const verifier = createVerifier(issuer.options);
  const token = await issuer.mint({ sub: 'ada' });
  const client = await issuer.newDpopClient();
  const bound = await issuer.mint({ cnf: { jkt: client.jkt } });
  const [method, url] = ['GET', 'https://tasks.test/tasks'];
  const proof = await client.proof(method, url, bound);
  const failures: string[] = [];
  const file = createVerifier({
    ...issuer.options,
    ...{ feed: 'file', feedFile: '/feed.json' },
    onEvent: (event) => {
      if (event.type === 'feed_failed') failures.push(event.error.message);
    },
  });
  await file.refresh();
  file.close();
  const handler = withAuth(verifier, (_request, { auth }) => Response.json(auth.claims.sub));
  const refused = await handler(new Request(url), {});
  const accepted = await handler(new Request(url, { headers: { authorization: `Bearer ${token}` } }), {});
  const result = {
    first: (await verifier.verify(token)).code,
    dpop: (await verifier.verify(bound, { dpop: { proof, method, url } })).code,
    tampered: (await verifier.verify(`${token.slice(0, -10)}AAAAAAAAAA`)).code,
    revoked: await revokedOver(issuer, { feedInterval: 0.05 }),
    stream: await revokedOver(issuer, { feed: 'sse' }),
    response: [refused.status, refused.headers.get('www-authenticate')],
    handler: [accepted.status, await accepted.json()],
    file: failures[0],
  };
  verifier.close();
  return result;
}
