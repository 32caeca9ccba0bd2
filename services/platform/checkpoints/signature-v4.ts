import { hash } from 'node:crypto';

/** Credentials of an AWS-compatible service. */
export type S3Credentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
};

/**
 * Headers that sign a request to S3, KMS or a compatible service (AWS Signature Version 4, one chunk). The query must be
 * in the spelling in which it is signed.
 * @param headers further headers to sign, names in lower case
 * @returns all headers to send, except `host`
 */
export async function signV4(
  request: {
    readonly method: string;
    readonly url: URL;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string | Uint8Array<ArrayBuffer>;
  },
  region: string,
  credentials: S3Credentials,
  nowMs: number,
  service: 's3' | 'kms' = 's3',
): Promise<Record<string, string>> {
  // Only processes that speak to such a service load it.
  const { AwsV4Signer } = await import('aws4fetch');
  const { method, body, headers } = request;
  const url = new URL(request.url);
  // The signer takes a plus in a path for a space.
  url.pathname = url.pathname.replaceAll('+', '%2B');
  const signer = new AwsV4Signer({
    ...credentials,
    ...{ method, url: url.href, body, region, service, allHeaders: true },
    headers: { ...headers, 'x-amz-content-sha256': hash('sha256', body) },
    datetime: new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, ''),
  });
  return Object.fromEntries((await signer.sign()).headers);
}
