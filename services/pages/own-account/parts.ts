import { type Html, html } from '#services/platform/html/html.ts';
import { hidden } from '../fields.ts';
import type { Look } from '../form-page.ts';
import type { Texts } from '../texts/english.ts';
import { type AccountPage, type Act, type Outcome, PART_OF, type PartName } from './account-view.ts';

const DONE: Readonly<Partial<Record<Act, keyof Texts>>> = {
  profile: 'doneProfile',
  password: 'donePassword',
  email: 'doneEmail',
  end_session: 'doneSession',
  end_other_sessions: 'doneOtherSessions',
  withdraw: 'doneWithdraw',
  revoke_key: 'doneKey',
  unlink: 'doneUnlink',
  add_passkey: 'donePasskeyAdded',
  rename_passkey: 'donePasskeyRenamed',
  remove_passkey: 'donePasskey',
  confirm_totp: 'doneTotp',
  disable_totp: 'doneTotpOff',
  step_up: 'doneStepUp',
};

/** What the last act did, if its form is in this part. Forms lead to it, so that the browser shows it. */
export function noteOf(outcome: Outcome | undefined, part: PartName, look: Look): Html | null {
  if (outcome === undefined || PART_OF[outcome.act] !== part) return null;
  const { act, problem } = outcome;
  if (problem !== undefined) return html`<p id="said" class="note bad" role="alert" tabindex="-1">${problem(look)}</p>`;
  const done = DONE[act];
  return done === undefined
    ? null
    : html`<p id="said" class="note good" role="status" tabindex="-1">${look.language.texts[done]}</p>`;
}

/** One matter of a section, with what the last act did to it. */
export const partOf = (asked: AccountPage, part: PartName, title: string, body: Html, look: Look): Html =>
  html`<section${part === 'delete' ? html` class="apart"` : null}><h2 id="part-${part}">${title}</h2>${noteOf(asked.outcome, part, look)}${body}</section>`;

export const formOf = (
  { formToken }: { readonly formToken: string },
  act: Act,
  inside: Html,
  fields: Readonly<Record<string, string>> = {},
): Html =>
  html`<form method="post" action="/account#said">${hidden('form_token', formToken)}${hidden('act', act)}${Object.entries(fields).map(([name, value]) => hidden(name, value))}${inside}</form>`;

/** A form that stays closed until it is asked for, or was refused. */
export function foldedForm(
  { outcome }: AccountPage,
  { act, title }: { readonly act: Act; readonly title: string },
  form: Html,
): Html {
  const isRefused = outcome?.act === act && outcome.problem !== undefined;
  return html`<details${isRefused ? html` open` : null}><summary>${title}</summary>${form}</details>`;
}

/** `main` is the one thing to do in a section, `danger` what takes something away. */
type Weight = 'main' | 'plain' | 'small' | 'danger';

const CLASSES: Readonly<Record<Weight, Html>> = {
  main: html``,
  plain: html` class="plain"`,
  small: html` class="plain small"`,
  danger: html` class="plain small danger"`,
};

export const submit = (text: string, weight: Weight = 'main'): Html =>
  html`<button${CLASSES[weight]} type="submit">${text}</button>`;

export const timeText = (at: string, { language }: Look): Html =>
  html`<time datetime="${at}">${new Intl.DateTimeFormat(language.tag, {
    dateStyle: 'medium',
    timeStyle: 'short',
    timeZone: 'UTC',
  }).format(new Date(at))} UTC</time>`;

/** Things in rows, each with its form at the end; a sentence if there are none. */
export function rowsOf<T>(items: readonly T[], none: string, rowOf: (item: T) => readonly [Html, Html | null]): Html {
  if (items.length === 0) return html`<p class="dim">${none}</p>`;
  const rows = items.map((item) => {
    const [shown, form] = rowOf(item);
    return html`<li><div>${shown}</div>${form}</li>`;
  });
  return html`<ul class="rows">${rows}</ul>`;
}

export const moreOf = (isLonger: boolean, texts: Texts): Html | null =>
  isLonger ? html`<p class="dim">${texts.accountMore} <a href="/account/data">${texts.accountData}</a></p>` : null;
