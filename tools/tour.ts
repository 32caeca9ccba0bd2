/** `npm run tour`: five requests to the running product and its tasks API, from the public keys to another user's 403. */
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { findApi, findTasks } from '#cli/api-client.ts';
import { CommandError } from '#cli/exit-codes.ts';

type Answer = { readonly status: number; readonly body: Record<string, unknown> };

const TRIES = 10;

/** Asks; what a busy machine refuses by 503 is asked again after the time that the answer names, and is done once. */
async function ask(url: string, { json, bearer }: { json?: object; bearer?: string } = {}): Promise<Answer> {
  const request: RequestInit = {
    headers: {
      ...(json ? { 'content-type': 'application/json', 'idempotency-key': randomUUID() } : {}),
      ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
    },
    ...(json ? { method: 'POST', body: JSON.stringify(json) } : {}),
  };
  for (let left = TRIES; ; left -= 1) {
    const answer = await fetch(url, { ...request, signal: AbortSignal.timeout(10_000) });
    const text = await answer.text();
    if (answer.status === 503 && left > 1) await sleep(1_000 * Number(answer.headers.get('retry-after') ?? 1));
    else return { status: answer.status, body: text === '' ? {} : JSON.parse(text) };
  }
}

function expectStatus(what: string, { status, body }: Answer, expected: number): void {
  if (status !== expected) throw new Error(`${what}: expected ${expected}, got ${status} ${JSON.stringify(body)}`);
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function tour(): Promise<void> {
  const [api, tasks] = [findApi(undefined), process.env.TASKS ?? findTasks()];
  if (tasks === undefined)
    throw new Error('no tasks API is running from this data directory: npm start -- --with tasks');

  const jwks = await ask(`${api}/.well-known/jwks.json`);
  expectStatus('public keys', jwks, 200);
  say(
    `1. public keys   ${(jwks.body.keys as { kid: string; alg: string }[]).map(({ kid, alg }) => `${kid} (${alg})`).join(', ')}`,
  );

  const [email, password] = [
    `tour-${randomBytes(6).toString('hex')}@example.test`,
    randomBytes(18).toString('base64url'),
  ];
  const signedUp = await ask(`${api}/api/auth/signup`, { json: { email, password } });
  expectStatus('sign-up', signedUp, 201);
  const user = (signedUp.body.user as { id: string }).id;
  say(`2. sign up       ${email}, user ${user}`);

  const signedIn = await ask(`${api}/api/auth/signin`, { json: { email, password } });
  expectStatus('sign-in', signedIn, 200);
  const tokens = signedIn.body.tokens as { access_token: string; expires_in: number };
  const bearer = tokens.access_token;
  say(`3. sign in       an access token for ${tokens.expires_in} s`);

  const own = `${tasks}/api/${user}/tasks`;
  expectStatus('new task', await ask(own, { bearer, json: { title: 'take the tour' } }), 201);
  const listed = await ask(own, { bearer });
  expectStatus('own tasks', listed, 200);
  say(`4. own tasks     ${(listed.body as unknown as { title: string }[]).map(({ title }) => title).join(', ')}`);

  const others = await ask(`${tasks}/api/another-user/tasks`, { bearer });
  expectStatus("another user's tasks", others, 403);
  say(`5. another's     ${others.status} ${others.body.code}`);
}

try {
  await tour();
} catch (err) {
  const { message, fix } = err as Error & Partial<CommandError>;
  process.stderr.write(`tour: ${message}${err instanceof CommandError && fix ? `\n  fix: ${fix}` : ''}\n`);
  process.exitCode = 1;
}
