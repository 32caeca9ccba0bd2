import { alertCircuits, alertDeliveries } from '#observability/metrics/alerts.ts';
import type { AlertRule } from '#services/core/audit/read/alert-rule.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import { type MailPorts, queueMail } from '#services/core/identity/mail/queue-mail.ts';
import { readMailState } from '#services/core/identity/mail/read-mail-backlog.ts';
import { alertTargetContext } from '#services/core/keys/secrets/sealed-contexts.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import {
  ACCEPTED,
  type Attempt,
  attemptOf,
  DELIVERY_PACE,
  LEASE_SECONDS,
  type Subscription,
} from '#services/core/shared/send-batch.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import type { HandoffTransport } from '../handoff/deliver-handoff.ts';
import { type SignHandoffPorts, signHandoff } from '../handoff/sign-handoff.ts';
import { type AlertMessage, cloudEventOf, ITEMS_MAX, mailOf, slackMessageOf } from './alert-messages.ts';
import { ALL_GROUPS } from './alert-shapes.ts';
import { alertGivenUp } from './audit-events.ts';
import {
  countRecent,
  type DeliveryRow,
  giveBackDelivery,
  insertDelivery,
  markMailed,
  markSent,
  postponeDelivery,
  readGroups,
  readItems,
  takeDeliveries,
} from './notices.store.ts';
import { type TargetRow, targetCircuit } from './targets.store.ts';

export type HasAlerts = {
  readonly alerts: {
    readonly transport: HandoffTransport;
    readonly rules: readonly AlertRule[];
    readonly pace?: Partial<AlertPace>;
  };
  readonly tokenSettings: Pick<HasTokenSettings['tokenSettings'], 'issuer' | 'accessTokenSeconds'>;
};

export type AlertPace = {
  /** Between two messages of one group to one target. */
  readonly groupSeconds: number;
  /** Messages that a target gets in a minute; what does not fit is one message. */
  readonly messagesPerMinute: number;
};
const ALERT_PACE: AlertPace = { groupSeconds: 30, messagesPerMinute: 10 };
/** Messages sent concurrently to a target, each of another group. */
const BATCH = 10;
/** How often the outbox of mails is asked whether a mail was sent. */
const MAIL_ASKED_SECONDS = 2;

export type SendAlertsPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'random' | 'log' | 'vault'> &
  SignHandoffPorts &
  MailPorts &
  HasAlerts;

const addressOf = ({ vault }: Pick<Ports, 'vault'>, { id, sealed }: Pick<TargetRow, 'id' | 'sealed'>): string =>
  vault.open(sealed, alertTargetContext(id)).toString('utf8');

type Sending = { readonly target: TargetRow; readonly row: DeliveryRow };

async function messageOf(ports: SendAlertsPorts, { target, row }: Sending): Promise<AlertMessage> {
  const items = row.kind === 'test' ? [] : await readItems(ports.sql, row.id, ITEMS_MAX[target.kind]);
  return { ...row, items, source: ports.tokenSettings.issuer };
}

async function post(ports: SendAlertsPorts, sending: Sending, signal: AbortSignal): Promise<Attempt> {
  const { target, row } = sending;
  const url = addressOf(ports, target);
  const message = await messageOf(ports, sending);
  const isSigned = target.kind === 'webhook';
  const body = isSigned ? cloudEventOf(message) : slackMessageOf(message);
  const headers = isSigned
    ? await signHandoff(ports, { url, eventId: row.id, body })
    : { 'content-type': 'application/json', 'idempotency-key': `"${row.id}"` };
  return attemptOf(await ports.alerts.transport.post({ url, headers, body }, signal));
}

/** The outbox of mails retries it. The next message of the group waits until it was sent, so that mails keep their order. */
async function mail(ports: SendAlertsPorts, sending: Sending, caller: Caller): Promise<Attempt | null> {
  const { target, row } = sending;
  if (row.mail_id !== null) {
    const state = await readMailState(ports, row.mail_id);
    if (state === undefined) return ACCEPTED;
    if (state.is_given_up) return { outcome: 'rejected', code: state.failure ?? 'unknown', isLast: true };
    await markMailed(ports.sql, row, row.mail_id, { seconds: MAIL_ASKED_SECONDS, isWaiting: true });
    return null;
  }
  const message = await messageOf(ports, sending);
  const to = addressOf(ports, target);
  await ports.transact(async (tx) => {
    const mailId = await queueMail(tx, ports, mailOf(message, to), caller);
    if (!(await markMailed(tx, row, mailId, { seconds: MAIL_ASKED_SECONDS, isWaiting: false })))
      throw new Error('a later attempt has taken the message');
  });
  return null;
}

/** Groups what waits into messages, as many as the target may get now. */
async function makeMessages(tx: Tx, ports: SendAlertsPorts, { id: targetId }: TargetRow): Promise<void> {
  const { groupSeconds, messagesPerMinute } = { ...ALERT_PACE, ...ports.alerts.pace };
  const insert = (grouped: string, groups: readonly string[]) =>
    insertDelivery(tx, { id: ports.random.uuid(), targetId, grouped }, groups);
  const groups = await readGroups(tx, targetId, groupSeconds);
  if (groups.length === 0) return;
  const room = messagesPerMinute - (await countRecent(tx, targetId));
  if (room <= 0) return;
  const own = groups.length <= room ? groups : groups.slice(0, room - 1);
  for (const grouped of own) await insert(grouped, [grouped]);
  const rest = groups.slice(own.length);
  if (rest.length > 0) await insert(ALL_GROUPS, rest);
}

/** Messages to one target: signed CloudEvents, messages of Slack, or mails. */
export function alertsTo(ports: SendAlertsPorts, target: TargetRow, caller: Caller): Subscription<DeliveryRow> {
  const { id, name, kind, failures } = target;
  return {
    pace: DELIVERY_PACE,
    batch: BATCH,
    receiver: {
      ...targetCircuit(id),
      plan: async (tx) => {
        // A message to a target that is down would keep what comes meanwhile out of it.
        if (!target.is_open) await makeMessages(tx, ports, target);
        return { failures, is_open: target.is_open };
      },
      countCircuit: (event) => alertCircuits.add(1, { event }),
      fields: { target: name },
      down: 'a target of alerts is down; its messages wait',
      up: 'a target of alerts is up again',
    },
    claim: (tx, limit) => takeDeliveries(tx, id, limit, LEASE_SECONDS),
    prepare: () => ports.keyRing.load(),
    send: (row, signal) =>
      kind === 'mail' ? mail(ports, { target, row }, caller) : post(ports, { target, row }, signal),
    accept: (row) => markSent(ports.sql, row),
    postpone: postponeDelivery,
    giveBack: giveBackDelivery,
    recordGivenUp: (tx, { attempts, firing, resolved }, code) =>
      recordEvent(tx, caller, alertGivenUp, {
        outcome: 'given_up',
        detail: { name, code, attempts, firing, resolved },
      }),
    count: (outcome) => alertDeliveries.add(1, { kind, outcome }),
    fieldsOf: () => ({ target: name }),
    failed: 'a message about alerts could not be sent',
  };
}
