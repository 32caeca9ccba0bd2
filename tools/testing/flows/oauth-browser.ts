// For tests only: a minimal browser without scripts for the pages of the authorization server.
import { expect } from 'vitest';
import { type Received, send } from '../http-client.ts';

export type Browser = {
  /** Follows redirects that stay on the API; the last answer, and where it points if that is elsewhere. */
  open(path: string): Promise<Shown>;
  /** Sends the first form on the page, or the one to `to`, its hidden fields included; several of one name by a list. */
  submit(page: Shown, fields: Readonly<Record<string, string | readonly string[]>>, to?: string): Promise<Shown>;
  readonly cookies: Map<string, string>;
};

export type Shown = Received & { readonly leftFor: URL | null };

const unescaped = (text: string): string =>
  text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

const hiddenFields = (html: string): [string, string][] =>
  [...html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)].map(([, name = '', value = '']) => [
    name,
    unescaped(value),
  ]);

/** @param origin by which the API knows itself; requests go to `base` */
export function openBrowser(base: string, origin: string): Browser {
  const cookies = new Map<string, string>();

  async function go(method: string, path: string, form?: string): Promise<Shown> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await send(base, method, path, {
      ...(cookie === '' ? {} : { cookie }),
      ...(form === undefined ? {} : { form, headers: { origin } }),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [pair = ''] = line.split(';', 1);
      const name = pair.slice(0, pair.indexOf('='));
      if (/max-age=0/i.test(line)) cookies.delete(name);
      else cookies.set(name, pair.slice(name.length + 1));
    }
    const location = answer.headers.get('location');
    if (location === null) return { ...answer, leftFor: null };
    expect(answer.status, 'a form is never sent on').toBe(303);
    if (location.startsWith('/')) return go('GET', location);
    return { ...answer, leftFor: new URL(location) };
  }

  return {
    cookies,
    open: (path) => go('GET', path),
    submit(page, fields, to) {
      const forms = [...page.text.matchAll(/<form method="post" action="([^"]+)">(.*?)<\/form>/gs)];
      const [, action, inside] = forms.find(([, leadsTo]) => to === undefined || leadsTo === to) ?? [];
      expect(action, page.text).toBeDefined();
      const form = new URLSearchParams(hiddenFields(inside as string));
      for (const [name, value] of Object.entries(fields))
        for (const each of [value].flat()) form.append(name, each as string);
      return go('POST', action as string, form.toString());
    },
  };
}
