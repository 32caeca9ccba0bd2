import { SinkRefusedError } from '#services/domain/ports.ts';

const ANSWER_BYTES_MAX = 65_536;

export type SinkAnswer = { readonly status: number; readonly text: string; readonly headers: Headers };

/** Sends one request to a sink, without redirects and with a bounded answer. Throws network errors unchanged. */
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

/** A 4xx answer is permanent; any other failure may pass. */
export function failed({ status }: SinkAnswer): Error {
  return status >= 400 && status < 500 && status !== 408 && status !== 429
    ? new SinkRefusedError(`http_${status}`)
    : Object.assign(new Error(`the sink answered ${status}`), { code: `http_${status}` });
}
