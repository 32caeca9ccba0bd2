import { z } from 'zod';
import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { defineError } from '#services/platform/define/error.ts';
import { mcpUnavailable, originRefused, storeUnavailable } from '#services/platform/errors.ts';

export const hostRefused = defineError({
  code: 'host_refused',
  status: 403,
  title: 'Host not served here',
  cause: 'The Host header names another server. A page can do this by DNS rebinding.',
  fix: 'Use the address of the server; operators: set MCP_URL to its public URL.',
});

export const messageRefused = defineError({
  code: 'mcp_message_refused',
  status: 400,
  title: 'Message too deep, too many in a batch, or not read alike by all parsers',
  cause:
    'A message has at most 32 levels, and a batch at most 10 messages. No object has a name twice, and no number more digits than a double keeps, because people approve what a call was read as.',
  fix: 'Send flatter messages, or fewer at once; write numbers with many digits as text.',
});

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
