import type { Ports } from '#services/core/ports.ts';
import { type MailBacklog, type MailState, readMailBacklogRow, readMailStateRow } from './mail.store.ts';

/** Mails waiting to be sent, and mails given up in the last week. */
export const readMailBacklog = ({ sql }: Pick<Ports, 'sql'>): Promise<MailBacklog> => readMailBacklogRow(sql);

/** What became of a queued mail: undefined once it was sent. */
export const readMailState = ({ sql }: Pick<Ports, 'sql'>, id: string): Promise<MailState | undefined> =>
  readMailStateRow(sql, id);
