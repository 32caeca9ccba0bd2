import { readFileSync } from 'node:fs';
import { signV4 } from '../checkpoints/signature-v4.ts';
import type { WrappedKeySettings } from '../config/wrapped-keys.ts';
import { guardedFetch } from '../http/outbound.ts';

/** A service that keeps a key we never see, and encrypts the key-encryption key under it. */
type KeyService = {
  /** Creates a key-encryption key that the service alone can decrypt. */
  wrapNew(): Promise<string>;
  unwrap(wrapped: string): Promise<Buffer>;
};

/** The service refused, or did not answer. Its text is not passed on: it may have parts of the request. */
export class KeyServiceError extends Error {
  /** Undefined when there was no answer. */
  readonly status: number | undefined;
  constructor(service: string, status?: number, meaning?: string, cause?: unknown) {
    const answered = status === undefined ? 'does not answer' : `answered ${status}`;
    super([`${service} ${answered}`, meaning].filter(Boolean).join(': '), { cause });
    this.name = 'KeyServiceError';
    this.status = status;
  }
}

const KEY_BYTES = 32;
const DEADLINE_MS = 5_000;
const CONTEXT = { sallyport: 'key-encryption-key' };

/** What an answer of Vault usually means to the operator. */
const MEANINGS: Readonly<Record<number, string>> = {
  307: 'it redirects to another node; set VAULT_ADDR to the active node or to the load balancer',
  400: 'there is no such transit key, or the text is not encrypted under a version that it may decrypt',
  403: 'the token is invalid or expired, or its policies lack the path',
  404: 'there is no transit engine at VAULT_TRANSIT_MOUNT',
  503: 'it is sealed, or has no active node',
};

type Sent = { readonly url: URL; readonly headers: Readonly<Record<string, string>>; readonly body: string };

/** Follows no redirect, and takes a bounded answer within a deadline. */
async function ask(
  service: string,
  { url, headers, body }: Sent,
  meanings: Readonly<Record<number, string>> = {},
): Promise<Record<string, unknown>> {
  let answer: Response;
  let text: string;
  try {
    const rules = { allowsPrivate: true, answerBytesMax: 65_536, deadlineMs: DEADLINE_MS };
    answer = await guardedFetch(rules, url, { method: 'POST', headers, body });
    text = await answer.text();
  } catch (cause) {
    throw new KeyServiceError(service, undefined, undefined, cause);
  }
  if (answer.status !== 200) throw new KeyServiceError(service, answer.status, meanings[answer.status]);
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new KeyServiceError(service, answer.status);
  }
}

function textOf(service: string, answer: unknown, name: string): string {
  const value = (answer as Record<string, unknown> | undefined)?.[name];
  if (typeof value !== 'string' || value === '') throw new KeyServiceError(service, 200);
  return value;
}

/** The transit engine of HashiCorp Vault and OpenBao. */
function createTransit(settings: WrappedKeySettings): KeyService {
  const { vaultUrl, transitKey, vaultNamespace } = settings;
  // Vault answers a doubled slash with a redirect.
  const transitMount = settings.transitMount.replace(/^\/+|\/+$/g, '');
  const call = async (action: string, body: object): Promise<unknown> => {
    const token = settings.vaultToken ?? readFileSync(settings.vaultTokenFile as string, 'utf8').trim();
    const url = new URL(`${vaultUrl}/v1/${transitMount}/${action}/${encodeURIComponent(transitKey)}`);
    const headers = {
      'content-type': 'application/json',
      'x-vault-token': token,
      'x-vault-request': 'true',
      ...(vaultNamespace === undefined ? {} : { 'x-vault-namespace': vaultNamespace }),
    };
    return (await ask('Vault', { url, headers, body: JSON.stringify(body) }, MEANINGS)).data;
  };
  return {
    wrapNew: async () => textOf('Vault', await call('datakey/wrapped', { bits: KEY_BYTES * 8 }), 'ciphertext'),
    unwrap: async (ciphertext) =>
      Buffer.from(textOf('Vault', await call('decrypt', { ciphertext }), 'plaintext'), 'base64'),
  };
}

function createKms(settings: WrappedKeySettings, now: () => number): KeyService {
  const { kmsRegion: region, kmsKeyId: KeyId } = settings;
  const credentials = {
    accessKeyId: settings.accessKeyId as string,
    secretAccessKey: settings.secretAccessKey as string,
    sessionToken: settings.sessionToken,
  };
  const call = async (action: string, request: object): Promise<Record<string, unknown>> => {
    const url = new URL(settings.kmsUrl ?? `https://kms.${region}.amazonaws.com`);
    const body = JSON.stringify({ KeyId, EncryptionContext: CONTEXT, ...request });
    const named = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${action}` };
    const headers = await signV4({ method: 'POST', url, headers: named, body }, region, credentials, now(), 'kms');
    return ask('AWS KMS', { url, headers, body });
  };
  return {
    wrapNew: async () =>
      textOf('AWS KMS', await call('GenerateDataKeyWithoutPlaintext', { NumberOfBytes: KEY_BYTES }), 'CiphertextBlob'),
    unwrap: async (CiphertextBlob) =>
      Buffer.from(textOf('AWS KMS', await call('Decrypt', { CiphertextBlob }), 'Plaintext'), 'base64'),
  };
}

export function keyServiceOf(settings: WrappedKeySettings, now: () => number = Date.now): KeyService | undefined {
  if (settings.service === 'none') return undefined;
  return settings.service === 'vault' ? createTransit(settings) : createKms(settings, now);
}
