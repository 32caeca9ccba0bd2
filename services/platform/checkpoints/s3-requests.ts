import { ask, type SinkAnswer } from './http.ts';
import { type S3Credentials, signV4 } from './signature-v4.ts';

export type S3Settings = {
  /** Bucket and prefix, `https://bucket.s3.eu-central-1.amazonaws.com/prefix` or path-style. */
  readonly url: string;
  readonly region: string;
  readonly credentials: S3Credentials;
};

/** The settings of an S3 section; the configuration check ensures that all are set. */
export const s3SettingsOf = (section: {
  readonly s3Url: string | undefined;
  readonly s3Region: string;
  readonly s3AccessKeyId: string | undefined;
  readonly s3SecretAccessKey: string | undefined;
}): S3Settings => ({
  url: section.s3Url as string,
  region: section.s3Region,
  credentials: { accessKeyId: section.s3AccessKeyId as string, secretAccessKey: section.s3SecretAccessKey as string },
});

type S3Request = {
  readonly method: 'PUT' | 'GET';
  /** Percent-encoded name below the prefix; empty for the bucket itself. */
  readonly name: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Also signed; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
};

export const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);

/** In the order and spelling in which it is signed. */
export const queryText = (query: Readonly<Record<string, string>>): string =>
  Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');

/** Sends signed requests to the objects below one prefix of an S3-compatible store. */
export function createS3Requests({ url, region, credentials }: S3Settings, now: () => number = Date.now) {
  return async (
    { method, name, query = {}, body = '', headers = {} }: S3Request,
    signal: AbortSignal,
  ): Promise<SinkAnswer> => {
    const object = new URL(name === '' ? url : `${url}/${name}`);
    object.search = queryText(query);
    const signed = await signV4({ method, url: object, headers, body }, region, credentials, now());
    return ask(object.href, { method, headers: signed, ...(method === 'PUT' ? { body } : {}) }, signal);
  };
}
