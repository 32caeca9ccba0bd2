import type { Ports } from '#services/domain/ports.ts';
import { type MailBacklog, readMailBacklogRow } from './mail.store.ts';

/** Mails waiting to be sent, and mails given up in the last week. */
export const readMailBacklog = ({ sql }: Pick<Ports, 'sql'>): Promise<MailBacklog> => readMailBacklogRow(sql);
