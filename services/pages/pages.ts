import { type ScopeWords, wordsIn } from '#services/core/access/scope-words.ts';
import { isOwnScope } from '#services/core/authority/own-scopes.ts';
import type { ClientAnswer } from '#services/core/oauth/authorize/authorize-step.ts';
import { type Asker, pathWithNext } from '#services/core/oauth/authorize/next-path.ts';
import { type Html, html } from '#services/platform/html/html.ts';
import { askerLine, confirmLine, logoOf } from './asker.ts';
import { alertOf, currentPasswordField, emailField, hidden, type Said, strong } from './fields.ts';
import type { FormPage, Look } from './form-page.ts';
import { FORM_POST_SCRIPT, PAGE_SCRIPT } from './page-script.ts';
import type { ShownDetail } from './shown-details.ts';
import type { Texts } from './texts/english.ts';
import { fill, type Language, say } from './texts/texts.ts';

type FormPost = Extract<ClientAnswer, { readonly kind: 'form-post' }>;

export const PASSKEY_SCRIPT_PATH = '/login/passkey.js';
/** Hidden until the passkey script finds that the browser supports passkeys. */
export const passkeyButton = (texts: Texts, isMain = false, unknown?: string): Html =>
  html`<div id="passkey"${unknown === undefined ? null : html` data-unknown="${unknown}"`} hidden><button${isMain ? null : html` class="plain"`} type="button">${texts.signInWithPasskey}</button><p id="passkey-problem" class="bad" role="alert" data-none="${texts.passkeyNone}" data-place="${texts.passkeyPlace}" data-failed="${texts.passkeyFailed}"></p></div>`;

/** What helps after a failed attempt: an unlock mail, or another verification mail. */
export type SignInHelp = 'unlock' | 'resend';

type SignInPage = {
  readonly formToken: string;
  /** Path of our page to open after the sign-in. */
  readonly next: string;
  readonly email: string;
  /** Names of the providers that users may sign in with. */
  readonly providers: readonly string[];
  /** The application that sent the user here, if any. */
  readonly asker?: Asker | null;
  /** The account that is signed in and must be confirmed, with the path to use another one. */
  readonly confirms?: { readonly email: string; readonly otherPath: string } | null;
  /** Pages that go on to the same place afterwards. */
  readonly signUpPath: string;
  readonly forgotPasswordPath: string;
  /** Why the last attempt failed. */
  readonly problem?: Said | undefined;
  readonly help?: SignInHelp | undefined;
  /** The id of the passkey that was refused because no account has it. */
  readonly unknownPasskey?: string | undefined;
};

/** Brands whose spelling is more than a capital first letter. */
const BRANDS: Readonly<Record<string, string>> = { github: 'GitHub', gitlab: 'GitLab', linkedin: 'LinkedIn' };

/** @example brandOf('company') // 'Company' */
export const brandOf = (provider: string): string =>
  BRANDS[provider] ?? provider.charAt(0).toUpperCase() + provider.slice(1);

const providerButton = (name: string, texts: Texts): Html =>
  html`<button class="plain" type="submit" name="provider" value="${name}">${fill(texts.continueWith, { provider: brandOf(name) })}</button>`;

const providersForm = ({ formToken, next, providers }: SignInPage, texts: Texts): Html | null =>
  providers.length === 0
    ? null
    : html`<form method="post" action="/login/provider">${hidden('form_token', formToken)}${hidden('next', next)}${providers.map((name) => providerButton(name, texts))}</form>`;

/** @param url the provider's sign-in page */
export const toProviderPage =
  (provider: string, url: string): FormPage =>
  ({ language: { texts } }) => ({
    title: fill(texts.continueTo, { place: brandOf(provider) }),
    goesOnTo: url,
    body: html`<p>${say(texts.continueToSignIn, { link: html`<a href="${url}">${texts.continueToSignInLink}</a>` })}</p>`,
  });

