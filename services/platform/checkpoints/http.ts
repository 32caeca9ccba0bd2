import { SinkRefusedError } from '#services/domain/ports.ts';

const ANSWER_BYTES_MAX = 65_536;

export type SinkAnswer = { readonly status: number; readonly text: string; readonly headers: Headers };

/** One request to a sink: no redirects, an answer of bounded size. Throws what is not HTTP as it comes. */
export async function ask(url: string, init: RequestInit, signal: AbortSignal): Promise<SinkAnswer> {
  const response = await fetch(url, { ...init, signal, redirect: 'error' });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > ANSWER_BYTES_MAX) throw new SinkRefusedError('answer_too_large');
    chunks.push(chunk);
  }
  return { status: response.status, text: Buffer.concat(chunks).toString('utf8'), headers: response.headers };
}

/** 4xx will not pass by waiting; everything else may. */
export function failed({ status }: SinkAnswer): Error {
  return status >= 400 && status < 500 && status !== 408 && status !== 429
    ? new SinkRefusedError(`http_${status}`)
    : Object.assign(new Error(`the sink answered ${status}`), { code: `http_${status}` });
}
