import { type Html, html } from '#services/platform/html/html.ts';
import type { DemoLogin } from '#services/platform/local/demo-login.ts';
import type { ReadableMail } from '#services/platform/mail/decode.ts';
import { strong } from './fields.ts';
import type { Page } from './form-page.ts';
import type { Texts } from './texts/english.ts';
import { fill, say } from './texts/texts.ts';

type StartPage = {
  readonly isReady: boolean;
  /** In development on the same machine: the state of each component, the demo login, and the mails. */
  readonly development?:
    | {
        readonly components: Readonly<Record<string, string>>;
        readonly demo: DemoLogin | undefined;
        readonly showsMails: boolean;
      }
    | undefined;
};

const link = (path: string, text: string): Html => html`<li><a href="${path}">${text}</a></li>`;

function developmentPart({ components, demo, showsMails }: NonNullable<StartPage['development']>, texts: Texts): Html {
  const states = Object.entries(components).map(([name, state]) => html`<li><code>${name}</code> ${state}</li>`);
  const login = demo && {
    email: html`<code>${demo.email}</code>`,
    password: html`<code>${demo.password}</code>`,
  };
  return html`<h2>${texts.startDevelopment}</h2>${login ? html`<p>${say(texts.startDemo, login)}</p>` : null}<ul>${showsMails ? link('/dev/mail', texts.devMails) : null}${states}</ul>`;
}

/** What a browser gets at the address of the service itself. */
export const startPage =
  ({ isReady, development }: StartPage): Page =>
  ({ brand, language: { texts } }) => ({
    title: fill(texts.startTitle, { name: brand.name }),
    body: html`<p>${isReady ? texts.startText : texts.startNotReady}</p>
<ul>${link('/login', texts.signIn)}${link('/signup', texts.createAccount)}${link('/account', texts.accountTitle)}</ul>
<h2>${texts.startDevelopers}</h2>
<ul>${link('/docs', texts.startDocs)}${link('/docs/errors', texts.startErrors)}${link('/openapi.json', texts.startOpenApi)}${link('/.well-known/openid-configuration', texts.startDiscovery)}${link('/readyz', texts.startHealth)}</ul>${development === undefined ? null : developmentPart(development, texts)}`,
  });

type ListedMail = Pick<ReadableMail, 'to' | 'subject' | 'date'> & { readonly name: string };

/** @param mails newest first */
export const devMailsPage =
  (mails: readonly ListedMail[]): Page =>
  ({ language: { texts } }) => ({
    title: texts.devMails,
    body: html`<p class="dim">${texts.devMailsWhy}</p>${
      mails.length === 0
        ? html`<p role="status">${texts.devMailsNone}</p>`
        : html`<ul>${mails.map(
            ({ name, to, subject, date }) =>
              html`<li><a href="/dev/mail/${name}"><bdi>${subject}</bdi></a><br><span class="dim"><bdi>${to}</bdi> · ${date}</span></li>`,
          )}</ul>`
    }`,
  });

/** Text with its links; punctuation after an address is not part of it. */
const linked = (text: string): Html =>
  html`${text
    .split(/(https?:\/\/[^\s<>"]*[^\s<>".,:;!?])/)
    .map((piece, at) => (at % 2 === 0 ? html`${piece}` : html`<a href="${piece}" rel="noreferrer">${piece}</a>`))}`;

export const devMailPage =
  ({ to, subject, date, text }: Omit<ReadableMail, 'from'>): Page =>
  ({ language: { texts } }) => ({
    title: subject,
    heading: html`<bdi>${subject}</bdi>`,
    body: html`<p>${say(texts.devMailTo, { email: strong(to), date })}</p><pre dir="auto">${linked(text)}</pre><p class="links"><a href="/dev/mail">${texts.devMailsAll}</a></p>`,
  });