const helpLink = ({ help, next }: SignInPage, texts: Texts): Html | null => {
  switch (help) {
    case 'unlock':
      return html`<p class="links"><a href="/account/unlock">${texts.unlockMail}</a></p>`;
    case 'resend':
      return html`<p class="links"><a href="${pathWithNext('/account/resend-verification', next)}">${texts.sendAgain}</a></p>`;
    case undefined:
      return null;
  }
};

export const signInPage =
  (asked: SignInPage): FormPage =>
  (look) => {
    const { texts } = look.language;
    return {
      title: texts.signIn,
      script: PASSKEY_SCRIPT_PATH,
      inlineScript: PAGE_SCRIPT,
      loadsOwnImages: asked.asker?.logoPath != null,
      body: html`${alertOf(asked.problem, look)}${helpLink(asked, texts)}${asked.asker && asked.confirms ? confirmLine(asked.asker, asked.confirms, texts) : askerLine(asked.asker, texts)}
<form method="post" action="/login">${hidden('form_token', asked.formToken)}${hidden('next', asked.next)}
${emailField(texts, asked.email)}${currentPasswordField(texts)}
<button type="submit">${texts.signIn}</button></form>${passkeyButton(texts, false, asked.unknownPasskey)}${providersForm(asked, texts)}
<p class="links"><a href="${asked.forgotPasswordPath}">${texts.forgotPassword}</a></p>
<p class="links">${texts.noAccount} <a href="${asked.signUpPath}">${texts.createAccount}</a></p>`,
    };
  };

/** A code of the authenticator app, if the account has one, or a recovery code. */
export const codeField = (hasApp: boolean, texts: Texts): Html =>
  html`<label for="code">${hasApp ? texts.secondFactorLabel : texts.recoveryCodeLabel}</label><input id="code" name="code" required maxlength="64" autocomplete="one-time-code" autocapitalize="off" spellcheck="false">`;

export type CodePage = {
  readonly formToken: string;
  readonly next: string;
  /** The id of the unfinished sign-in. */
  readonly challenge: string;
  /** The factors of the account: `totp`, `passkey`, `recovery_code`. */
  readonly factors: readonly string[];
  readonly problem?: Said | undefined;
};

/** Back to the sign-in page, which goes on to the same place. */
export const backToSignIn = (next: string, texts: Texts): Html =>
  html`<p class="links"><a href="${pathWithNext('/login', next)}">${texts.backToSignIn}</a></p>`;

export const codePage =
  ({ formToken, next, challenge, factors, problem }: CodePage): FormPage =>
  (look) => {
    const { texts } = look.language;
    const [hasApp, hasPasskey] = [factors.includes('totp'), factors.includes('passkey')];
    const form = html`<form method="post" action="/login/code">${hidden('form_token', formToken)}${hidden('next', next)}${hidden('challenge', challenge)}${hidden('factors', factors.join(' '))}
${codeField(hasApp, texts)}<button${hasApp ? null : html` class="plain"`} type="submit">${texts.continue}</button></form>`;
    const passkey = hasPasskey ? passkeyButton(texts, !hasApp) : null;
    const answers = hasApp ? html`${form}${passkey}` : html`<p>${texts.secondFactorPasskey}</p>${passkey}${form}`;
    return {
      title: texts.secondFactorTitle,
      script: PASSKEY_SCRIPT_PATH,
      body: html`${alertOf(problem, look)}${answers}${backToSignIn(next, texts)}`,
    };
  };

/** After a sign-in by a recovery code: how many are left, before the user goes on. */
export const recoveryCodeUsedPage =
  (codesLeft: number, next: string): FormPage =>
  ({ language: { texts } }) => ({
    title: texts.recoveryCodeUsed,
    body: html`<p role="status">${say(texts.accountCodesLeft, { count: strong(String(codesLeft)) })}</p><p>${texts.recoveryCodeUsedWhy} <a href="/account/security">${texts.accountCodesRenew}</a></p>
<p class="acts"><a class="button" href="${next}">${texts.continue}</a></p>`,
  });

type AskSignOutPage = {
  readonly formToken: string;
  /** The form sends this and the next two members back; '' if absent. */
  readonly clientId: string;
  readonly redirectUri: string;
  readonly state: string;
  /** Null if the request names no client. */
  readonly clientName: string | null;
  readonly email: string;
  /** The request names no address that is verified. */
  readonly isLost: boolean;
};

