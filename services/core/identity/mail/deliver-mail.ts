import { mailsSent } from '#observability/metrics/mail.ts';
import { mailContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Fence, MailTransport, Ports } from '#services/core/ports.ts';
import { ACCEPTED, type Attempt, type Pace, type Subscription, sendDue } from '#services/core/shared/send-batch.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import type { Brand } from '#services/platform/html/brand.ts';
import { lockMail, type MailRow, mailEnds, takeMails } from './mail.store.ts';
import { type StoredMail, writeMail } from './mails.ts';
import { renderMail } from './render-mail.ts';

export { mailsAreDue } from './mail.store.ts';

type DeliverPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'vault' | 'random' | 'log'> & {
  readonly mailTransport: MailTransport;
  /** How mails look; as without settings by default. */
  readonly brand?: Brand;
};

/** Mails sent concurrently; the transport keeps as many connections. */
const BATCH = 8;
/** Longer than any attempt. If the worker dies, another one takes the mail after this time. */
const LEASE_SECONDS = 120;
/** A mail delivered a day late is useless. */
const PACE: Pace = { firstPauseSeconds: 5, longestPauseSeconds: 3_600, givenUpSeconds: 86_400 };

type Template = StoredMail['template'];

/**
 * Sends due mails until none are left, `signal` aborts or the time of a run is over. A failed mail is retried with growing
 * pauses and given up after a day; other mails do not wait for it. Delivery is at least once.
 */
export const deliverMails = async (
  ports: DeliverPorts,
  run: { readonly fence: Fence; readonly signal: AbortSignal },
): Promise<{ readonly taken: number }> => ({ taken: await sendDue(ports, mailsOf(ports), run) });

const mailsOf = (ports: DeliverPorts): Subscription<MailRow> => ({
  pace: PACE,
  batch: BATCH,
  claim: (tx, limit) => takeMails(tx, limit, LEASE_SECONDS),
  send: (row) => send(ports, row),
  ...mailEnds,
  accept: (row) => mailEnds.remove(ports.sql, row),
  count: (outcome, { template }) => mailsSent.add(1, { template: template as Template, outcome }),
  fieldsOf: ({ template }) => ({ template }),
  failed: 'mail could not be sent',
});

async function send({ mailTransport, brand, ...ports }: DeliverPorts, row: MailRow): Promise<Attempt | null> {
  const mail = JSON.parse(ports.vault.open(row.sealed, mailContext(row.id)).toString('utf8')) as StoredMail;
  const written = await ports.transact(async (tx) => {
    if (!(await lockMail(tx, row))) return undefined;
    return { letter: await writeMail(tx, ports, { ...mail, id: row.id, askedAt: row.asked_at }) };
  });
  // The lease has expired, and a later attempt has taken the mail.
  if (written === undefined) return null;
  const { letter } = written;
  if (!letter) {
    await mailEnds.remove(ports.sql, row);
    mailsSent.add(1, { template: row.template as Template, outcome: 'dropped' });
    return null;
  }
  return mailTransport.send({ id: row.id, to: mail.to, ...renderMail(letter, mail.language, brand) }).then(
    () => ACCEPTED,
    (err: Error) => ({ outcome: 'unreachable', code: errorCodeOf(err), isLast: err.name === 'MailRefusedError' }),
  );
}
