import { withSpan } from '#observability/http-span.ts';
import { recordEvent } from '../audit/record-event.ts';
import type { Caller, Ports, Tx } from '../ports.ts';
import { keyPrivatePartDestroyed, serverSecretDestroyed } from './audit-events.ts';
import { destroysAt, type KeyPolicy, secretDestroysAt } from './key-timeline.ts';
import {
  deleteKeyHistory,
  destroyPrivatePart,
  destroySecret,
  lockKeys,
  readKeys,
  readPolicy,
  readSecrets,
  type SecretRow,
} from './keys.store.ts';
import { isKeptForever, serverSecretContext } from './secrets/server-secrets.ts';

export type RetiredKeys = {
  /** Kids whose private key was destroyed now. */
  readonly keys: readonly string[];
  /** `<purpose>:<version>` of server secrets destroyed now. */
  readonly secrets: readonly string[];
};

/**
 * Destroys what nothing needs any more: private keys past their signing range, refresh secrets older than the longest
 * token family, history over a year old. Idempotent, and safe to run concurrently.
 */
export const retireKeys = (ports: Pick<Ports, 'transact'>, caller: Caller): Promise<RetiredKeys> =>
  withSpan('retire-keys', {}, () =>
    ports.transact(async (tx) => {
      const nowMs = await lockKeys(tx);
      const policy = await readPolicy(tx);
      const keys = await retirePrivateParts(tx, nowMs, caller);
      const secrets = policy ? await retireSecrets(tx, policy, nowMs, caller) : [];
      await deleteKeyHistory(tx);
      return { keys, secrets };
    }),
  );

async function retirePrivateParts(tx: Tx, nowMs: number, caller: Caller): Promise<string[]> {
  const due = (await readKeys(tx)).filter(
    (key) => key.sealed_private_key !== '' && nowMs >= (destroysAt(key) ?? Number.POSITIVE_INFINITY),
  );
  for (const { kid } of due) {
    await destroyPrivatePart(tx, kid);
    await recordEvent(tx, caller, keyPrivatePartDestroyed, { target: { kind: 'key', id: kid } });
  }
  return due.map((key) => key.kid);
}

/** Destroys each version whose successor has been in use for the longest lifetime of the tokens made under the version. */
async function retireSecrets(tx: Tx, policy: KeyPolicy, nowMs: number, caller: Caller): Promise<string[]> {
  const secrets = await readSecrets(tx);
  const successorOf = (secret: SecretRow): SecretRow | undefined =>
    secrets.find((other) => other.purpose === secret.purpose && other.version === secret.version + 1);
  const due = secrets.filter((secret) => {
    const successor = successorOf(secret);
    if (secret.sealed === '' || successor === undefined || isKeptForever(secret.purpose)) return false;
    return nowMs >= secretDestroysAt(successor.activates_at, policy);
  });
  for (const { purpose, version } of due) {
    await destroySecret(tx, purpose, version);
    const target = { kind: 'key', id: serverSecretContext(purpose, version) } as const;
    await recordEvent(tx, caller, serverSecretDestroyed, { target });
  }
  return due.map(({ purpose, version }) => `${purpose}:${version}`);
}
