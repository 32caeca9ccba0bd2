import { setTimeout as sleep } from 'node:timers/promises';
import { type Login, now } from '../ledger.ts';
import type { Scene } from '../rewinds.ts';
import { Broken, newLogin } from './case.ts';

const LATER_MS = 60_000;

/** The answer to a refresh is lost, and its client comes again a minute later: it gets the same successor. */
export const LOST_ANSWER = 'a client whose answer was lost gets the same successor a minute later';

type Begun = { readonly login: Login; readonly lost: string; readonly successor: string; readonly atMs: number };

/** Begins it; other things go on meanwhile. */
export async function loseAnswer(scene: Scene): Promise<Begun> {
  const login = await newLogin(scene);
  // Nothing else presents its tokens, so that the successor stays unused.
  login.isBusy = true;
  const lost = login.refreshToken;
  const { status, body } = await scene.clients.present(login, lost, 'A', { timeoutMs: 20_000 });
  if (status !== 200) throw new Error(`the first answer was ${status}`);
  return { login, lost, successor: body.refresh_token, atMs: now() };
}

/** Waits until the minute is over. @throws Broken */
export async function repeatLost({ clients }: Scene, { login, lost, successor, atMs }: Begun): Promise<void> {
  await sleep(Math.max(0, atMs + LATER_MS - now()));
  let answer = await clients.present(login, lost, 'B');
  for (let at = 0; (answer.status === 503 || answer.status === 0) && at < 60; at += 1) {
    await sleep(250);
    answer = await clients.present(login, lost, 'B');
  }
  login.isBusy = false;
  if (answer.status !== 200) throw new Broken(`answered ${answer.status} ${answer.body?.code}`, login);
  if (answer.body.refresh_token !== successor) throw new Broken('another successor', login);
}
