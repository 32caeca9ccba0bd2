import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export type Answer = { readonly status: number; readonly body: Record<string, unknown> };

export const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Asks; what an answer says can be asked again is, after the time that it names, and is done once. */
export async function ask(
  url: string,
  { json, authorization }: { readonly json?: object; readonly authorization?: string } = {},
): Promise<Answer> {
  const request: RequestInit = {
    headers: {
      ...(json ? { 'content-type': 'application/json', 'idempotency-key': randomUUID() } : {}),
      ...(authorization ? { authorization } : {}),
    },
    ...(json ? { method: 'POST', body: JSON.stringify(json) } : {}),
  };
  for (let left = 10; ; left -= 1) {
    const answer = await fetch(url, { ...request, signal: AbortSignal.timeout(30_000) });
    const [text, seconds] = [await answer.text(), answer.headers.get('retry-after')];
    if ([429, 503].includes(answer.status) && left > 1) await sleep(1_000 * Number(seconds ?? 1));
    else return { status: answer.status, body: text === '' ? {} : JSON.parse(text) };
  }
}

/** The body of an answer. Throws if its status is another. */
export async function expected(what: string, asked: Promise<Answer>, status: number): Promise<Answer['body']> {
  const answer = await asked;
  if (answer.status !== status)
    throw new Error(`${what}: expected ${status}, got ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}
