import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export type ActionTimes = { readonly measured: number; readonly seconds_p50: number; readonly seconds_max: number };

const HOME = { 'x-forwarded-for': '194.25.2.129', 'user-agent': 'Firefox at home' };
const AWAY = { 'x-forwarded-for': '133.11.0.1', 'user-agent': 'curl/8.21' };
const LOST_MS = 30_000;
const POLL_MS = 20;

type Answer = { readonly tokens: { readonly access_token: string } };

async function post(url: string, headers: Readonly<Record<string, string>>, body: object): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

/**
 * Seconds from the answer to a sign-in in a country that its user cannot have reached, until the API refuses the token of
 * that sign-in. Through the API, with the sealing and detection of the running workers.
 */
export async function measureActions(api: string, count: number, say: (text: string) => void): Promise<ActionTimes> {
  const seconds: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const login = { email: `${randomBytes(8).toString('hex')}@people.test`, password: randomBytes(16).toString('hex') };
    const made = await post(`${api}/api/auth/signup`, HOME, { ...login, name: 'Replay' });
    if (made.status >= 300) throw new Error(`sign-up: ${made.status} ${await made.text()}`);
    await signIn(api, login, HOME);
    const stolen = await signIn(api, login, AWAY);
    const answeredAt = performance.now();
    await refused(api, stolen.tokens.access_token, answeredAt);
    seconds.push((performance.now() - answeredAt) / 1_000);
    say(`action ${n + 1} of ${count} after ${seconds.at(-1)?.toFixed(2)} s`);
    // Runs of the job are a second apart: the next sign-in meets another part of that time.
    await sleep(Math.random() * 1_000);
  }
  seconds.sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round((seconds[Math.floor((seconds.length - 1) * share)] ?? 0) * 100) / 100;
  return { measured: seconds.length, seconds_p50: at(0.5), seconds_max: at(1) };
}

async function signIn(api: string, login: object, from: Readonly<Record<string, string>>): Promise<Answer> {
  const answer = await post(`${api}/api/auth/signin`, from, login);
  if (answer.status !== 200) throw new Error(`sign-in: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Answer;
}

async function refused(api: string, token: string, since: number): Promise<void> {
  for (;;) {
    const answer = await fetch(`${api}/api/auth/factors`, { headers: { authorization: `Bearer ${token}`, ...AWAY } });
    if (answer.status === 401) return;
    if (performance.now() - since > LOST_MS) throw new Error('the session was not ended');
    await sleep(POLL_MS);
  }
}
