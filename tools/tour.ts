/** `npm run tour`: five requests to the running product and its tasks API, from the public keys to another user's 403. */
import { randomBytes } from 'node:crypto';
import { findApi, findTasks } from '#cli/api-client.ts';
import { CommandError } from '#cli/exit-codes.ts';
import { ask, expected, say } from './asking.ts';

async function tour(): Promise<void> {
  const [api, tasks] = [findApi(undefined), process.env.TASKS ?? findTasks()];
  if (tasks === undefined)
    throw new Error('no tasks API is running from this data directory: npm start -- --with tasks');

  const { keys } = await expected('public keys', ask(`${api}/.well-known/jwks.json`), 200);
  say(
    `1. public keys   ${(keys as { kid: string; alg: string }[]).map(({ kid, alg }) => `${kid} (${alg})`).join(', ')}`,
  );

  const json = {
    email: `tour-${randomBytes(6).toString('hex')}@example.test`,
    password: randomBytes(18).toString('base64url'),
  };
  const signedUp = await expected('sign-up', ask(`${api}/api/auth/signup`, { json }), 201);
  const user = (signedUp.user as { id: string }).id;
  say(`2. sign up       ${json.email}, user ${user}`);

  const signedIn = await expected('sign-in', ask(`${api}/api/auth/signin`, { json }), 200);
  const tokens = signedIn.tokens as { access_token: string; expires_in: number };
  const authorization = `Bearer ${tokens.access_token}`;
  say(`3. sign in       an access token for ${tokens.expires_in} s`);

  const own = `${tasks}/api/${user}/tasks`;
  await expected('new task', ask(own, { authorization, json: { title: 'take the tour' } }), 201);
  const listed = await expected('own tasks', ask(own, { authorization }), 200);
  say(`4. own tasks     ${(listed as unknown as { title: string }[]).map(({ title }) => title).join(', ')}`);

  const others = await expected("another user's tasks", ask(`${tasks}/api/another-user/tasks`, { authorization }), 403);
  say(`5. another's     403 ${others.code}`);
}

try {
  await tour();
} catch (err) {
  const { message, fix } = err as Error & Partial<CommandError>;
  process.stderr.write(`tour: ${message}${err instanceof CommandError && fix ? `\n  fix: ${fix}` : ''}\n`);
  process.exitCode = 1;
}
