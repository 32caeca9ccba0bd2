// For tests only: a process that dies by kill -9 at a chosen statement, just before it is sent or just after its answer.
import pg from 'pg';

export type KillPoint = { readonly statement: number; readonly moment: 'before' | 'after' };

/** Kills this process at its nth statement, BEGIN and COMMIT counted. Returns how many it has sent. */
export function dieAt(point: KillPoint | null): () => number {
  let sent = 0;
  const query = pg.Client.prototype.query as (...args: unknown[]) => unknown;
  pg.Client.prototype.query = async function counted(this: pg.Client, ...args: unknown[]) {
    sent += 1;
    const isMine = sent === point?.statement;
    if (isMine && point?.moment === 'before') process.kill(process.pid, 'SIGKILL');
    const answer = await query.apply(this, args);
    if (isMine) process.kill(process.pid, 'SIGKILL');
    return answer;
  } as typeof pg.Client.prototype.query;
  return () => sent;
}
