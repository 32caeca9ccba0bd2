// Signs a user up, calls the tasks API, and signs in again when the session ended. Run: node tasks.ts, with API and TASKS.
// In your project: `npm install @sallyport/client`, and import from '@sallyport/client'.
import { randomBytes } from 'node:crypto';
import { createClient } from '../../sdks/client/src/index.ts';

const { API: url = 'http://localhost:3000', TASKS: tasks = 'http://localhost:8000' } = process.env;
let accessToken = '';
const api = createClient({ url, authorization: () => (accessToken ? `Bearer ${accessToken}` : undefined) });

const password = randomBytes(18).toString('base64url');
const signedUp = await api('POST /api/auth/signup', {
  body: { email: `typescript-${randomBytes(6).toString('hex')}@example.test`, password },
});
if (!signedUp.ok) throw new Error(signedUp.code);
if (!('tokens' in signedUp.data)) throw new Error('this installation asks for a verified address first');
const { user, tokens } = signedUp.data;
accessToken = tokens.access_token;

async function callTasks(method: string, path = '', task?: object): Promise<unknown> {
  const response = await fetch(`${tasks}/api/${user.id}/tasks${path}`, {
    method,
    headers: { authorization: `Bearer ${accessToken}`, ...(task ? { 'content-type': 'application/json' } : {}) },
    ...(task ? { body: JSON.stringify(task) } : {}),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.status === 204 ? undefined : response.json();
}

await callTasks('POST', '', { title: 'call from TypeScript' });
console.log(await callTasks('GET'));

const pair = await api('POST /v1/tokens/refresh', { body: { refresh_token: tokens.refresh_token } });
if (!pair.ok) throw new Error(pair.code === 'refresh_token_reused' ? 'the session ended: sign in again' : pair.code);
accessToken = pair.data.access_token;
console.log(await callTasks('GET'));
