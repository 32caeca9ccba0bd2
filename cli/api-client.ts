import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolveDataDir } from '../services/platform/local/data-dir.ts';
import { readRunRecords } from '../services/supervisor/run-record.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

export type Credentials = {
  readonly user: { readonly email: string; readonly password: string };
  readonly admin: { readonly email: string; readonly password: string };
  readonly client: { readonly client_id: string; readonly client_secret: string };
};

/** Reads the development credentials of the data directory. Throws CommandError (3) if there are none. */
export function readCredentials(env: NodeJS.ProcessEnv = process.env): Credentials & { readonly file: string } {
  const file = join(resolveDataDir(env), 'dev-credentials.json');
  try {
    return { ...(JSON.parse(readFileSync(file, 'utf8')) as Credentials), file };
  } catch (cause) {
    throw new CommandError(exitCodes.unreachable, `${file} does not exist`, 'npm start creates it', { cause });
  }
}

/** URL of the tasks API that runs from the data directory, if one does. */
export const findTasks = (env: NodeJS.ProcessEnv = process.env): string | undefined =>
  readRunRecords(resolveDataDir(env)).find((record) => record.alive && record.ready)?.tasks;

/** URL of the API: `--api`, SALLYPORT_API, or the API that runs from the data directory. */
export function findApi(given: string | undefined, env: NodeJS.ProcessEnv = process.env): string {
  const running = readRunRecords(resolveDataDir(env)).find((record) => record.alive && record.ready)?.api;
  const api = given ?? env.SALLYPORT_API ?? running;
  if (api) return api.replace(/\/+$/, '');
  throw new CommandError(
    exitCodes.unreachable,
    'no API is running from this data directory',
    'npm start, or --api URL',
  );
}

/** Basic credentials for calls: CLIENT_ID and CLIENT_SECRET, else those of the demo client. */
export function clientAuthorization(env: NodeJS.ProcessEnv = process.env): string {
  const { CLIENT_ID: id, CLIENT_SECRET: secret } = env;
  const pair = id && secret ? { client_id: id, client_secret: secret } : readCredentials(env).client;
  const encoded = [pair.client_id, pair.client_secret].map(encodeURIComponent).join(':');
  return `Basic ${Buffer.from(encoded).toString('base64')}`;
}

type Problem = {
  readonly code?: string;
  readonly title?: string;
  readonly fix?: string;
  readonly error_description?: string;
};

/** Calls the API. An error response becomes a CommandError with its code and fix: 3 if unreachable or 503, else 5. */
export async function callApi(
  api: string,
  path: string,
  request: { readonly json?: object; readonly form?: Record<string, string>; readonly authorization?: string } = {},
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const headers: Record<string, string> = {
    ...(request.authorization ? { authorization: request.authorization } : {}),
    ...(request.json ? { 'content-type': 'application/json' } : {}),
  };
  const body = request.json ? JSON.stringify(request.json) : request.form ? new URLSearchParams(request.form) : null;
  let answer: Response;
  try {
    answer = await fetch(api + path, {
      method: body ? 'POST' : 'GET',
      headers,
      body,
      signal: AbortSignal.timeout(10_000),
    });
  } catch (cause) {
    throw new CommandError(exitCodes.unreachable, `${api} does not answer`, 'npm start, or --api URL', { cause });
  }
  const parsed = (await answer.json().catch(() => ({}))) as Record<string, unknown> & Problem;
  if (answer.ok) return { status: answer.status, body: parsed };
  const exitCode = answer.status >= 500 ? exitCodes.unreachable : exitCodes.refused;
  const text = parsed.title ?? parsed.error_description ?? `status ${answer.status}`;
  throw new CommandError(exitCode, `${text} (${parsed.code ?? answer.status})`, parsed.fix);
}
