import { setTimeout as sleep } from 'node:timers/promises';
import { type Config, ConfigError } from '../config/load.ts';
import { KeyServiceError, keyServiceOf } from './key-services.ts';

const PAUSES_MS = [500, 1_000, 2_000];
const LEAST_BYTES = 32;

/**
 * The same settings with the wrapped key-encryption keys decrypted, so that everything after the start works as with
 * KEY_ENCRYPTION_KEY. The service is asked once for each key; while the process runs it is not needed.
 * @throws ConfigError when the service refuses, KeyServiceError when it does not answer
 */
export async function withUnwrappedKeys(config: Config, pausesMs: readonly number[] = PAUSES_MS): Promise<Config> {
  const { wrappedKey, previousWrappedKey } = config.wrappedKeys;
  const service = keyServiceOf(config.wrappedKeys);
  if (service === undefined || (wrappedKey ?? previousWrappedKey) === undefined) return config;

  async function unwrapped(env: string, wrapped: string | undefined): Promise<string | undefined> {
    if (wrapped === undefined) return undefined;
    const key = await patiently(() => service!.unwrap(wrapped), pausesMs).catch((err: unknown) => {
      if (!(err instanceof KeyServiceError) || isTemporary(err)) throw err;
      throw new ConfigError([
        { env, problem: `was not decrypted: ${err.message}`, fix: 'check the key, its name and the credentials' },
      ]);
    });
    if (key.length < LEAST_BYTES)
      throw new ConfigError([{ env, problem: 'is shorter than 32 bytes', fix: 'npx sallyport keys wrap' }]);
    const text = key.toString('base64');
    key.fill(0);
    return text;
  }

  const keyEncryptionKey = await unwrapped('KEY_ENCRYPTION_KEY_WRAPPED', wrappedKey);
  const previous = await unwrapped('KEY_ENCRYPTION_KEY_PREVIOUS_WRAPPED', previousWrappedKey);
  return {
    ...config,
    keys: {
      ...config.keys,
      keyEncryptionKey: keyEncryptionKey ?? config.keys.keyEncryptionKey,
      previousKeyEncryptionKey: previous ?? config.keys.previousKeyEncryptionKey,
    },
  };
}

/** No answer, too many requests, or a failure of the service. */
const isTemporary = ({ status }: KeyServiceError): boolean => status === undefined || status === 429 || status >= 500;

async function patiently<T>(work: () => Promise<T>, pausesMs: readonly number[]): Promise<T> {
  for (const pause of pausesMs) {
    try {
      return await work();
    } catch (err) {
      if (!(err instanceof KeyServiceError && isTemporary(err))) throw err;
    }
    await sleep(pause);
  }
  return work();
}
