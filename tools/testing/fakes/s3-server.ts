// For tests only: an S3-compatible object store over HTTP, strict about signatures and conditions. It shares no
// code with what it tests.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { listening } from '../listening.ts';

const ACCESS_KEY_ID = 'AKIDEXAMPLE';
const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const REGION = 'eu-central-1';

export type S3Server = {
  /** Bucket and prefix. */
  readonly url: string;
  readonly settings: {
    readonly url: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
  /** The same as MARK_… settings. */
  readonly markEnv: Readonly<Record<string, string>>;
  /** By path, bucket first. */
  readonly objects: Map<string, string>;
  /** Status of each response so far. */
  readonly answers: number[];
  /**
   * Every request (or, with `faultAt`, every write) from now on is answered so: `ignores conditions` writes whatever they say, `loses answers` does as it
   * is told and hangs up, `weak tags` gives no ETag that can be compared.
   */
  fault: number | 'ignores conditions' | 'loses answers' | 'weak tags' | undefined;
  faultAt: 'PUT' | 'any';
  close(): Promise<void>;
};

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** AWS Signature Version 4 as its documentation describes it, from what came over the wire. */
function isSigned(request: IncomingMessage, body: string): boolean {
  const fields =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? '',
    );
  if (!fields) return false;
  const [, id, day = '', region = '', names = '', signature] = fields;
  const stamp = String(request.headers['x-amz-date']);
  const isRecent =
    Math.abs(Date.parse(stamp.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5')) - Date.now()) < 900_000;
  const signed = names.split(';');
  const headers = signed.map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
  const hash = String(request.headers['x-amz-content-sha256']);
  const [path, query = ''] = (request.url ?? '').split('?');
  const canonical = `${request.method}\n${path}\n${query}\n${headers.join('')}\n${names}\n${hash}`;
  const toSign = `AWS4-HMAC-SHA256\n${stamp}\n${day}/${region}/s3/aws4_request\n${sha256(canonical)}`;
  const key = hmac(hmac(hmac(hmac(`AWS4${SECRET}`, day), region), 's3'), 'aws4_request');
  // The conditional headers must be signed too.
  const conditions = ['if-match', 'if-none-match'].filter((name) => request.headers[name] !== undefined);
  const mustBeSigned = ['host', 'x-amz-date', 'x-amz-content-sha256', ...conditions];
  return (
    id === ACCESS_KEY_ID &&
    region === REGION &&
    isRecent &&
    mustBeSigned.every((name) => signed.includes(name)) &&
    hash === sha256(body) &&
    hmac(key, toSign).toString('hex') === signature
  );
}

const tagOf = (text: string): string => `"${createHash('md5').update(text).digest('hex')}"`;

/** Whether a PUT may go on by RFC 9110 §13.2.2: `If-Match` compares strong tags, `If-None-Match` here is `*` or nothing. */
function isAllowed({ headers }: IncomingMessage, held: string | undefined): boolean {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    const tags = ifMatch.split(',').map((tag) => tag.trim());
    if (held === undefined || !(tags.includes('*') || tags.includes(tagOf(held)))) return false;
  }
  return !(headers['if-none-match'] === '*' && held !== undefined);
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** ListObjectsV2 of the one bucket; null where it is not asked for. */
function listingOf(target: string, bucket: string, objects: ReadonlyMap<string, string>): string | null {
  const { pathname, searchParams } = new URL(target, 'http://s3');
  if (pathname !== `/${bucket}` || searchParams.get('list-type') !== '2') return null;
  const [prefix, after] = [searchParams.get('prefix') ?? '', searchParams.get('start-after') ?? ''];
  const names = [...objects.keys()]
    .map((path) => decodeURIComponent(path.slice(bucket.length + 2)))
    .filter((name) => name.startsWith(prefix) && name > after)
    .sort();
  const page = names.slice(0, Number(searchParams.get('max-keys')));
  const contents = page.map((name) => `<Contents><Key>${escaped(name)}</Key></Contents>`).join('');
  return `<ListBucketResult><IsTruncated>${page.length < names.length}</IsTruncated>${contents}</ListBucketResult>`;
}

/** Starts one on a free port, with one bucket of its own. */
export async function startS3Server(): Promise<S3Server> {
  const bucket = randomBytes(4).toString('hex');
  const objects = new Map<string, string>();
  const answers: number[] = [];
  const control: Pick<S3Server, 'fault' | 'faultAt'> = { fault: undefined, faultAt: 'any' };
  const faultOf = ({ method }: IncomingMessage): S3Server['fault'] =>
    control.faultAt === 'any' || control.faultAt === method ? control.fault : undefined;

  function judge(request: IncomingMessage, body: string): { status: number; text?: string; tag?: string } {
    const fault = faultOf(request);
    const name = request.url ?? '';
    if (typeof fault === 'number') return { status: fault };
    if (!isSigned(request, body)) return { status: 403 };
    const listed = request.method === 'GET' ? listingOf(name, bucket, objects) : null;
    if (listed !== null) return { status: 200, text: listed };
    const held = objects.get(name);
    if (request.method === 'GET')
      return held === undefined ? { status: 404 } : { status: 200, text: held, tag: tagOf(held) };
    if (request.method !== 'PUT') return { status: 405 };
    if (fault !== 'ignores conditions' && !isAllowed(request, held)) return { status: 412 };
    objects.set(name, body);
    return { status: 200, tag: tagOf(body) };
  }

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { status, text = '', tag } = judge(request, Buffer.concat(chunks).toString('utf8'));
      answers.push(status);
      if (faultOf(request) === 'loses answers') return void request.socket.destroy();
      const etag = tag && (faultOf(request) === 'weak tags' ? `W/${tag}` : tag);
      response.writeHead(status, etag ? { etag } : {}).end(text);
    });
  });
  const { url: origin, close } = await listening(server);
  const url = `${origin}/${bucket}/audit`;
  return Object.assign(control, {
    url,
    settings: { url, region: REGION, credentials: { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET } },
    markEnv: {
      MARK_STORE: 's3',
      MARK_S3_URL: url,
      MARK_S3_REGION: REGION,
      MARK_S3_ACCESS_KEY_ID: ACCESS_KEY_ID,
      MARK_S3_SECRET_ACCESS_KEY: SECRET,
    },
    objects,
    answers,
    close,
  });
}
