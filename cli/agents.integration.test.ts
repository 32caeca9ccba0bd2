import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { openCliHarness } from './cli-harness.ts';

const harness = opened(openCliHarness);

const json = (...args: readonly string[]) => harness.json(args);

test('sallyport agents registers, lists, shows and kills', async () => {
  const owner = randomUUID();
  await harness.ports.raw`INSERT INTO users (id, email) VALUES (${owner}, ${`${owner}@example.test`})`;
  const act = ['--reason', 'test', '--yes'];
  const made = await json('agents', 'register', 'Planner', '--owner', owner, '--capabilities', 'plan', ...act);
  expect(made).toMatchObject({ owner_id: owner, name: 'Planner', capabilities: ['plan'], status: 'active' });
  expect(made.client_secret).toMatch(/^[\w-]{43}$/);
  expect((await json('agents', 'list', '--owner', owner)).agents).toMatchObject([{ agent_id: made.agent_id }]);
  expect((await harness.sallyport(['agents', 'show', made.agent_id])).out).toContain('Planner');
  const limit = (...given: readonly string[]) =>
    json('agents', 'limit', made.agent_id, 'payments.send', ...given, ...act);
  const amounts = ['--amounts-a-day', 'EUR=100,USD=0.5', '--amount-at', '/sum/of'];
  expect((await limit('--acts-a-day', '0', ...amounts)).limits).toMatchObject([
    { act: 'payments.send', acts_a_day: 0, amounts_a_day: { EUR: 100, USD: 0.5 }, amount_at: '/sum/of' },
  ]);
  const { out: why } = await harness.sallyport(['agents', 'why', made.agent_id]);
  expect(why).toMatch(
    /^payments.send {2}0 of 0 acts, 0 of 100 EUR, 0 of 0.5 USD today {2}set by administrator {2}reached until 2/m,
  );
  expect(await limit('--no-acts-a-day')).toEqual({ limits: [] });
  expect(await json('agents', 'kill', made.agent_id, '--reason', 'x', '--dry-run')).toMatchObject({ dry_run: true });
  const killed = await json('agents', 'kill', made.agent_id, ...act);
  expect(killed).toMatchObject({ status: 'killed' });
  expect(await json('agents', 'kill', made.agent_id, ...act)).toEqual(killed);
  const beyond = ['agents', 'register', 'X', '--owner', owner, '--scopes', 'keys:manage', ...act];
  expect((await harness.sallyport(beyond)).err).toContain('keys:manage');
  expect((await harness.sallyport(['agents', 'register', 'X', '--owner', owner, '--jwks', '/none', ...act])).code).toBe(
    2,
  );
});