export const askSignOutPage =
  (asked: AskSignOutPage): FormPage =>
  ({ language: { texts } }) => ({
    title: texts.signOutTitle,
    body: html`${asked.isLost && html`<p role="alert">${texts.signOutLost}</p>`}<p>${say(texts.signedInAs, { email: strong(asked.email) })}${
      asked.clientName === null ? null : html` ${say(texts.appAsksSignOut, { client: strong(asked.clientName) })}`
    } ${texts.signOutEffect}</p>
<form method="post" action="/oauth2/end_session/confirm">${hidden('form_token', asked.formToken)}${hidden('client_id', asked.clientId)}${hidden('post_logout_redirect_uri', asked.redirectUri)}${hidden('state', asked.state)}
<button type="submit">${texts.signOut}</button></form><p class="dim">${texts.staySignedIn}</p>`,
  });

/** The browser has no session, and the request that sent it here names no address that is verified. */
export const signedOutLostPage: FormPage = ({ language: { texts } }) => ({
  title: texts.signedOut,
  body: html`<p>${texts.signOutLost}</p><p class="links"><a href="/login">${texts.signInAgain}</a></p>`,
});

export const signedOutPage: FormPage = ({ language: { texts } }) => ({
  title: texts.signedOut,
  body: html`<p>${texts.signedOutNow}</p><p class="links"><a href="/login">${texts.signInAgain}</a></p>`,
});

const continueLink = (location: string, texts: Texts): Html =>
  html`<a href="${location}" rel="noreferrer">${fill(texts.continueTo, { place: hostOf(location) })}</a>`;

/** For an unvetted client: the user decides whether to continue to its address. */
export const signedOutLeavePage =
  (location: string): FormPage =>
  ({ language: { texts } }) => ({
    title: texts.signedOut,
    body: html`<p>${texts.signedOutNow}</p>
<p>${texts.notCheckedSender} ${continueLink(location, texts)}</p>`,
  });

/** What each scope means, for users who are asked to consent. */
const SCOPES: Readonly<Record<string, keyof Texts>> = {
  openid: 'scopeOpenid',
  profile: 'scopeProfile',
  email: 'scopeEmail',
  offline_access: 'scopeOfflineAccess',
  'own.sessions': 'scopeOwnSessions',
  'own.events': 'scopeOwnEvents',
  'own.signoffs': 'scopeOwnSignoffs',
  'own.applications': 'scopeOwnApplications',
  'own.api_keys': 'scopeOwnApiKeys',
};

/**
 * Warns about an unvetted client, which chose its own name. For a client that is a document, the address is the best
 * evidence of its owner (draft-ietf-oauth-client-id-metadata-document §6.4).
 */
export type Unvetted = { readonly address: string | null };

const unvettedNote = (unvetted: Unvetted | null, texts: Texts): Html | null =>
  unvetted === null
    ? null
    : html`<p class="bad">${texts.notCheckedOwnName}${
        unvetted.address === null
          ? null
          : html` ${say(texts.addressIs, { address: html`<strong><code>${unvetted.address}</code></strong>` })}`
      } ${texts.continueOnlyIf}</p>`;

export type ConsentPage = {
  readonly formToken: string;
  /** The authorization request, sent back with the decision. */
  readonly query: string;
  readonly clientName: string;
  readonly clientHost: string;
  /** Path of its logo on our origin; null if it has none. */
  readonly logoPath: string | null;
  /** The page of the client itself; of an unvetted client, shown only at a host of its own. */
  readonly clientUri: string | null;
  readonly unvetted: Unvetted | null;
  readonly email: string;
  readonly scopes: readonly string[];
  /** What scopes of applications allow, as the applications name them. */
  readonly words: ReadonlyMap<string, ScopeWords>;
  readonly details: readonly ShownDetail[];
};

