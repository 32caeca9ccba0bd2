import { operation } from '../shared/operation.ts';
import {
  type ApiKeyView,
  createApiKeyEndpoint,
  listAllApiKeysEndpoint,
  listApiKeysEndpoint,
  revokeAnyApiKeyEndpoint,
  revokeApiKeyEndpoint,
  rotateApiKeyEndpoint,
} from './contract.ts';
import { createApiKey } from './create-api-key.ts';
import { listAllApiKeys, listApiKeys } from './list-api-keys.ts';
import { revokeAnyApiKey, revokeApiKey } from './revoke-api-key.ts';
import { rotateApiKey } from './rotate-api-key.ts';

export const apiKeyLine = ({ api_key_id, state, owner, name, expires_at }: ApiKeyView): string =>
  `${state.padEnd(8)}  ${api_key_id}  ${owner.kind} ${owner.id ?? '(deleted)'}  until ${expires_at}  ${name}`;

/** A caller's own API keys, and all keys for administrators. */
export const apiKeyOperations = [
  operation(createApiKeyEndpoint, createApiKey),
  operation(listApiKeysEndpoint, listApiKeys),
  operation(rotateApiKeyEndpoint, rotateApiKey),
  operation(revokeApiKeyEndpoint, revokeApiKey),
  operation(listAllApiKeysEndpoint, listAllApiKeys, {
    verb: 'api-keys list',
    help: 'list keys, of all owners or of one, newest first',
    options: {
      user_id: { flags: '--user <id>', help: 'only keys of this user' },
      client_id: { flags: '--client <id>', help: 'only keys of this client' },
    },
    line: apiKeyLine,
  }),
  operation(revokeAnyApiKeyEndpoint, revokeAnyApiKey, {
    verb: 'api-keys revoke <id>',
    help: 'revoke a key immediately',
    arguments: { id: { member: 'api_key_id', help: 'id of the key, as `api-keys list` shows it' } },
    asks: ({ api_key_id: apiKeyId }) => `revoke ${apiKeyId}`,
    lines: ({ api_key }) => [apiKeyLine(api_key)],
  }),
];
