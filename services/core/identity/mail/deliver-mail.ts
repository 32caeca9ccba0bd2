import { mailsSent } from '#observability/metrics/mail.ts';
import { mailContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Fence, MailTransport, Ports } from '#services/core/ports.ts';
import { allEnded } from '#services/core/shared/all-ended.ts';
import { type RetryPace, retryPauseSeconds } from '#services/core/shared/retry-pause.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import type { Brand } from '#services/platform/html/brand.ts';
import { deleteMail, lockMail, type MailRow, postponeMail, takeMails } from './mail.store.ts';
import { type StoredMail, writeMail } from './mails.ts';
import { type Letter, renderMail } from './render-mail.ts';

export { mailsAreDue } from './mail.store.ts';

export type DeliverPorts = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random' | 'log'> & {
  readonly mailTransport: MailTransport;
  /** How mails look; as without settings by default. */
  readonly brand?: Brand;
};

/** Mails sent concurrently; the transport keeps as many connections. */
const BATCH = 8;
/** Longer than any attempt. If the worker dies, another one takes the mail after this time. */
const LEASE_SECONDS = 120;
const PACE: RetryPace = { firstSeconds: 5, longestSeconds: 3_600 };
/** A mail delivered a day late is useless. */
const GIVEN_UP_SECONDS = 86_400;

/**
 * Sends due mails until none are left or `signal` aborts. A failed mail is retried with growing pauses and given up
 * after a day; other mails do not wait for it. Delivery is at least once.
 */
export async function deliverMails(
  ports: DeliverPorts,
  { fence, signal }: { readonly fence: Fence; readonly signal: AbortSignal },
): Promise<{ readonly taken: number }> {
  let taken = 0;
  while (!signal.aborted) {
    const rows = await ports.transact(async (tx) => {
      await fence.hold(tx);
      return takeMails(tx, BATCH, LEASE_SECONDS);
    });
    await allEnded(rows.map((row) => deliver(ports, row)));
    taken += rows.length;
    if (rows.length < BATCH) break;
  }
  return { taken };
}

async function deliver(ports: DeliverPorts, row: MailRow): Promise<void> {
  const template = row.template as StoredMail['template'];
  try {
    const mail = JSON.parse(ports.vault.open(row.sealed, mailContext(row.id)).toString('utf8')) as StoredMail;
    const written = await ports.transact(async (tx) => {
      if (!(await lockMail(tx, row))) return undefined;
      return { letter: await writeMail(tx, ports, { ...mail, id: row.id, askedAt: row.askedAt }) };
    });
    // The lease has expired, and a later attempt has taken the mail.
    if (written === undefined) return;
    const { letter } = written;
    if (letter) await send(ports, mail, row.id, letter);
    await deleteMail(ports.sql, row);
    mailsSent.add(1, { template, outcome: letter ? 'sent' : 'dropped' });
  } catch (err) {
    const isOver = (err as Error).name === 'MailRefusedError' || row.ageSeconds > GIVEN_UP_SECONDS;
    mailsSent.add(1, { template, outcome: isOver ? 'given_up' : 'retried' });
    const fields = { failure: errorCodeOf(err), template, attempt: row.attempts };
    if (isOver) ports.log.error(fields, 'mail could not be sent; giving up');
    else ports.log.warn(fields, 'mail could not be sent; retrying');
    await postponeMail(ports.sql, row, errorCodeOf(err), isOver ? null : retryPauseSeconds(ports, row.attempts, PACE));
  }
}

const send = (
  { mailTransport, brand }: DeliverPorts,
  { to, language }: Pick<StoredMail, 'to' | 'language'>,
  id: string,
  letter: Letter,
): Promise<void> => mailTransport.send({ id, to, ...renderMail(letter, language, brand) });
