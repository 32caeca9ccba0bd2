import { alertDeliveries } from '#observability/metrics/alerts.ts';
import type { AlertRule } from '#services/core/audit/read/alert-rule.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import { type MailPorts, queueMail } from '#services/core/identity/mail/queue-mail.ts';
import { readMailState } from '#services/core/identity/mail/read-mail-backlog.ts';
import { alertTargetContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import {
  DELIVERY_PACE,
  type DeliveryOutcome,
  type DeliveryPace,
  isLastAttempt,
  messagePauseSeconds,
  outcomeOfStatus,
} from '#services/core/shared/delivery-circuit.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import type { HandoffTransport } from '../handoff/deliver-handoff.ts';
import { type SignHandoffPorts, signHandoff } from '../handoff/sign-handoff.ts';
import { type AlertMessage, cloudEventOf, ITEMS_MAX, mailOf, slackMessageOf } from './alert-messages.ts';
import { alertGivenUp } from './audit-events.ts';
import { type DeliveryRow, markMailed, markSent, postponeDelivery, readItems } from './notices.store.ts';
import type { TargetRow } from './targets.store.ts';

export type HasAlerts = {
  readonly alerts: {
    readonly transport: HandoffTransport;
    readonly rules: readonly AlertRule[];
    readonly pace?: Partial<AlertPace>;
  };
  readonly tokenSettings: Pick<HasTokenSettings['tokenSettings'], 'issuer' | 'accessTokenSeconds'>;
};

export type AlertPace = DeliveryPace & {
  /** Between two messages of one group to one target. */
  readonly groupSeconds: number;
  /** Messages that a target gets in a minute; what does not fit is one message. */
  readonly messagesPerMinute: number;
};
const ALERT_PACE: AlertPace = { ...DELIVERY_PACE, groupSeconds: 30, messagesPerMinute: 10 };
/** How often the outbox of mails is asked whether a mail was sent. */
const MAIL_ASKED_SECONDS = 2;

export type SendAlertsPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'random' | 'log' | 'vault'> &
  SignHandoffPorts &
  MailPorts &
  HasAlerts;

export const paceOf = ({ alerts }: HasAlerts): AlertPace => ({ ...ALERT_PACE, ...alerts.pace });

/** The URL or address of a target. */
const addressOf = ({ vault }: Pick<Ports, 'vault'>, { id, sealed }: Pick<TargetRow, 'id' | 'sealed'>): string =>
  vault.open(sealed, alertTargetContext(id)).toString('utf8');

type Sending = {
  readonly target: TargetRow;
  readonly row: DeliveryRow;
  readonly signal: AbortSignal;
  readonly caller: Caller;
};
type Sent = { readonly outcome: DeliveryOutcome | 'queued'; readonly code: string };

async function messageOf(ports: SendAlertsPorts, { target, row }: Sending): Promise<AlertMessage> {
  const items = row.kind === 'test' ? [] : await readItems(ports.sql, row.id, ITEMS_MAX[target.kind]);
  return { ...row, items, source: ports.tokenSettings.issuer };
}

async function post(ports: SendAlertsPorts, sending: Sending): Promise<Sent> {
  const { target, row, signal } = sending;
  const url = addressOf(ports, target);
  const message = await messageOf(ports, sending);
  const isSigned = target.kind === 'webhook';
  const body = isSigned ? cloudEventOf(message) : slackMessageOf(message);
  const headers = isSigned
    ? await signHandoff(ports, { url, eventId: row.id, body })
    : { 'content-type': 'application/json', 'idempotency-key': `"${row.id}"` };
  const status = await ports.alerts.transport.post({ url, headers, body }, signal);
  return { outcome: outcomeOfStatus(status), code: `http_${status}` };
}

/** The outbox of mails retries it. The next message of the group waits until it was sent, so that mails keep their order. */
async function mail(ports: SendAlertsPorts, sending: Sending): Promise<Sent> {
  const { target, row, caller } = sending;
  if (row.mailId !== null) {
    const state = await readMailState(ports, row.mailId);
    if (state === undefined) return { outcome: 'accepted', code: '' };
    if (state.isGivenUp) return { outcome: 'rejected', code: state.failure ?? 'unknown' };
    await markMailed(ports.sql, row, row.mailId, { seconds: MAIL_ASKED_SECONDS, isWaiting: true });
    return { outcome: 'queued', code: '' };
  }
  const message = await messageOf(ports, sending);
  const to = addressOf(ports, target);
  await ports.transact(async (tx) => {
    const mailId = await queueMail(tx, ports, mailOf(message, to), caller);
    if (!(await markMailed(tx, row, mailId, { seconds: MAIL_ASKED_SECONDS, isWaiting: false })))
      throw new Error('a later attempt has taken the message');
  });
  return { outcome: 'queued', code: '' };
}

async function send(ports: SendAlertsPorts, sending: Sending): Promise<Sent> {
  try {
    return await (sending.target.kind === 'mail' ? mail : post)(ports, sending);
  } catch (err) {
    return { outcome: 'unreachable', code: errorCodeOf(err) };
  }
}

/** Makes one attempt to send one message, and stores how it ended. */
export async function deliverAlert(ports: SendAlertsPorts, sending: Sending): Promise<Sent['outcome']> {
  const { target, row, caller } = sending;
  const { kind } = target;
  const { outcome, code } = await send(ports, sending);
  if (outcome === 'queued') return outcome;
  if (outcome === 'accepted') {
    await markSent(ports.sql, row);
    alertDeliveries.add(1, { kind, outcome: 'sent' });
    return outcome;
  }
  // Neither the URL nor the message of an error, which may contain it.
  const fields = { target: target.name, failure: code, attempt: row.attempts };
  const isMailGivenUp = row.mailId !== null;
  if (!isMailGivenUp && !isLastAttempt(outcome, row)) {
    await postponeDelivery(ports.sql, row, code, messagePauseSeconds(ports, row.attempts, paceOf(ports)));
    alertDeliveries.add(1, { kind, outcome: 'retried' });
    ports.log.warn(fields, 'a message about alerts could not be sent; retrying');
    return outcome;
  }
  await ports.transact(async (tx) => {
    if (!(await postponeDelivery(tx, row, code, null))) return;
    const { attempts, firing, resolved } = row;
    const detail = { name: target.name, code, attempts, firing, resolved };
    await recordEvent(tx, caller, alertGivenUp, { outcome: 'given_up', detail });
  });
  alertDeliveries.add(1, { kind, outcome: 'given_up' });
  ports.log.error(fields, 'a message about alerts could not be sent; giving up');
  return outcome;
}
