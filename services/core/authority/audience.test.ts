import { expect, test } from 'vitest';
import type { Audience } from '#services/platform/define/endpoint.ts';
import { agentCaller, callerAt, clientCaller, testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
import { assertIsFor } from './audience.ts';

const CALLERS: Record<string, Caller> = {
  person: userCaller('u'),
  delegated: userCaller('u', { clientId: 'a', actingId: 'a', agentId: 'a' }),
  key: userCaller('u', { by: 'api_key' }),
  client: clientCaller('c'),
  agent: agentCaller('a', 'u'),
  system: testCaller,
  anonymous: callerAt('192.0.2.1'),
};

function codeOf(caller: Caller, audience: Audience): string {
  try {
    assertIsFor(caller, audience);
    return 'ok';
  } catch (err) {
    return (err as { code: string }).code;
  }
}

test.each([
  ['anyone', ['person', 'delegated', 'key', 'client', 'agent', 'system', 'anonymous']],
  ['user', ['person', 'delegated']],
  ['person', ['person']],
  ['owner', ['person', 'client', 'agent']],
  ['agent', ['agent']],
] as const)('an endpoint for %s is for no other caller', (audience, admitted) => {
  for (const [name, caller] of Object.entries(CALLERS)) {
    const refusal = name === 'key' ? 'api_key_not_accepted' : 'permission_missing';
    const expected = (admitted as readonly string[]).includes(name) ? 'ok' : refusal;
    expect([name, codeOf(caller, audience)]).toEqual([name, expected]);
  }
});
