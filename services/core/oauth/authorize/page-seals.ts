import { createHmac, timingSafeEqual } from 'node:crypto';
import type { KeyRing } from '#services/core/keys/key-ring.ts';

export type HasPageKeys = { readonly keyRing: Pick<KeyRing, 'secret' | 'secretVersion'> };

/**
 * Computes a MAC over a value that our pages send back to us, so that no other site can forge it. The text names the
 * purpose, so that a seal is not accepted for another one. `<key version>.<mac>`.
 */
function seal({ keyRing }: HasPageKeys, text: string): string {
  const { version, key } = keyRing.secret('csrf');
  return `${version}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}

function isSealOf({ keyRing }: HasPageKeys, seal: string, text: string): boolean {
  const [, version, mac] = /^(\d{1,5})\.([\w-]{43})$/.exec(seal) ?? [];
  const key = version === undefined ? undefined : keyRing.secretVersion('csrf', Number(version));
  if (key === undefined || mac === undefined) return false;
  return timingSafeEqual(Buffer.from(mac), Buffer.from(createHmac('sha256', key).update(text).digest('base64url')));
}

/** What a form token is bound to. */
type FormTies = {
  readonly pageCookie: string;
  readonly sessionCookie: string;
  /** The request that the page shows; '' for a form without one. */
  readonly about: string;
};

const formText = ({ pageCookie, sessionCookie, about }: FormTies): string =>
  `form\0${pageCookie}\0${sessionCookie}\0${about}`;

/** The CSRF token of a form: invalid in another browser, for another request, or after another user signed in. */
export const formToken = (ports: HasPageKeys, ties: FormTies): string => seal(ports, formText(ties));

export const isFormToken = (ports: HasPageKeys, token: string, ties: FormTies): boolean =>
  ties.pageCookie !== '' && isSealOf(ports, token, formText(ties));

/** A parameter that we add: a sign-in after this time satisfies `prompt=login` and `max_age` of this request only. */
const MARKER = 'login_after';
/** Time for the user to complete the sign-in page. */
const MARKER_SECONDS = 3_600;

const bare = (query: string): string => {
  const parameters = new URLSearchParams(query);
  parameters.delete(MARKER);
  return parameters.toString();
};

/** Returns the query with a marker: the user comes back with it after the sign-in that the request requires. */
export function markedQuery(ports: HasPageKeys, query: string, nowSeconds: number): string {
  const request = bare(query);
  const parameters = new URLSearchParams(request);
  parameters.set(MARKER, `${nowSeconds}.${seal(ports, `login\0${nowSeconds}\0${request}`)}`);
  return parameters.toString();
}

/** Returns the time after which a sign-in satisfies this request, in Unix seconds; null without a valid marker. */
export function markedSince(ports: HasPageKeys, query: string, nowSeconds: number): number | null {
  const [, seconds, marker] =
    /^(\d{1,12})\.([\d]{1,5}\.[\w-]{43})$/.exec(new URLSearchParams(query).get(MARKER) ?? '') ?? [];
  const since = Number(seconds);
  if (seconds === undefined || marker === undefined || nowSeconds - since > MARKER_SECONDS) return null;
  return isSealOf(ports, marker, `login\0${since}\0${bare(query)}`) ? since : null;
}
