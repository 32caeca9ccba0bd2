import type { MailRequest } from '#services/core/identity/mail/mails.ts';
import { visibleText } from '#services/core/shared/visible-text.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import type { DeliveryRow, MessageItem } from './notices.store.ts';

/** What a message says: its counts are of all, the items are the first of them. */
export type AlertMessage = Pick<DeliveryRow, 'id' | 'kind' | 'grouped' | 'firing' | 'resolved' | 'created_at'> & {
  readonly items: readonly MessageItem[];
  /** The issuer: which installation speaks. */
  readonly source: string;
};

/** Items of a message, by who reads it: the counts always say how many there are. */
export const ITEMS_MAX = { webhook: 100, mail: 20, slack: 10 } as const;

const WORST = ['critical', 'high', 'medium', 'low'] as const;
const counted = (count: number, what: string): string => `${count} ${count === 1 ? 'alert' : 'alerts'} ${what}`;

/** One line, without characters that change how the rest is shown: what others wrote makes no line of its own. */
const oneLine = (text: string): string => visibleText(text).replaceAll(/\s+/g, ' ');

/** What it is about in one line. */
function headlineOf({ kind, grouped, firing, resolved, items }: AlertMessage): string {
  if (kind === 'test') return 'Test of alerts: this target works';
  const worst = WORST.find((severity) => items.some((item) => item.severity === severity && item.kind !== 'resolved'));
  const counts = [
    ...(firing > 0 ? [counted(firing, 'firing')] : []),
    ...(resolved > 0 ? [counted(resolved, 'resolved')] : []),
  ].join(', ');
  const about = grouped === '*' ? 'of several kinds' : grouped.slice(grouped.indexOf(':') + 1);
  return oneLine(`${worst === undefined ? '' : `[${worst}] `}${counts}: ${about}`);
}

const WORDS = { firing: 'FIRING', resolved: 'RESOLVED' } as const;

const lineOf = ({
  kind,
  severity,
  name,
  summary,
  raised_at: raised,
  resolved_at: resolved,
  count,
}: MessageItem): string =>
  oneLine(
    `${WORDS[kind]} ${severity} ${name}: ${summary} (${kind === 'resolved' ? resolved : `since ${raised}`}${count > 1 ? `, ${count} reports` : ''})`,
  );

/** The page of its incident in the console; the id is ours, and the address that of the installation. */
function pageOf({ source }: Pick<AlertMessage, 'source'>, item: MessageItem): string | undefined {
  const { incident_id: incidentId } = item.labels;
  return item.source === 'incident' && incidentId !== undefined
    ? `${source.replace(/\/$/, '')}/console/incidents/${encodeURIComponent(incidentId)}`
    : undefined;
}

/** Each alert, and under it where to read on. */
const linesOf = (message: AlertMessage, longest: number): string[] => [
  ...message.items.flatMap((item) => [cutText(lineOf(item), longest), pageOf(message, item) ?? []].flat()),
  ...moreOf(message),
];

function moreOf({ firing, resolved, items }: AlertMessage): string[] {
  const more = firing + resolved - items.length;
  return more > 0 ? [`… and ${more} more`] : [];
}

/** The body of a webhook: a CloudEvent (CloudEvents 1.0, JSON), as hand-offs have. */
export const cloudEventOf = (message: AlertMessage): string =>
  JSON.stringify({
    specversion: '1.0',
    id: message.id,
    source: message.source,
    type: message.kind === 'test' ? 'alert.test' : 'alert.notification',
    subject: message.grouped,
    time: message.created_at,
    datacontenttype: 'application/json',
    data: {
      text: headlineOf(message),
      firing: message.firing,
      resolved: message.resolved,
      truncated: moreOf(message).length > 0,
      alerts: message.items.map((item) => ({
        alert_id: item.id,
        status: item.kind,
        source: item.source,
        name: item.name,
        severity: item.severity,
        summary: item.summary,
        labels: item.labels,
        url: pageOf(message, item) ?? null,
        count: item.count,
        raised_at: item.raised_at,
        resolved_at: item.kind === 'resolved' ? item.resolved_at : null,
      })),
    },
  });

/** Slack’s three control characters: what others wrote is text, never a link, mention or format. */
const slackText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
/** Slack refuses a longer text of a block. */
const BLOCK_CHARACTERS_MAX = 3_000;

/** The body of an incoming webhook of Slack, and of what takes the same. */
export function slackMessageOf(message: AlertMessage): string {
  const headline = headlineOf(message);
  const lines = linesOf(message, 280);
  const texts = [headline, lines.join('\n'), `${message.source} · ${message.id}`].filter((text) => text !== '');
  const blocks = texts.map((text) => ({
    type: 'section',
    // Not mrkdwn: `*`, `_` and `@` in a name stay what they are.
    text: { type: 'plain_text', text: cutText(text, BLOCK_CHARACTERS_MAX), emoji: false },
  }));
  return JSON.stringify({ text: slackText([headline, ...lines].join('\n')), blocks });
}

export const mailOf = (message: AlertMessage, to: string): MailRequest => ({
  template: 'alert',
  to,
  subject: cutText(headlineOf(message), 200),
  paragraphs: [...linesOf(message, 1_500), `${message.source} · ${message.id}`],
});
