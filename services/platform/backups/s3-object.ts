import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { encode, queryText } from '../checkpoints/s3-requests.ts';
import { type S3Credentials, signV4 } from '../checkpoints/signature-v4.ts';
import type { BackupConfig } from '../config/backups.ts';
import { backupPlaceInvalid, backupStoreRefused, backupStoreUnavailable } from './errors.ts';

const ANSWER_BYTES_MAX = 1_000_000;
const ANSWER_TIMEOUT_MS = 120_000;
export const PAUSES_MS = [200, 1_000, 3_000, 9_000];

export type S3Object = {
  readonly place: string;
  readonly bucketUrl: string;
  readonly key: string;
  readonly region: string;
  readonly credentials: S3Credentials;
};

export const isS3Place = (place: string): boolean => place.startsWith('s3://');

/** A folder is a prefix of keys, which ends with a slash. */
export const isS3Folder = (place: string): boolean => isS3Place(place) && place.endsWith('/');

/** @throws backupPlaceInvalid (400) */
export function objectOf(place: string, config: BackupConfig): S3Object {
  const [, bucket, key] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/([^?#]{1,1024})$/.exec(place) ?? [];
  const { s3Endpoint, s3Region: region, s3AccessKeyId, s3SecretAccessKey } = config;
  // An address with `..` names another place than it seems to.
  const names = key?.split('/') ?? [''];
  if (bucket === undefined || key === undefined || names.some((name) => ['', '.', '..'].includes(name)))
    throw backupPlaceInvalid({ detail: `${place} is not s3://bucket/key` });
  if (s3AccessKeyId === undefined || s3SecretAccessKey === undefined)
    throw backupPlaceInvalid({ detail: 'BACKUP_S3_ACCESS_KEY_ID and BACKUP_S3_SECRET_ACCESS_KEY are not set' });
  const bucketUrl = s3Endpoint
    ? `${s3Endpoint.replace(/\/+$/, '')}/${bucket}`
    : `https://${bucket}.s3.${region}.amazonaws.com`;
  const credentials = { accessKeyId: s3AccessKeyId, secretAccessKey: s3SecretAccessKey };
  return { place, bucketUrl, key: names.map(encode).join('/'), region, credentials };
}

type Request = {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** The bucket, not the object. */
  readonly isOfBucket?: boolean;
};

/** By node:http: `fetch` ends the process when the connection of an answer breaks that its reader has paused. */
export async function send(object: S3Object, request: Request, signal: AbortSignal): Promise<IncomingMessage> {
  const { method, query = {}, headers = {}, body = '' } = request;
  const url = new URL(request.isOfBucket ? object.bucketUrl : `${object.bucketUrl}/${object.key}`);
  url.search = queryText(query);
  const signed = await signV4({ method, url, headers, body }, object.region, object.credentials, Date.now());
  const length = { 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((done, fail) => {
    const ask = url.protocol === 'https:' ? httpsRequest : httpRequest;
    ask(url, { method, headers: { ...signed, ...(body.length > 0 ? length : {}) }, signal }, done)
      .once('error', fail)
      .end(body);
  });
}

export const member = (xml: string, name: string): string | undefined =>
  new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]?.replaceAll('&quot;', '"').replaceAll('&amp;', '&');

type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string };

export const isPassing = (status: number): boolean => status >= 500 || status === 429 || status === 408;

export const refused = (object: S3Object, { status, text }: Answer): Error =>
  backupStoreRefused({
    detail: `${object.place}: ${[status, /^\w+$/.exec(member(text, 'Code') ?? '')?.[0]].filter(Boolean).join(' ')}`,
  });

export async function answerOf(response: IncomingMessage): Promise<Answer> {
  let text = '';
  for await (const chunk of response as AsyncIterable<Buffer>) {
    text += chunk.toString('latin1');
    if (text.length > ANSWER_BYTES_MAX) throw new Error('its answer is too long');
  }
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}

/** `HTTP 503`, `ECONNREFUSED`, `TimeoutError`. */
function reasonOf(err: unknown): string {
  const { message, name, code } = err as { message: string; name: string; code?: string };
  return code ?? (name === 'Error' ? message : name);
}

export const unavailable = (object: S3Object, cause: unknown) =>
  backupStoreUnavailable({ detail: `${object.place} (${reasonOf(cause)})`, cause });

/** Retries until an answer is final. @throws backupStoreUnavailable */
export async function ask(object: S3Object, request: Request, pausesMs: readonly number[]): Promise<Answer> {
  for (let tried = 0; ; tried += 1) {
    try {
      const answer = await answerOf(await send(object, request, AbortSignal.timeout(ANSWER_TIMEOUT_MS)));
      // The answer to the end of an upload begins before its result is known.
      if (!isPassing(answer.status) && !(answer.status === 200 && /<Error>/.test(answer.text))) return answer;
      throw new Error(`HTTP ${answer.status} ${member(answer.text, 'Code') ?? ''}`.trim());
    } catch (err) {
      if (tried >= pausesMs.length) throw unavailable(object, err);
      await sleep(pausesMs[tried]);
    }
  }
}