function meaningOf(scope: string, words: ReadonlyMap<string, ScopeWords>, { tag, texts }: Language): string | Html {
  const known = SCOPES[scope];
  if (known !== undefined) return texts[known];
  const named = words.get(scope);
  return named === undefined
    ? say(texts.scopeOther, { scope: html`<code>${scope}</code>` })
    : html`<bdi>${wordsIn(tag, named)}</bdi>`;
}

/** Whether the application asks for nothing but who the user is. */
const isMereSignIn = (scopes: readonly string[]): boolean =>
  scopes.every((scope) => SCOPES[scope] !== undefined && !isOwnScope(scope));

const scopeItem = (scope: string, words: ReadonlyMap<string, ScopeWords>, language: Language): Html =>
  html`<li><label><input type="checkbox" name="scope" value="${scope}" checked><span>${meaningOf(scope, words, language)}</span></label></li>`;

/** What an application may do in detail: in words, and all members of the detail for users who want to read them. */
const detailItem = ({ words, members }: ShownDetail, { tag, texts }: Language): Html =>
  html`<li><bdi>${words[tag]}</bdi><details><summary>${texts.detailMembers}</summary><pre>${members}</pre></details></li>`;

const decisionButtons = (texts: Texts): Html =>
  html`<button type="submit" name="decision" value="allow">${texts.allow}</button><button class="plain" type="submit" name="decision" value="deny">${texts.deny}</button>
<p class="dim">${texts.notYourAccount}</p><button class="plain" type="submit" name="decision" value="switch">${texts.anotherAccount}</button>`;

const linkTo = (uri: string): Html =>
  html`<p class="links"><a href="${uri}" rel="noreferrer"><code>${uri}</code></a></p>`;

/** What an unvetted client names is shown only at its own hosts: the page of another would vouch for it (RFC 7591 §5). */
function pageOfClient({ clientUri, clientHost, unvetted }: ConsentPage): Html | null {
  if (clientUri === null) return null;
  const isTrusted = unvetted === null || [clientHost, unvetted.address].includes(URL.parse(clientUri)?.host ?? '');
  return isTrusted ? linkTo(clientUri) : null;
}

export const consentPage =
  (asked: ConsentPage): FormPage =>
  ({ language }) => {
    const { texts } = language;
    const names = {
      client: strong(asked.clientName),
      email: strong(asked.email),
      host: html`<code>${asked.clientHost}</code>`,
    };
    const isMere = isMereSignIn(asked.scopes) && asked.details.length === 0;
    const title = isMere ? texts.allowSignInTitle : texts.allowTitle;
    return {
      title: fill(title, { client: asked.clientName }),
      heading: say(title, { client: html`<bdi>${asked.clientName}</bdi>` }),
      loadsOwnImages: asked.logoPath !== null,
      body: html`${logoOf(asked.logoPath)}${unvettedNote(asked.unvetted, texts)}<p>${say(texts.asksAccess, names)}</p>${pageOfClient(asked)}
<form method="post" action="/oauth2/consent">${hidden('form_token', asked.formToken)}${hidden('request', asked.query)}
<p class="dim">${texts.itWants}</p><ul>${asked.scopes.map((scope) => scopeItem(scope, asked.words, language))}${asked.details.map((detail) => detailItem(detail, language))}</ul>
${decisionButtons(texts)}</form>`,
    };
  };

type ShownError = {
  readonly title: string;
  readonly why?: string | undefined;
  /** What to do next; by default, to try again from the application. */
  readonly advice?: string | undefined;
  readonly link?: { readonly path: string; readonly text: string } | undefined;
};

/** Shows an error to the user, instead of redirecting to a URI from the request. */
export const errorPage =
  (shown: (look: Look) => ShownError): FormPage =>
  (look) => {
    const { title, why, advice = look.language.texts.adviceTryAgain, link } = shown(look);
    return {
      title,
      body: html`<div role="alert">${why === undefined ? null : html`<p>${why}</p>`}${advice === '' ? null : html`<p class="dim">${advice}</p>`}</div>${link === undefined ? null : html`<p class="links"><a href="${link.path}">${link.text}</a></p>`}`,
    };
  };

