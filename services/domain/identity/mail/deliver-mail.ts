import { mailsSent } from '#observability/metrics/mail.ts';
import { mailContext } from '#services/domain/keys/secrets/sealed-contexts.ts';
import type { Fence, MailTransport, Ports } from '#services/domain/ports.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import { deleteMail, holdMail, type MailRow, postponeMail, takeMails } from './mail.store.ts';
import { type StoredMail, writeMail } from './mails.ts';
import { type Letter, renderMail } from './render-mail.ts';

export type DeliverPorts = Pick<Ports, 'transact' | 'sql' | 'vault' | 'random' | 'log'> & {
  readonly mailTransport: MailTransport;
};

/** Taken and sent at a time, over as many connections as the transport keeps. */
const BATCH = 8;
/** A try takes less; a mail whose worker died is taken up again after it. */
const LEASE_SECONDS = 120;
const FIRST_PAUSE_SECONDS = 5;
const LONGEST_PAUSE_SECONDS = 3_600;
/** A mail that comes a day late helps nobody. */
const GIVEN_UP_SECONDS = 86_400;

/**
 * Sends the mails that are due, until there are none or it is told to stop. One that fails is tried again with growing
 * pauses and given up after a day; the others do not wait for it. A mail may come twice, never not at all.
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
    await Promise.all(rows.map((row) => deliver(ports, row)));
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
      if (!(await holdMail(tx, row))) return undefined;
      return { letter: await writeMail(tx, ports, { ...mail, id: row.id, askedAt: row.askedAt }) };
    });
    // Its lease is over, and a later try has taken it.
    if (written === undefined) return;
    const { letter } = written;
    if (letter) await send(ports, mail.to, row.id, letter);
    await deleteMail(ports.sql, row);
    mailsSent.add(1, { template, outcome: letter ? 'sent' : 'dropped' });
  } catch (err) {
    const isOver = (err as Error).name === 'MailRefusedError' || row.ageSeconds > GIVEN_UP_SECONDS;
    const pause = Math.min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** Math.min(row.attempts, 20));
    mailsSent.add(1, { template, outcome: isOver ? 'given_up' : 'retried' });
    const fields = { code: errorCodeOf(err), template, attempt: row.attempts };
    if (isOver) ports.log.error(fields, 'a mail could not be sent and is given up');
    else ports.log.warn(fields, 'a mail could not be sent and is tried again');
    await postponeMail(ports.sql, row, errorCodeOf(err), isOver ? null : pause);
  }
}

const send = ({ mailTransport }: DeliverPorts, to: string, id: string, letter: Letter): Promise<void> =>
  mailTransport.send({ id, to, ...renderMail(letter) });
