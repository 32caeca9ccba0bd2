import { createHash, createPublicKey, type JsonWebKey, type KeyObject, verify } from 'node:crypto';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { EventStore, PushedEvent } from './event-store.ts';

export type ReceiverOptions = {
  /** URL of the Sallyport API, which publishes its keys below `/.well-known/jwks.json`. */
  readonly api: string;
  /** The issuer of the installation, if it is not the URL of its API. */
  readonly issuer?: string;
  /** The URL of this receiver, exactly as in HANDOFF_ENDPOINTS. */
  readonly url: string;
  readonly store: EventStore;
};

const BODY_BYTES_MAX = 65_536;
const CLOCK_SECONDS = 60;
const SIGNATURE_SECONDS_MAX = 300;
/** Keys are fetched again for an unknown `keyid`, but not more often than this. */
const REFETCH_MS = 10_000;
/** A key that is no longer published, such as a leaked one, is accepted for this time at most. */
const KEYS_MS = 300_000;
const COVERED = '"@method" "@target-uri" "content-type" "content-digest" "idempotency-key"';
const INPUT = new RegExp(
  `^sallyport=(\\(${COVERED}\\);created=(\\d{1,12});expires=(\\d{1,12});keyid="([\\w.-]{1,128})";alg="([\\w-]{1,32})";tag="sallyport-handoff")$`,
);
const SIGNATURE = /^sallyport=:([A-Za-z0-9+/]{1,1024}={0,2}):$/;

/** The request is not from Sallyport, or was altered. */
class NotAccepted extends Error {
  readonly status: number;
  constructor(status: number, why: string) {
    super(why);
    this.status = status;
  }
}

/** The algorithm follows from the key, never from the request alone: a sender cannot choose a weaker one. */
function verifies(key: KeyObject, alg: string, base: string, signature: Buffer): boolean {
  const data = Buffer.from(base);
  if (alg === 'ed25519' && key.asymmetricKeyType === 'ed25519') return verify(null, data, key, signature);
  if (alg === 'rsa-v1_5-sha256' && key.asymmetricKeyType === 'rsa') return verify('sha256', data, key, signature);
  if (alg === 'ecdsa-p256-sha256' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1')
    return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature);
  return false;
}

/** Finds keys by id in the key set of the API. */
function createKeys(api: string): (kid: string) => Promise<KeyObject | undefined> {
  let keys = new Map<string, KeyObject>();
  let triedAt = Number.NEGATIVE_INFINITY;
  let fetchedAt = Number.NEGATIVE_INFINITY;
  const isOld = (): boolean => performance.now() - fetchedAt >= KEYS_MS;
  async function load(): Promise<void> {
    triedAt = performance.now();
    const address = `${api}/.well-known/jwks.json`;
    // Keys come from the API alone: a redirect could name those of another server.
    const answer = await fetch(address, { redirect: 'error', signal: AbortSignal.timeout(5_000) });
    if (!answer.ok) throw new Error(`the key set answers ${answer.status}`);
    const set = (await answer.json()) as { readonly keys: readonly (JsonWebKey & { readonly kid: string })[] };
    keys = new Map(set.keys.map((jwk) => [jwk.kid, createPublicKey({ key: jwk, format: 'jwk' })]));
    fetchedAt = triedAt;
  }
  let loading: Promise<void> | undefined;
  return async (kid) => {
    if ((isOld() || !keys.has(kid)) && (loading || performance.now() - triedAt >= REFETCH_MS)) {
      loading ??= load().finally(() => {
        loading = undefined;
      });
      await loading;
    }
    // The API does not answer: the event is sent again later.
    if (isOld()) throw new Error('the key set is too old');
    return keys.get(kid);
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > BODY_BYTES_MAX) throw new NotAccepted(413, 'the body is too large');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/**
 * Verifies the signature of a request (RFC 9421 §3.2) and returns its event. The signature covers method, URL, type,
 * digest and id, so a request to another receiver is not accepted here.
 */
async function verifyEvent(
  { url, issuer, keyOf }: { url: string; issuer: string; keyOf: (kid: string) => Promise<KeyObject | undefined> },
  { method = '', headers }: Pick<IncomingMessage, 'method' | 'headers'>,
  body: Buffer,
): Promise<PushedEvent> {
  const header = (name: string): string => String(headers[name] ?? '');
  const [, params = '', created, expires, kid = '', alg = ''] = INPUT.exec(header('signature-input')) ?? [];
  const [, signature] = SIGNATURE.exec(header('signature')) ?? [];
  if (signature === undefined || params === '') throw new NotAccepted(401, 'the request has no signature');
  const now = Date.now() / 1_000;
  const lasts = Number(expires) - Number(created);
  if (Number(created) > now + CLOCK_SECONDS || Number(expires) < now - CLOCK_SECONDS || lasts > SIGNATURE_SECONDS_MAX)
    throw new NotAccepted(401, 'the signature is not of this time');
  const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
  if (header('content-digest') !== digest) throw new NotAccepted(401, 'the digest is not that of the body');
  const base = [
    `"@method": ${method}`,
    `"@target-uri": ${url}`,
    ...['content-type', 'content-digest', 'idempotency-key'].map((name) => `"${name}": ${header(name)}`),
    `"@signature-params": ${params}`,
  ].join('\n');
  const key = await keyOf(kid);
  if (key === undefined || !verifies(key, alg, base, Buffer.from(signature, 'base64')))
    throw new NotAccepted(401, 'the signature is not valid');
  const event = JSON.parse(body.toString()) as PushedEvent;
  if (event.source !== issuer || header('idempotency-key') !== `"${event.id}"`)
    throw new NotAccepted(401, 'the event is of another installation');
  return event;
}

/**
 * A request listener for `http.createServer`. It answers 204 once the event is stored, also for a repeated one; any other
 * answer makes Sallyport send the event again.
 */
export function createEventReceiver({ api, issuer = api, url, store }: ReceiverOptions): RequestListener {
  const keyOf = createKeys(api);
  return async (request, response) => {
    try {
      const event = await verifyEvent({ url: new URL(url).href, issuer, keyOf }, request, await bodyOf(request));
      await store.add(event);
      response.writeHead(204).end();
    } catch (err) {
      // 503 for failures of this receiver, such as a store that is down: the event is sent again later.
      response.writeHead(err instanceof NotAccepted ? err.status : 503, { connection: 'close' }).end();
    }
  };
}
