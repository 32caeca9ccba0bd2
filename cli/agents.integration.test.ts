import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { openCliHarness } from './cli-harness.ts';

const harness = opened(openCliHarness);

const json = (...args: readonly string[]) => harness.json(args);

test('sallyport agents registers, lists, shows and kills', async () => {
  const owner = randomUUID();
  await harness.ports.raw('INSERT INTO users (id, email) VALUES ($1, $2)', [owner, `${owner}@example.test`]);
  const act = ['--reason', 'test', '--yes'];
  const made = await json('agents', 'register', 'Planner', '--owner', owner, '--capabilities', 'plan', ...act);
  expect(made).toMatchObject({ owner_id: owner, name: 'Planner', capabilities: ['plan'], status: 'active' });
  expect(made.client_secret).toMatch(/^[\w-]{43}$/);
  expect((await json('agents', 'list', '--owner', owner)).agents).toMatchObject([{ agent_id: made.agent_id }]);
  expect((await harness.sallyport(['agents', 'show', made.agent_id])).out).toContain('Planner');
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
