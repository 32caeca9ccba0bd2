import { failed, type SinkAnswer } from '../checkpoints/http.ts';
import { createS3Requests, type S3Settings } from '../checkpoints/s3-requests.ts';

const TIMEOUT_MS = 3_000;
/** An empty object, written to test that the store honours conditions. */
const PROBE = 'condition-probe';

/** The object store does not answer, or refuses: the high-water marks are unknown. */
export class MarkStoreUnavailableError extends Error {
  constructor(place: string, cause: unknown) {
    super(`${place} does not answer as it must (${reasonOf(cause)})`, { cause });
    this.name = 'MarkStoreUnavailableError';
  }
}

/** `http_403`, `ECONNREFUSED`, `TimeoutError`. */
function reasonOf(err: unknown): string {
  const { code, name, cause } = err as { code?: string; name: string; cause?: { code?: string } };
  return code ?? cause?.code ?? name;
}

/** The object store ignores write conditions: two copies would overwrite each other's marks. */
export class MarkStoreUnfitError extends Error {
  constructor(url: string) {
    super(`${url} ignores If-Match and If-None-Match on writes`);
    this.name = 'MarkStoreUnfitError';
  }
}

type Version = { readonly text: string; readonly etag: string };

/** One object, used as a compare-and-swap register by its ETag (RFC 9110 §13.1). */
type S3Cell = {
  /** Name of the object in errors. */
  readonly place: string;
  read(): Promise<Version | null>;
  /** Writes the text, durable once it resolves. False, and nothing is written, if the stored version is not `from`. */
  write(text: string, from: Version | null): Promise<boolean>;
};

/**
 * Every call throws `MarkStoreUnavailableError` if the store does not answer as it must, and `MarkStoreUnfitError`
 * if it ignores conditions. A write that threw may nevertheless have been stored: read before the next write.
 */
export function createS3Cell(settings: S3Settings, name: string, now?: () => number): S3Cell {
  const place = `${settings.url}/${name}`;
  const send = createS3Requests(settings, now);
  const get = () => send({ method: 'GET', name }, AbortSignal.timeout(TIMEOUT_MS));
  const put = (object: string, body: string, etag: string | null): Promise<SinkAnswer> => {
    const condition: Record<string, string> = etag === null ? { 'if-none-match': '*' } : { 'if-match': etag };
    const headers = { 'content-type': 'application/json', ...condition };
    return send({ method: 'PUT', name: object, body, headers }, AbortSignal.timeout(TIMEOUT_MS));
  };

  /** True if written, false if the condition failed. */
  async function putIf(object: string, body: string, etag: string | null): Promise<boolean> {
    const answer = await put(object, body, etag);
    if (answer.status >= 200 && answer.status < 300) return true;
    // 409: another conditional write of the object was in progress. 404: the object to replace was deleted.
    if (answer.status === 412 || answer.status === 409 || (answer.status === 404 && etag !== null)) return false;
    throw failed(answer);
  }

  async function prove(): Promise<void> {
    await putIf(PROBE, '{}', null);
    const isHeeded = !(await putIf(PROBE, '{}', null)) && !(await putIf(PROBE, '{}', '"0"'));
    if (!isHeeded) throw new MarkStoreUnfitError(settings.url);
  }

  let proof: Promise<void> | undefined;
  async function proven<T>(work: () => Promise<T>): Promise<T> {
    try {
      proof ??= prove().catch((err: unknown) => {
        proof = undefined;
        throw err;
      });
      await proof;
      return await work();
    } catch (err) {
      if (err instanceof MarkStoreUnfitError) throw err;
      throw new MarkStoreUnavailableError(place, err);
    }
  }

  return {
    place,
    read: () =>
      proven(async () => {
        const answer = await get();
        if (answer.status === 404) return null;
        if (answer.status !== 200) throw failed(answer);
        return { text: answer.text, etag: strongTag(answer) };
      }),
    write: (text, from) => proven(() => putIf(name, text, from?.etag ?? null)),
  };
}

function strongTag({ headers }: SinkAnswer): string {
  const etag = headers.get('etag');
  if (etag?.startsWith('"')) return etag;
  throw Object.assign(new Error('the object has no strong ETag'), { code: 'no_strong_etag' });
}
