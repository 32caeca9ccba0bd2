// For tests only: the transit engine of HashiCorp Vault, and AWS KMS, as far as the product calls them.
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { Json } from '#tools/testing/http-client.ts';
import { listening } from '#tools/testing/listening.ts';

export type FakeKeyService = {
  readonly url: string;
  /** Paths or actions that were called. */
  readonly calls: string[];
  /** Statuses of the next answers, in place of what they would be. */
  readonly failures: number[];
  close(): Promise<void>;
};

type Answer = readonly [status: number, body: Json];

async function serve(answer: (request: IncomingMessage, body: string, calls: string[]) => Answer) {
  const calls: string[] = [];
  const failures: number[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const failure = failures.shift();
    const [status, shown] = failure === undefined ? answer(request, body, calls) : [failure, { errors: ['planned'] }];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(shown));
  });
  const { url, close } = await listening(server);
  return { url, calls, failures, close };
}

/** AES-256-GCM under a key that only the fake has. */
function createBox() {
  const key = randomBytes(32);
  return {
    seal: (plain: Buffer, context: string): string => {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(context));
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64');
    },
    open: (sealed: string, context: string): Buffer | undefined => {
      const raw = Buffer.from(sealed, 'base64');
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, raw.subarray(0, 12)).setAAD(Buffer.from(context));
        decipher.setAuthTag(raw.subarray(12, 28));
        return Buffer.concat([decipher.update(raw.subarray(28)), decipher.final()]);
      } catch {
        return undefined;
      }
    },
  };
}

const vaultRefusal = (status: number, ...errors: readonly string[]): Answer => [status, { errors }];
const vaultAnswer = (data: Json): Answer => [
  200,
  {
    ...{ request_id: randomUUID(), lease_id: '', renewable: false, lease_duration: 0 },
    ...{ data, wrap_info: null, warnings: null, auth: null, mount_type: 'transit' },
  },
];
const VAULT_OVERHEAD_BYTES = 28;

/**
 * The transit engine at `transit/`, with version 1 of a key `sallyport`; takes this token alone. real-vault.test.ts
 * compares its answers with those of a real server.
 */
export function startFakeVault(token: string): Promise<FakeKeyService> {
  const box = createBox();
  function decrypted(ciphertext: unknown): Answer {
    if (typeof ciphertext !== 'string' || ciphertext === '') return vaultRefusal(400, 'missing ciphertext to decrypt');
    const [, version, sealed = ''] = /^vault:v(\d+):(.*)$/.exec(ciphertext) ?? [];
    if (version === undefined) return vaultRefusal(400, 'invalid ciphertext: no prefix');
    if (version !== '1') return vaultRefusal(400, 'invalid ciphertext: version is too new');
    if (Buffer.from(sealed, 'base64').length < VAULT_OVERHEAD_BYTES)
      return vaultRefusal(400, 'invalid ciphertext length');
    const plain = box.open(sealed, '');
    if (plain === undefined) return vaultRefusal(400, 'cipher: message authentication failed');
    return vaultAnswer({ plaintext: plain.toString('base64') });
  }
  return serve((request, text, calls) => {
    const path = (request.url as string).replace(/^\/v1\//, '');
    calls.push(request.url as string);
    if (path.includes('//')) return [307, {}];
    if (request.headers['x-vault-token'] !== token)
      return vaultRefusal(403, '2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n');
    const [, action, key] = /^transit\/(datakey\/wrapped|decrypt)\/([^/]+)$/.exec(path) ?? [];
    if (action === undefined) return vaultRefusal(404, `no handler for route "${path}". route entry not found.`);
    if (request.method !== 'POST') return vaultRefusal(405, '1 error occurred:\n\t* unsupported operation\n\n');
    if (key !== 'sallyport') return vaultRefusal(400, 'encryption key not found');
    const body = JSON.parse(text) as Json;
    if (action === 'decrypt') return decrypted(body.ciphertext);
    return vaultAnswer({ ciphertext: `vault:v1:${box.seal(randomBytes(body.bits / 8), '')}`, key_version: 1 });
  });
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** Whether a request is signed as the AWS Signature Version 4 documentation says; written apart from the product's signer. */
function isSigned(request: IncomingMessage, body: string, secret: string): boolean {
  const parsed =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/kms\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? '',
    );
  if (parsed === null) return false;
  const [, , day, region, names = '', signature] = parsed as unknown as string[];
  const required = ['host', 'x-amz-date', 'x-amz-target'];
  if (!required.every((name) => names.split(';').includes(name))) return false;
  const lines = names.split(';').map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`);
  const canonical = `${request.method}\n${request.url}\n\n${lines.join('')}\n${names}\n${sha256(body)}`;
  const scope = `${day}/${region}/kms/aws4_request`;
  const toSign = `AWS4-HMAC-SHA256\n${request.headers['x-amz-date']}\n${scope}\n${sha256(canonical)}`;
  const key = hmac(hmac(hmac(hmac(`AWS4${secret}`, day as string), region as string), 'kms'), 'aws4_request');
  return hmac(key, toSign).toString('hex') === signature;
}

/** One key; takes requests that are signed with this secret alone. */
export function startFakeKms(secretAccessKey: string, keyId: string): Promise<FakeKeyService> {
  const box = createBox();
  return serve((request, text, calls) => {
    const action = String(request.headers['x-amz-target']).replace('TrentService.', '');
    calls.push(action);
    if (!isSigned(request, text, secretAccessKey)) return [400, { __type: 'InvalidSignatureException' }];
    const body = JSON.parse(text) as Json;
    if (body.KeyId !== keyId) return [400, { __type: 'NotFoundException' }];
    const context = JSON.stringify(body.EncryptionContext ?? {});
    if (action === 'GenerateDataKeyWithoutPlaintext')
      return [200, { CiphertextBlob: box.seal(randomBytes(body.NumberOfBytes), context), KeyId: keyId }];
    const plain = action === 'Decrypt' ? box.open(body.CiphertextBlob, context) : undefined;
    if (plain === undefined) return [400, { __type: 'InvalidCiphertextException' }];
    return [200, { Plaintext: plain.toString('base64'), KeyId: keyId }];
  });
}
