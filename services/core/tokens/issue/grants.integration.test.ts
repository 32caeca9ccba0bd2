import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { expectOAuthError, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const copy = opened(() => harness.startCopy({ hashes: false }));
const client = opened(() => harness.newClient(['tokens:issue', 'tokens:introspect']));

const ask = (form: Readonly<Record<string, string>>) =>
  send(copy.url, 'POST', '/oauth2/token', { basic: client, form });

describe('the token endpoint', () => {
  test('RFC 6749 §3.2: a parameter without a value counts as left out', async () => {
    const empty = { scope: '', resource: '', audience: '', client_id: '' };
    const { status, body, text } = await ask({ grant_type: 'client_credentials', ...empty });
    expect([status, body?.scope], text).toEqual([200, 'tokens:issue tokens:introspect']);
    expect(decodeJwt(body.access_token).aud).toBe(copy.ports.tokenSettings.audience);
  });

  test.each([[{}], [{ refresh_token: '' }]])(
    'a refresh with %o gets an error that names the missing parameter',
    async (form) => {
      const answer = await ask({ grant_type: 'refresh_token', ...form });
      expectOAuthError(answer, 400, 'invalid_request', 'request_invalid');
      expect(answer.body.problems).toEqual([{ at: 'body/refresh_token', why: 'is required' }]);
    },
  );
});
