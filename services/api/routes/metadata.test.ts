import { expect, test } from 'vitest';
import { serve } from '../route-harness.ts';
import { type MetadataRoutesDeps, metadataRoutes } from './metadata.ts';

function serveMetadata(issuer: string) {
  const served = serve();
  metadataRoutes(served.routes, {
    issuer,
    publicUrl: 'https://api.example.test',
    bindsCertificates: false,
    certificateAuthorities: { exist: false },
    access: { publishedScopes: () => [], publishedDetailTypes: () => [] },
    grants: [],
    clientSettings: { registration: 'off', readsDocuments: false },
    tokenSettings: { mcpAudiences: [] },
    keyRing: { list: () => [] },
  } as unknown as MetadataRoutesDeps);
  return served;
}

test.each(['https://iss.example/x/y-1', 'https://iss.example/x/y-1/'])(
  'a client that knows only the issuer %s finds its metadata by path (RFC 8414 §3.1, OpenID Connect Discovery §4)',
  async (issuer) => {
    const { ask, bound } = serveMetadata(issuer);
    for (const [ofIssuer, path] of [
      ['/.well-known/oauth-authorization-server/x/y-1', '/.well-known/oauth-authorization-server'],
      ['/x/y-1/.well-known/openid-configuration', '/.well-known/openid-configuration'],
    ] as const) {
      const found = await ask('GET', ofIssuer);
      expect(found).toMatchObject({ status: 200, body: { issuer } });
      expect(found.text).toBe((await ask('GET', path)).text);
      expect(bound.map((endpoint) => endpoint.path)).toContain(ofIssuer);
    }
  },
);

test('an issuer without a path, or whose path would be a route pattern, has no second address', () => {
  for (const issuer of [
    'https://iss.example',
    'https://iss.example/',
    'https://iss.example/:any',
    'https://i.example/*',
  ])
    expect([issuer, serveMetadata(issuer).bound.length]).toEqual([issuer, 3]);
});
