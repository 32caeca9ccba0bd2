import { z } from 'zod';
import { hostRefused, messageRefused } from '#services/domain/operations/errors.ts';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { originRefused, storeUnavailable } from '#services/platform/errors.ts';

export const callMcpEndpoint = defineEndpoint({
  method: 'POST',
  path: '/mcp',
  operation: 'callMcp',
  summary: 'Send a message of the Model Context Protocol (Streamable HTTP)',
  tag: 'MCP',
  auth: { accepts: ['bearer'], for: 'anyone', subject: 'none' },
  body: z.unknown(),
  exactBody: messageRefused,
  responses: { 200: { contentType: 'application/json' } },
  errors: [originRefused, hostRefused, messageRefused, storeUnavailable],
});

export const readMcpMetadataEndpoint = defineEndpoint({
  method: 'GET',
  path: '/.well-known/oauth-protected-resource/mcp',
  operation: 'readMcpResourceMetadata',
  summary: 'Protected resource metadata of the MCP server (RFC 9728)',
  tag: 'Discovery',
  auth: 'public',
  responses: {
    200: z.object({
      resource: z.string(),
      authorization_servers: z.array(z.string()),
      bearer_methods_supported: z.array(z.string()),
      dpop_signing_alg_values_supported: z.array(z.string()),
      resource_name: z.string(),
    }),
  },
  errors: [],
  cacheControl: 'public, max-age=300',
});
