import type { Caller } from '../ports.ts';
import { operation } from '../shared/operation.ts';
import type { AsymmetricAlgorithm } from './algorithm-shapes.ts';
import { compromiseKey } from './compromise-key.ts';
import { compromiseKeyEndpoint, listKeysEndpoint, rotateKeysEndpoint } from './contract.ts';
import type { HasKeyRing } from './key-ring.ts';
import { rotateSigningKeys } from './rotate-signing-keys.ts';

const listRing = ({ keyRing }: HasKeyRing) => ({ keys: keyRing.list() });

/** Publishes the next key, as the contract shows it. */
async function rotateKeys(
  ports: Parameters<typeof rotateSigningKeys>[0],
  { algorithm }: { readonly algorithm?: AsymmetricAlgorithm | undefined },
  caller: Caller,
) {
  const { outcome, key } = await rotateSigningKeys(ports, { algorithm }, caller);
  return { ...key, already_pending: outcome === 'pending' };
}

/** Revokes a key, as the contract shows it. */
async function revokeCompromised(
  ports: Parameters<typeof compromiseKey>[0],
  input: Parameters<typeof compromiseKey>[1],
  caller: Caller,
) {
  const { key, signer, notice } = await compromiseKey(ports, input, caller);
  return { ...key, signer, notice };
}

export const keyOperations = [
  operation(listKeysEndpoint, listRing),
  operation(rotateKeysEndpoint, rotateKeys),
  operation(compromiseKeyEndpoint, revokeCompromised),
];
