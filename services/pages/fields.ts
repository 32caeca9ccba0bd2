import { type Html, html } from '#services/platform/html/html.ts';
import type { Look } from './form-page.ts';
import type { Texts } from './texts/english.ts';

/** What a page says about an error, in the language of its look. */
export type Said = (look: Look) => string;

export const hidden = (name: string, value: string): Html =>
  html`<input type="hidden" name="${name}" value="${value}">`;

export const strong = (text: string): Html => html`<strong>${text}</strong>`;

export const alertOf = (problem: Said | undefined, look: Look): Html | null =>
  problem === undefined ? null : html`<p class="bad" role="alert">${problem(look)}</p>`;

export const emailField = (texts: Texts, email: string): Html =>
  html`<label for="email">${texts.email}</label><input id="email" name="email" type="email" autocomplete="username" required maxlength="254" value="${email}">`;

/** Hidden until the page's script can show passwords. */
const showPassword = (texts: Texts): Html =>
  html`<label class="check" hidden><input type="checkbox">${texts.showPassword}</label>`;

export const currentPasswordField = (texts: Texts, label: string = texts.password): Html =>
  html`<label for="password">${label}</label><input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1024">${showPassword(texts)}`;

export const newPasswordField = (texts: Texts, label: string): Html =>
  html`<label for="password">${label}</label><input id="password" name="password" type="password" autocomplete="new-password" required minlength="12" maxlength="256" aria-describedby="rule"><p id="rule" class="dim">${texts.passwordRule}</p>${showPassword(texts)}`;
