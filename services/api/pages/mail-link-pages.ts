import { type Html, html } from '#services/platform/html/html.ts';
import type { Page } from './form-page.ts';
import type { Texts } from './texts/english.ts';
import { say } from './texts/texts.ts';

// The code arrives in the fragment, which the browser does not send, and is sent in a body. The script removes it from
// the address bar immediately, so that neither bookmarks nor history keep it, and keeps it out of sight.
const SCRIPT = `const said=document.getElementById('said'),code=location.hash.slice(1);
if(code){const field=document.forms[0].elements.token;field.value=code;field.type='hidden';document.getElementById('typed').hidden=true;history.replaceState(null,'',location.pathname)}
for(const form of document.forms)form.addEventListener('submit',async(event)=>{event.preventDefault();form.elements.send.disabled=true;
try{const body=JSON.stringify(Object.fromEntries(new FormData(form)));
const answer=await fetch(form.dataset.to,{method:'POST',headers:{'content-type':'application/json'},body});
const problem=answer.ok?{}:await answer.json();
said.textContent=answer.ok?form.dataset.done:problem.title+'. '+(problem.fix||'');
if(problem.code==='password_required'){const more=document.getElementById('more');more.hidden=false;more.querySelector('input').disabled=false}
if(answer.ok){form.hidden=true;document.getElementById('after').hidden=false}}catch{said.textContent=said.dataset.unreachable}
form.elements.send.disabled=false;said.focus()});`;

type Words = {
  readonly title: keyof Texts;
  readonly to: string;
  readonly done: keyof Texts;
  readonly fields?: (texts: Texts) => Html;
  readonly button: keyof Texts;
  /** Where to ask for another mail. */
  readonly ask?: { readonly to: string; readonly done: keyof Texts };
};

const newPassword =
  (label: keyof Texts) =>
  (texts: Texts): Html =>
    html`<label for="password">${texts[label]}</label><input id="password" name="new_password" type="password" autocomplete="new-password" required minlength="12" maxlength="256">`;

const PAGES = {
  verify: {
    title: 'confirmAddress',
    to: '/api/auth/verify-email',
    done: 'addressConfirmed',
    // Disabled (and so not sent) until the page learns that no user is signed in to the account of the code.
    fields: (texts) =>
      html`<div id="more" hidden><label for="password">${texts.passwordToSignIn}</label><input id="password" name="password" type="password" autocomplete="current-password" required maxlength="256" disabled></div>`,
    button: 'confirm',
  },
  reset: {
    title: 'chooseNewPassword',
    to: '/api/auth/reset-password',
    done: 'passwordChanged',
    fields: newPassword('newPassword'),
    button: 'changePassword',
  },
  unlock: {
    title: 'unlockAccount',
    to: '/api/auth/unlock',
    done: 'unlocked',
    button: 'unlock',
    ask: { to: '/api/auth/request-unlock', done: 'linkUnderWay' },
  },
  invitation: {
    title: 'acceptInvitation',
    to: '/api/auth/accept-invitation',
    done: 'accountReady',
    fields: newPassword('passwordToSignIn'),
    button: 'accept',
  },
} as const satisfies Record<string, Words>;

/** Form for users without a code, or with an expired one. */
const askForm = ({ to, done }: NonNullable<Words['ask']>, texts: Texts): Html =>
  html`<form data-to="${to}" data-done="${texts[done]}"><label for="email">${texts.askForCode}</label><input id="email" name="email" type="email" autocomplete="username" required maxlength="254"><button name="send" class="plain">${texts.sendLink}</button></form>`;

/** The page that a mailed link opens. It is the same for every user: the personal code stays in the fragment. */
export const mailLinkPage = (name: keyof typeof PAGES): Page => {
  const { title, to, done, fields, button, ask }: Words = PAGES[name];
  return ({ language: { texts } }) => {
    return {
      title: texts[title],
      isPrivate: true,
      inlineScript: SCRIPT,
      body: html`<p id="said" role="status" tabindex="-1" data-unreachable="${texts.serverUnreachable}"></p><noscript><p>${say(texts.needsScript, { endpoint: html`<code>POST ${to}</code>` })}</p></noscript><form data-to="${to}" data-done="${texts[done]}"><label id="typed" for="token">${texts.codeFromMail}</label><input id="token" name="token" autocomplete="one-time-code" required maxlength="128">${fields?.(texts)}<button name="send">${texts[button]}</button></form>${ask && askForm(ask, texts)}<p id="after" hidden><a href="/login">${texts.signIn}</a></p>`,
    };
  };
};
