import { type Html, html, raw } from './html.ts';
import { documentOf, NO_INDEX, styleOf } from './page.ts';
import { pageHeaders } from './page-headers.ts';

const STYLE = styleOf(`body{background:var(--card);max-width:28rem;margin:15vh auto 0;padding:0 1rem}
label{display:block;margin:1rem 0 .25rem}input,button{font:inherit;padding:.55rem .7rem;width:100%}button{margin-top:1.25rem;cursor:pointer}`);

// The code arrives in the fragment, which the browser does not send, and is sent in a body. The script removes it from
// the address bar immediately, so that neither bookmarks nor history keep it.
const SCRIPT = `const said=document.getElementById('said'),code=location.hash.slice(1);
if(code){document.forms[0].elements.token.value=code;history.replaceState(null,'',location.pathname)}
for(const form of document.forms)form.addEventListener('submit',async(event)=>{event.preventDefault();form.elements.send.disabled=true;
try{const body=JSON.stringify(Object.fromEntries(new FormData(form)));
const answer=await fetch(form.dataset.to,{method:'POST',headers:{'content-type':'application/json'},body});
const problem=answer.ok?{}:await answer.json();
said.textContent=answer.ok?form.dataset.done:problem.title+'. '+(problem.fix||'');
if(problem.code==='password_required'){const more=document.getElementById('more');more.hidden=false;more.querySelector('input').disabled=false}
if(answer.ok)form.hidden=true}catch{said.textContent='The server could not be reached. Try again.'}
form.elements.send.disabled=false;said.focus()});`;

type PageWords = {
  readonly title: string;
  readonly to: string;
  readonly done: string;
  readonly fields: Html | null;
  readonly button: string;
  readonly ask?: { readonly to: string; readonly done: string };
};

const PAGES = {
  verify: {
    title: 'Confirm your e-mail address',
    to: '/api/auth/verify-email',
    done: 'Your address is confirmed. You can sign in now.',
    // Disabled (and so not sent) until the page learns that no user is signed in to the account of the code.
    fields: html`<div id="more" hidden><label for="password">Password to sign in with</label><input id="password" name="password" type="password" autocomplete="current-password" required maxlength="256" disabled></div>`,
    button: 'Confirm',
  },
  reset: {
    title: 'Choose a new password',
    to: '/api/auth/reset-password',
    done: 'Your password is changed, and you are signed out on all devices.',
    fields: html`<label for="password">New password</label><input id="password" name="new_password" type="password" autocomplete="new-password" required minlength="12" maxlength="256">`,
    button: 'Change password',
  },
  unlock: {
    title: 'Unlock your account',
    to: '/api/auth/unlock',
    done: 'Your account is unlocked. You can sign in again.',
    fields: null,
    button: 'Unlock',
    ask: {
      to: '/api/auth/request-unlock',
      done: 'If an account has this address and is locked, a mail with a link is on its way.',
    },
  },
  invitation: {
    title: 'Accept the invitation',
    to: '/api/auth/accept-invitation',
    done: 'Your account is ready. You can sign in now.',
    fields: html`<label for="password">Password to sign in with</label><input id="password" name="new_password" type="password" autocomplete="new-password" required minlength="12" maxlength="256">`,
    button: 'Accept',
  },
} as const satisfies Record<string, PageWords>;

/** Form for users without a code, or with an expired one. */
const askForm = ({ to, done }: { readonly to: string; readonly done: string }): Html =>
  html`<form data-to="${to}" data-done="${done}"><label for="email">If you have no code, enter your e-mail address</label><input id="email" name="email" type="email" autocomplete="username" required maxlength="254"><button name="send">Send me a mail with a link</button></form>`;

const pageOf = ({ title, to, done, fields, button, ask }: PageWords): string =>
  documentOf({
    title,
    style: STYLE,
    head: NO_INDEX,
    body: html`<main><h1>${title}</h1><p id="said" role="status" tabindex="-1"></p><noscript><p>This page needs JavaScript. Allow it for this page, or send the code from the mail as JSON to <code>POST ${to}</code>.</p></noscript><form data-to="${to}" data-done="${done}"><label for="token">Code from the mail</label><input id="token" name="token" autocomplete="one-time-code" required maxlength="128">${fields}<button name="send">${button}</button></form>${ask && askForm(ask)}</main><script>${raw(SCRIPT)}</script>`,
  });

/** The page that a mailed link opens. It is the same for every user: the personal code stays in the fragment. */
export const codePage = (page: keyof typeof PAGES): string => pageOf(PAGES[page]);

export const codePageHeaders = (): Record<string, string> => ({
  ...pageHeaders({ styles: [STYLE], scripts: [SCRIPT], connects: true }),
  'referrer-policy': 'no-referrer',
});
