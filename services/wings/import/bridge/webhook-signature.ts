import { createHmac, timingSafeEqual } from 'node:crypto';

export type WebhookHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Seconds by which the time of a request may differ from ours (Standard Webhooks). */
const WINDOW_SECONDS = 300;
/** Signatures of one request: more than one while the secret is rotated. */
const SIGNATURES_MAX = 8;
const LONGEST_ID = 255;

type SignedText = { readonly id: string | null; readonly timestamp: string; readonly signatures: readonly Buffer[] };

const textOf = (headers: WebhookHeaders, names: readonly string[]): string | undefined =>
  names.map((name) => headers[name]).find((value): value is string => typeof value === 'string');

/** Standard Webhooks, as Svix sends them too: `v1,<base64>`, several separated by spaces. */
function standardOf(headers: WebhookHeaders): SignedText | null {
  const id = textOf(headers, ['webhook-id', 'svix-id']);
  const timestamp = textOf(headers, ['webhook-timestamp', 'svix-timestamp']);
  const listed = textOf(headers, ['webhook-signature', 'svix-signature']);
  if (id === undefined || id === '' || id.length > LONGEST_ID || timestamp === undefined || listed === undefined)
    return null;
  const versions = listed.split(' ', SIGNATURES_MAX).filter((each) => each.startsWith('v1,'));
  return { id, timestamp, signatures: versions.map((each) => Buffer.from(each.slice(3), 'base64')) };
}

/** The plain form: `sha256=<hex>` over time and body. */
function plainOf(headers: WebhookHeaders): SignedText | null {
  const timestamp = textOf(headers, ['x-webhook-timestamp']);
  const [, hex] = /^sha256=([0-9a-f]{64})$/i.exec(textOf(headers, ['x-webhook-signature']) ?? '') ?? [];
  return timestamp === undefined || hex === undefined
    ? null
    : { id: null, timestamp, signatures: [Buffer.from(hex, 'hex')] };
}

type WebhookRefusal = 'unsigned' | 'stale' | 'forged';

/**
 * Verifies the signature of a webhook and its age. Returns the id of the event that the signature covers; null in the
 * plain form, whose id is in the body.
 */
export function verifyWebhook(
  key: Buffer,
  { headers, body }: { readonly headers: WebhookHeaders; readonly body: Buffer },
  nowSeconds: number,
): { readonly id: string | null } | WebhookRefusal {
  const signed = standardOf(headers) ?? plainOf(headers);
  if (signed === null) return 'unsigned';
  const { id, timestamp, signatures } = signed;
  const mac = createHmac('sha256', key)
    .update(id === null ? `${timestamp}.` : `${id}.${timestamp}.`)
    .update(body)
    .digest();
  if (!signatures.some((each) => each.length === mac.length && timingSafeEqual(each, mac))) return 'forged';
  const isFresh = /^\d{1,12}$/.test(timestamp) && Math.abs(nowSeconds - Number(timestamp)) <= WINDOW_SECONDS;
  return isFresh ? { id } : 'stale';
}