/** A sign-in to the console that ended elsewhere: refused, or begun in no browser that we know. */
export const consoleProblemPage = (why: 'refused' | null): FormPage =>
  errorPage(({ language: { texts } }) => ({
    title: texts.consoleStopped,
    why: why === null ? texts.consoleNoCookie : texts.consoleStoppedWhy,
    advice: '',
    link: { path: '/console', text: texts.consoleOpen },
  }));

/** An OAuth request that is refused on our page. */
export const requestErrorPage = (why: (texts: Texts) => string): FormPage =>
  errorPage(({ language: { texts } }) => ({ title: texts.requestRefused, why: why(texts) }));

/** Returns the host of a URI, or the scheme of a URI without one. */
export const hostOf = (address: string): string => {
  const { protocol, host } = new URL(address);
  return host === '' ? protocol : host;
};

/** The form by which a browser takes a response to a client. */
const answerForm = ({ action, fields }: FormPost, texts: Texts): Html =>
  html`<form method="post" action="${action}">${Object.entries(fields).map(([name, value]) => hidden(name, value))}<button type="submit">${fill(texts.continueTo, { place: hostOf(action) })}</button></form>`;

/** @param answer the error response for an unvetted client */
export const leavePage =
  (why: string, answer: ClientAnswer): FormPage =>
  ({ language: { texts } }) => ({
    title: texts.requestUnanswerable,
    postsAway: answer.kind === 'form-post',
    body: html`<div role="alert"><p>${fill(texts.requestUnanswerableWhy, { why })}</p></div>
<p>${texts.notChecked} ${answer.kind === 'redirect' ? continueLink(answer.location, texts) : null}</p>${answer.kind === 'redirect' ? null : answerForm(answer, texts)}`,
  });

/** Sends a response to the client at once; without script, by a button. */
export const formPostPage =
  (answer: FormPost): FormPage =>
  ({ language: { texts } }) => ({
    title: fill(texts.continueTo, { place: hostOf(answer.action) }),
    inlineScript: FORM_POST_SCRIPT,
    postsAway: true,
    body: html`<p>${texts.continueByButton}</p>${answerForm(answer, texts)}`,
  });

export const deviceCodePage =
  (isUnknown: boolean): FormPage =>
  (look) => {
    const { texts } = look.language;
    return {
      title: texts.connectDevice,
      body: html`${alertOf(isUnknown ? () => texts.codeUnknown : undefined, look)}
<form method="get" action="/device"><label for="user_code">${texts.deviceCodeLabel}</label>
<input id="user_code" name="user_code" required maxlength="32" autocomplete="off" autocapitalize="characters" spellcheck="false">
<button type="submit">${texts.continue}</button></form>`,
    };
  };

type DeviceConfirmPage = Omit<ConsentPage, 'query' | 'clientHost' | 'clientUri'> & { readonly userCode: string };

export const deviceConfirmPage =
  ({ formToken, userCode, ...asked }: DeviceConfirmPage): FormPage =>
  ({ language }) => {
    const { texts } = language;
    const code = html`<strong><code>${userCode}</code></strong>`;
    return {
      title: fill(texts.connectTitle, { client: asked.clientName }),
      heading: say(texts.connectTitle, { client: html`<bdi>${asked.clientName}</bdi>` }),
      loadsOwnImages: asked.logoPath !== null,
      body: html`${logoOf(asked.logoPath)}${unvettedNote(asked.unvetted, texts)}<p>${say(texts.deviceAsks, { email: strong(asked.email), code })}</p>
<p class="dim">${texts.itWants}</p><ul>${asked.scopes.map((scope) => html`<li>${meaningOf(scope, asked.words, language)}</li>`)}${asked.details.map((detail) => detailItem(detail, language))}</ul>
<form method="post" action="/device">${hidden('form_token', formToken)}${hidden('user_code', userCode)}
${decisionButtons(texts)}</form>`,
    };
  };

export const deviceDonePage =
  (isAllowed: boolean): FormPage =>
  ({ language: { texts } }) => ({
    title: isAllowed ? texts.deviceConnected : texts.deviceRefused,
    body: html`<p>${isAllowed ? texts.deviceContinues : texts.deviceWithoutAccess}</p>`,
  });
