import type { ProductionGap } from '#services/core/health/production-gaps.ts';
import { routeUnknown } from '#services/platform/errors.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import type { DemoLogin } from '#services/platform/local/demo-login.ts';
import type { ReadableMail } from '#services/platform/mail/decode.ts';
import { copyButton } from './copy-button.ts';
import { strong } from './fields.ts';
import type { FormPage } from './form-page.ts';
import { COPY_SCRIPT } from './page-script.ts';
import { problemTitle } from './problems.ts';
import type { Texts } from './texts/english.ts';
import { fill, say } from './texts/texts.ts';

type StartPage = {
  readonly isReady: boolean;
  readonly hasConsole: boolean;
  /** In development on the same machine: the state of each component, the demo login, and the mails. */
  readonly development?:
    | {
        readonly components: Readonly<Record<string, string>>;
        readonly demo: DemoLogin | undefined;
        readonly admin: DemoLogin | undefined;
        readonly showsMails: boolean;
        readonly gaps: readonly ProductionGap[];
        readonly leftOut: readonly string[];
      }
    | undefined;
};

const link = (path: string, text: string): Html => html`<li><a href="${path}">${text}</a></li>`;

/** The reasons are those of `sallyport doctor`, in English. */
const gapItem = ({ name, why, fix }: ProductionGap): Html =>
  html`<li lang="en"><code>${name}</code> ${why}. <span class="dim">${fix}</span></li>`;

function developmentPart(
  { components, showsMails, gaps, leftOut }: NonNullable<StartPage['development']>,
  texts: Texts,
): Html {
  const states = Object.entries(components).map(([name, state]) => html`<span><code>${name}</code> ${state}</span> `);
  const without = leftOut.length === 0 ? null : html`<p><code>SALLYPORT_LEAVE_OUT</code> ${leftOut.join(', ')}</p>`;
  const missing = html`<section><h2>${texts.startMissing}</h2><p class="dim">${texts.startMissingWhy}</p><ul>${gaps.map(gapItem)}</ul></section>`;
  return html`<section><h2>${texts.startDevelopment}</h2>${showsMails ? html`<ul>${link('/dev/mail', texts.devMails)}</ul>` : null}<p class="acts">${states}</p>${without}</section>${gaps.length === 0 ? null : missing}`;
}

function loginOf(login: DemoLogin | undefined, said: string, id: string, texts: Texts): Html | null {
  if (login === undefined) return null;
  const { email, password } = login;
  const parts = { email: html`<code>${email}</code>`, password: html`<code id="${id}">${password}</code>` };
  return html`<p>${say(said, parts)}</p>${copyButton(id, texts.startCopyPassword, texts)}`;
}

/** What a browser gets at the address of the service itself. */
export const startPage =
  ({ isReady, hasConsole, development }: StartPage): FormPage =>
  ({ brand, language: { texts } }) => ({
    title: fill(texts.startTitle, { name: brand.name }),
    inlineScript: COPY_SCRIPT,
    isGrid: true,
    body: html`${hasConsole ? html`<section class="middle"><a class="button" href="/console">${texts.console}</a>${loginOf(development?.admin, texts.startAdmin, 'admin-password', texts)}</section>` : null}
<section><h2>${texts.accountTitle}</h2><p>${isReady ? texts.startText : texts.startNotReady}</p><ul>${link('/login', texts.signIn)}${link('/signup', texts.createAccount)}${link('/account', texts.accountTitle)}</ul>${loginOf(development?.demo, texts.startDemo, 'demo-password', texts)}</section>
<section><h2>${texts.startDevelopers}</h2>
<ul>${link('/docs', texts.startDocs)}${link('/docs/errors', texts.startErrors)}${link('/openapi.json', texts.startOpenApi)}${link('/.well-known/openid-configuration', texts.startDiscovery)}${link('/readyz', texts.startHealth)}</ul></section>${development === undefined ? null : developmentPart(development, texts)}`,
  });

/** What a browser gets at an address that does not exist. */
export const notFoundPage: FormPage = ({ language }) => ({
  title: problemTitle(routeUnknown(), language),
  body: html`<p>${language.texts.pageUnknownWhy}</p><ul>${link('/', language.texts.startPage)}${link('/docs', language.texts.startDocs)}</ul>`,
});

/** @param mails newest first */
export const devMailsPage =
  (mails: readonly (Pick<ReadableMail, 'to' | 'subject' | 'date'> & { readonly name: string })[]): FormPage =>
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

/** The link that a mail is about: its code is in the fragment. */
const linkIn = (text: string): string | undefined => /https?:\/\/[^\s<>"]+#[^\s<>"]+/.exec(text)?.[0];

export const devMailPage =
  ({ to, subject, date, text }: Omit<ReadableMail, 'from'>): FormPage =>
  ({ language: { texts } }) => {
    const main = linkIn(text);
    const open = main && html`<p><a class="button" href="${main}" rel="noreferrer">${texts.devMailOpen}</a></p>`;
    return {
      title: subject,
      heading: html`<bdi>${subject}</bdi>`,
      body: html`<p>${say(texts.devMailTo, { email: strong(to), date })}</p>${open}<pre class="mail" dir="auto">${linked(text)}</pre><p class="links"><a href="/dev/mail">${texts.devMailsAll}</a></p>`,
    };
  };
