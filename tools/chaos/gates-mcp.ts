import type { CopyName } from './ledger.ts';

/** An answer while the MCP server cannot reach its tables, and the API can reach its own. */
export type AwayAnswer = {
  readonly of: 'MCP' | 'API';
  readonly copy: CopyName;
  /** Of the problem in the result of a tool, where it is one; 0: none came. */
  readonly status: number;
};

/** A busy machine may have a few answers late. */
const API_LEAST = 0.8;

/** The MCP server says 503 and nothing worse, and the API in the same process serves on. */
export function violationOfAway(answers: readonly AwayAnswer[]): string | undefined {
  const bad = answers.find(({ of, status }) => of === 'MCP' && status !== 503 && (status === 0 || status >= 500));
  if (bad !== undefined) return `MCP at ${bad.copy} answered ${bad.status || 'nothing'} while its tables were away`;
  for (const copy of ['A', 'B'] as const) {
    const api = answers.filter((each) => each.of === 'API' && each.copy === copy);
    const served = api.filter(({ status }) => status < 300 && status > 0).length;
    if (served < API_LEAST * api.length || served === 0)
      return `the API of ${copy} gave ${served} of ${api.length} tokens while the tables of MCP were away: ${api.map(({ status }) => status).join(' ')}`;
  }
  return undefined;
}

/** What a client got of a stream of progress, whose API ended. */
export type Stream = { readonly text: string; readonly isDrained: boolean };

/** An API that is told to stop says how far each open task is; of one that was killed, streams are cut. */
export function violationOfStream({ text, isDrained }: Stream, taskId: string): string | undefined {
  if (!text.includes('notifications/progress')) return 'a stream ended without a notification of progress';
  const hasResult = text.includes('"structuredContent"') && text.includes(taskId) && !text.includes('"isError":true');
  return isDrained && !hasResult ? `a stream of task ${taskId} was cut by an API that was told to stop` : undefined;
}
