import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Json } from '#tools/testing/http-client.ts';

type VaultAnswer = { readonly status: number; readonly body: Json };

export type RealVault = {
  readonly url: string;
  readonly rootToken: string;
  readonly unsealKey: string;
  /** As the root token, if it succeeds. */
  admin(method: string, path: string, body?: Json): Promise<Json>;
  stop(): Promise<void>;
};

/** One request to the HTTP API of a Vault, real or fake. Follows no redirect. */
export async function askVault(
  url: string,
  token: string,
  { method = 'POST', path, body }: { readonly method?: string; readonly path: string; readonly body?: Json },
): Promise<VaultAnswer> {
  const headers = { 'x-vault-token': token, 'content-type': 'application/json' };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(`${url}/v1/${path}`, { method, headers, redirect: 'manual', ...sent });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
}

/** Starts the server that `npm run vault:test` built, unsealed and empty. */
export async function startRealVault(program: string): Promise<RealVault> {
  const child: ChildProcess = spawn(program, { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  try {
    const [line] = await once(createInterface(child.stdout!), 'line', { signal: AbortSignal.timeout(30_000) });
    const { address: url, root_token: rootToken, unseal_key: unsealKey } = JSON.parse(line) as Record<string, string>;
    const [at, token] = [url as string, rootToken as string];
    return {
      url: at,
      rootToken: token,
      unsealKey: unsealKey as string,
      async admin(method, path, body) {
        const answer = await askVault(at, token, { method, path, ...(body === undefined ? {} : { body }) });
        if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
        return answer.body;
      },
      stop,
    };
  } catch (err) {
    await stop();
    throw err;
  }
}
