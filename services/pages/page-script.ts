/**
 * The script of pages with passwords and mailed codes, which work without it. It shows passwords on request, and hides
 * them again before the form is sent, so that the browser does not keep them among typed texts. The code of a mailed
 * link arrives in the fragment, which the browser does not send: the script moves it to a hidden field of the form, takes
 * away the fields in which it would be typed, and removes it from the address bar, so that neither bookmarks nor history keep it.
 */
export const PAGE_SCRIPT = `const secrets=document.querySelectorAll('input[type=password]');
for(const label of document.querySelectorAll('label.check[hidden]')){label.hidden=false;const box=label.querySelector('input');
const show=()=>{for(const field of secrets)field.type=box.checked?'text':'password'};
box.addEventListener('change',show);box.form.addEventListener('submit',()=>{box.checked=false;show()})}
const code=location.hash.slice(1),field=document.querySelector('input[name=token]'),typed=document.getElementById('typed');
if(code&&typed){field.value=code;typed.hidden=typed.disabled=true;history.replaceState(null,'',location.pathname)}`;

/** Moves the token in the fragment to its field, takes it out of the address bar, and sends the form, which asks whose it is. */
export const BRIDGE_SCRIPT = `const token=location.hash.slice(1).replace(/^token=/,'');
if(token){document.querySelector('input[name=token]').value=token;document.querySelector('button').disabled=false;
history.replaceState(null,'',location.pathname+location.search);document.forms[0].submit()}`;

export const FORM_POST_SCRIPT = 'document.forms[0].submit()';

/**
 * The script of pages with texts to keep. It shows the buttons that copy a text of the page or print the page, where the
 * browser can; without it the texts are selected by hand.
 */
export const COPY_SCRIPT = `for(const button of document.querySelectorAll('button[data-copies]')){button.hidden=!navigator.clipboard;
button.addEventListener('click',async()=>{await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
button.parentNode.querySelector('[role=status]').textContent=button.dataset.done})}
for(const button of document.querySelectorAll('button[data-prints]')){button.hidden=false;button.addEventListener('click',()=>print())}`;

/** How long an answer of the service stands for the next one, milliseconds: within it a form is sent without asking. */
const FRESH_MS = 20_000;

/**
 * The script of every page. A form or link of ours waits, with all that was typed, while the service does not answer: the
 * page says so, asks again with growing pauses, and goes on by itself. A page that stands for an answer which could not be
 * given (503) asks likewise and loads itself again; the number of its tries is kept in the history entry, so that they slow
 * down.
 */
export const COME_BACK_SCRIPT = `{const away=document.getElementById('away'),tries=history.state?.tries??0;let answeredAt=performance.now(),held=false;
const answers=()=>fetch('/readyz',{cache:'no-store',signal:AbortSignal.timeout(5000)}).then(({status})=>![502,503,504].includes(status),()=>false);
const pause=count=>new Promise(go=>setTimeout(go,Math.min(1000*2**count,15000)*(.75+Math.random()/2)));
const back=async()=>{for(let count=0;!(await answers());count++){away.hidden=false;await pause(count)}away.hidden=true;answeredAt=performance.now()};
const hold=async(event,goOn)=>{if(event.defaultPrevented||performance.now()-answeredAt<${FRESH_MS})return;event.preventDefault();
if(held)return;held=true;await back();held=false;goOn()};
addEventListener('submit',event=>{hold(event,()=>event.target.requestSubmit(event.submitter))});
addEventListener('click',event=>{const link=event.target.closest?.('a[href]');
if(link&&link.origin===location.origin&&!link.hash&&!link.target&&!link.download&&!event.button&&!event.ctrlKey&&!event.metaKey&&!event.shiftKey)hold(event,()=>{location.href=link.href})});
if(away.dataset.reloads){away.hidden=false;pause(tries).then(async()=>{for(let count=tries;!(await answers());count++)await pause(count);
history.replaceState({tries:tries+1},'');location.reload()})}}`;
