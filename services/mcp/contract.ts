import { z } from 'zod';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { mcpUnavailable, originRefused, storeUnavailable } from '#services/platform/errors.ts';
import { hostRefused, messageRefused } from '#services/wings/mcp/errors.ts';

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
  errors: [originRefused, hostRefused, messageRefused, mcpUnavailable, storeUnavailable],
});
