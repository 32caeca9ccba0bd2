import { defineError } from '#services/platform/define/error.ts';

export const nothingToAccept = defineError({
  code: 'nothing_to_accept',
  status: 409,
  title: 'Database matches its high-water marks: nothing was lost',
  cause: 'Accepting a loss ends every session and token, and this database shows no loss.',
  fix: 'Nothing needs to be done. To end every session and token anyway, add --force.',
  retryable: false,
});

/** Fields of /readyz next to its components. Not a problem document, because its `status` is a word. */
export const notReady = defineError({
  code: 'not_ready',
  status: 503,
  title: 'Server not ready to serve requests',
  cause: 'PostgreSQL is unreachable, the keys or the revocations are stale, or the process is shutting down.',
  fix: 'Retry after Retry-After; another API process may answer. Operators: `components` in the response names what is not ok.',
  retryable: true,
});

/** A refusal by Bull Board; the response also carries its `error`, for its page. */
export const queueChangeRefused = defineError({
  code: 'queue_change_refused',
  status: 400,
  title: 'Queue change refused',
  cause: 'The job is not in a state that allows this change, or the request does not match it.',
  fix: 'Reload the job and check its state; `error` says what is wrong.',
  retryable: false,
});

export const deadLetterUnknown = defineError({
  code: 'dead_letter_unknown',
  status: 404,
  title: 'Dead letter not found',
  cause:
    'No job of this queue that used up its attempts has this id: it was retried or discarded, or is older than a month.',
  fix: 'GET /v1/admin/dead-letters lists the dead letters.',
  retryable: false,
});

export const progressInvalid = defineError({
  code: 'progress_invalid',
  status: 400,
  title: 'Report of progress invalid',
  cause:
    'A percentage is not from 0 to 100, a time is not RFC 3339 in UTC, or another member has a wrong type or value.',
  fix: 'Correct the member that `problems` names.',
  retryable: false,
});

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

export const rollbackIncompatible = defineError({
  code: 'rollback_incompatible',
  status: 409,
  title: 'Rollback refused',
  cause: 'The older version cannot run on this database, or a migration in between cannot be taken back.',
  fix: 'Read the reason. `sallyport releases list` shows the versions that ran; if none of them will do, restore a backup.',
  retryable: false,
});
