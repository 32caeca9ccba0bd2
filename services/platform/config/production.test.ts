import { expect, test } from 'vitest';
import { missingForProduction } from './production.ts';

const namesOf = (env: Record<string, string>) => missingForProduction(env).map(({ env: name }) => name);

test('a new development installation lacks what an operator must give, whether the supervisor generated it or not', () => {
  const missing = ['BETTER_AUTH_SECRET', 'KEY_ENCRYPTION_KEY', 'BETTER_AUTH_URL'];
  expect(namesOf({})).toEqual(expect.arrayContaining(missing));
  const running = {
    BETTER_AUTH_SECRET: 'generated-secret-of-more-than-32-bytes',
    BETTER_AUTH_URL: 'http://localhost:3000',
    MCP_URL: 'http://localhost:3001/mcp',
    SALLYPORT_GENERATED: 'BETTER_AUTH_SECRET,BETTER_AUTH_URL,MCP_URL',
  };
  expect(missingForProduction(running)).toEqual(missingForProduction({}));
});

test('settings that production accepts leave nothing to list, under whatever profile they run', () => {
  const given = {
    SALLYPORT_PROFILE: 'development',
    BETTER_AUTH_SECRET: 'q7W2e9Rt4yU1iO5pA8sD3fG6hJ0kL-zX',
    KEY_ENCRYPTION_KEY: 'c0VjcmV0LWtleS1vZi0zMi1ieXRlcy1mb3ItdGVzdHM=',
    BETTER_AUTH_URL: 'https://auth.example.test',
  };
  const left = namesOf(given);
  expect(left).not.toContain('BETTER_AUTH_SECRET');
  expect(left).not.toContain('KEY_ENCRYPTION_KEY');
  expect(left).not.toContain('BETTER_AUTH_URL');
});
