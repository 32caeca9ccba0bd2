import { defineError } from '#services/platform/define/error.ts';

export const taskUnknown = defineError({
  code: 'task_unknown',
  status: 404,
  title: 'Task not found',
  cause: 'No task has this id, another caller began it, or it began more than seven days ago.',
  fix: 'Use the id that the tool returned, with a token of the same caller.',
  retryable: false,
});

export const hostRefused = defineError({
  code: 'host_refused',
  status: 403,
  title: 'Host not served here',
  cause: 'The Host header names another server. A page can do this by DNS rebinding.',
  fix: 'Use the address of the server; operators: set MCP_URL to its public URL.',
  retryable: false,
});

export const messageRefused = defineError({
  code: 'mcp_message_refused',
  status: 400,
  title: 'Message too deep, too many in a batch, or not read alike by all parsers',
  cause:
    'A message has at most 32 levels, and a batch at most 10 messages. No object has a name twice, and no number more digits than a double keeps, because people approve what a call was read as.',
  fix: 'Send flatter messages, or fewer at once; write numbers with many digits as text.',
  retryable: false,
});
